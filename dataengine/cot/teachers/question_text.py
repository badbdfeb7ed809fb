"""Requests about questions themselves: to propose some, to sample answers to one with and without its picture, to judge one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataengine.cot.core.seeded import derive_seed
from dataengine.cot.teachers.prompt_text import template
from dataengine.models.serving.completion import Request
from dataengine.models.serving.messages import Block, ImageBlock, Message, TextBlock

MAX_ANSWER_WORDS = 12
_KNOWN = {
    "captions": "captions by others, which may be wrong",
    "ocr_text": "text that was read in it, with mistakes",
    "speech_text": "speech that was heard in it, with mistakes",
}
_MAX_KNOWN = 2000
"""Characters of each text that is known of a sample."""
_PROPOSED = {
    "type": "object",
    "properties": {
        "capability": {"type": "string"},
        "question": {"type": "string"},
        "answer": {"type": "string"},
        "choices": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["capability", "question", "answer", "choices"],
    "additionalProperties": False,
}
_PROPOSALS_SCHEMA = {
    "type": "object",
    "properties": {"questions": {"type": "array", "items": _PROPOSED}},
    "required": ["questions"],
    "additionalProperties": False,
}
_JUDGEMENT_SCHEMA = {
    "type": "object",
    "properties": {
        "valid": {"type": "boolean"},
        "reason": {"type": "string"},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["valid", "reason", "score"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Views:
    """References of a sample's pictures in the order in which they are shown; of a video's frames with their ``times`` in
    seconds, empty where these are not known."""

    pictures: tuple[str, ...]
    times: tuple[float, ...] = ()

    def blocks(self) -> list[Block]:
        content = list[Block]()
        for place, name in enumerate(self.pictures):
            content += [TextBlock(text=f"[{self.times[place]:.1f} s]")] if self.times else []
            content.append(ImageBlock(image=name))
        return content


def proposing(
    sample: str, views: Views, capabilities: str, known: Mapping[str, str], seed: int, sampling: Sampling
) -> Request:
    """Request for questions as JSON. ``capabilities``: a line each; ``known``: texts about the sample by name."""
    texts = [f"{_KNOWN[name]}: {text[:_MAX_KNOWN]}" for name, text in known.items() if name in _KNOWN and text]
    hints = "\nWhat is known of it besides (do not ask about these texts): " + "\n".join(texts) if texts else ""
    text = template("propose").format(capabilities=capabilities, known=hints)
    seed = derive_seed(seed, sample, "propose")
    return Request(_user([*views.blocks(), TextBlock(text=text)]), seed, *sampling, json_schema=_PROPOSALS_SCHEMA)


Sampling = tuple[float, int]
"""Temperature, and tokens at most."""


def answering(question: str, views: Views, seed: int, sampling: Sampling) -> Request:
    """Request for an answer with a boxed end. ``question`` has its choices, a line each."""
    return Request(_user([*views.blocks(), TextBlock(text=f"{template('sample')}\n\n{question}")]), seed, *sampling)


def guessing(question: str, seed: int, temperature: float) -> Request:
    """Request for an answer without the picture, in a few words."""
    return Request(_user([TextBlock(text=f"{template('blind')}\n\n{question}")]), seed, temperature, 64)


def judging(question: str, answer: str, views: Views, seed: int) -> Request:
    """Request for a judgement as JSON: valid (bool), reason, score (1 to 5)."""
    text = template("judge_question").format(question=question, answer=answer)
    return Request(_user([*views.blocks(), TextBlock(text=text)]), seed, 0.0, 256, json_schema=_JUDGEMENT_SCHEMA)


def _user(content: Sequence[Block]) -> tuple[Message, ...]:
    return (Message(role="user", content=tuple(content)),)
