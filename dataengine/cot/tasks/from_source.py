"""Tasks from source metadata: existing question-answer pairs, and matching a sample to its caption.

Answers of pairs have the basis ``given``: nobody has measured them, and a check can only say that record and reply agree with the
source. That a caption is the sample's own can be looked up in the release. A program writes the short reply to a pair; all
reasoning is for models.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from dataengine.cot.core import frame_sampling
from dataengine.cot.core.formats import IMAGE_MARK, SWITCHES, Plain, tagged
from dataengine.cot.core.record import AnswerType, Basis, Family, Mode, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.core.source_qa import Pair
from dataengine.cot.replies.wrappers import without_tokens
from dataengine.cot.tasks.base import LETTERS, SEPARATOR, Abstain, Exchange, Facts, Params, Task, picture
from dataengine.cot.tasks.tree import Capability, Need
from dataengine.models.serving.messages import Block
from dataengine.storage.workspace import digest

_MAX_LENGTH = 4000
_MIN_CAPTION_WORDS = 3
_PROBLEM = "problem"
AT = " @ "
"""In the name of a question between what it asks and the number of the frame sampling that it shows."""
_CAPTION_QUESTIONS = (
    "Which of these captions belongs to the {kind}?\n{options}",
    "One of these sentences was written about this {kind}. Which one?\n{options}",
    "Choose the caption that describes what is shown in the {kind}.\n{options}",
)


class FromSource(Task):
    """A task of one mode and kind of sample; of a video it shows the frames that the recipe wants."""

    capability: ClassVar[Capability] = "source"
    share = 50.0  # what a source or a model brings is asked first

    def __init__(self, name: str, mode: Mode, styles: tuple[Style, ...]) -> None:
        self.name = name
        self.mode = mode  # type: ignore[misc]
        self.styles = styles  # type: ignore[misc]
        self.kind = "video" if mode == "video" else "image"  # type: ignore[misc]
        families: dict[str, Family] = {"video": "clip", "think_with_image": "tools"}
        self.family = families.get(mode, "picture")  # type: ignore[misc]

    def programs(self, style: Style) -> bool:
        return False

    def _shown(self, source: CotInput, draw: Draw) -> Params:
        return self._frames(source, draw.choice(source.samplings)) if self.kind == "video" else {}

    def _frames(self, source: CotInput, sampling: str) -> Params:
        return frame_sampling.parameters_of(sampling, source.sampled(sampling))

    def _of_each_sampling(self, source: CotInput, variants: Iterable[str]) -> list[str]:
        """Names of questions: about a video each with every frame sampling, about a picture once."""
        names = list(dict.fromkeys(variants))
        if self.kind != "video":
            return names
        return [f"{name}{AT}{number}" for name in names for number in range(len(source.samplings))]

    def _each_shown(self, source: CotInput, variant: str) -> Iterator[Params]:
        """The parameters that say which question it is and what it shows, one a name of ``_of_each_sampling``."""
        for number, sampling in enumerate(source.samplings if self.kind == "video" else ()):
            yield {"variant": f"{variant}{AT}{number}"} | self._frames(source, sampling)
        if self.kind != "video":
            yield {"variant": variant}

    def _other_frames(self, params: Params, source: CotInput) -> Abstain | None:
        other = "sampling" in params and not frame_sampling.same_frames(params, source.sampled(params["sampling"]))
        return Abstain("other frames") if other else None

    def _blocks(self, source_id: str, params: Params) -> tuple[Block, ...]:
        return (frame_sampling.video_block(source_id, params),) if self.kind == "video" else picture(source_id)


class Given(FromSource):
    """A question-answer pair of the source; each is asked in one mode."""

    basis: ClassVar[Basis] = "given"
    needs: ClassVar[tuple[Need, ...]] = ("pairs",)

    def takes(self, source: CotInput) -> bool:
        return super().takes(source) and bool(source.pairs)

    def variants(self, source: CotInput) -> Sequence[str]:
        return self._of_each_sampling(source, (_variant(pair) for pair in source.pairs))

    def programs(self, style: Style) -> bool:
        return style == "non_thinking"

    def type_of(self, params: Params) -> AnswerType:
        return params["answer_type"]  # type: ignore[return-value]

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        for pair in source.pairs:
            params = {"question": pair.question, "answer": pair.answer, "place": pair.place}
            params |= {"answer_type": pair.answer_type}
            params |= {"choices": json.dumps(pair.choices, ensure_ascii=False)} if pair.choices else {}
            problem = pair.problem or unfit(pair.question, pair.answer, *pair.choices)
            params |= {_PROBLEM: problem} if problem else {}
            for shown in self._each_shown(source, _variant(pair)):
                yield shown | params

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        if _PROBLEM in params:
            return Abstain(params[_PROBLEM])
        return self._other_frames(params, source) or {"given": 1.0}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        return params["answer"]

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        choices = json.loads(params.get("choices", "[]"))
        question = f"{params['question']}\n{lettered(choices)}" if choices else params["question"]
        reply = f"{answer}. {choices[LETTERS.index(answer)]}" if choices else answer
        return Exchange(question, Plain(reply), self._blocks(source_id, params))


class CaptionMatch(FromSource):
    """One of the sample's captions among those of others; ``others`` are whose they are."""

    answer_type = "choice"
    basis = "caption"
    needs = ("caption", "other samples", "vlm")

    def takes(self, source: CotInput) -> bool:
        return super().takes(source) and bool(source.distractors)

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        own = [c for c in source.captions if len(c.split()) >= _MIN_CAPTION_WORDS and not unfit(c)]
        distractors = [d for d in source.distractors if not unfit(d.text)]
        if not own or not distractors:
            return Abstain("no caption to choose" if not own else "no captions of others")
        others = {"others": SEPARATOR.join(d.id for d in distractors)}
        shown = self._shown(source, draw)
        return [
            {"choices": json.dumps(draw.shuffled([one, *(d.text for d in distractors)]), ensure_ascii=False)}
            | others
            | shown
            for one in draw.shuffled(own)
        ]

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        choices = json.loads(params["choices"])
        facts = {letter: float(text in source.captions) for letter, text in zip(LETTERS, choices, strict=False)}
        return self._other_frames(params, source) or facts

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        own = [letter for letter, is_own in facts.items() if is_own]
        return own[0] if len(own) == 1 else Abstain("not one caption of its own")

    def tolerance(self, fact: str) -> float:
        return 0.0

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        kind = "video" if self.kind == "video" else "picture"
        question = draw.choice(_CAPTION_QUESTIONS).format(kind=kind, options=lettered(json.loads(params["choices"])))
        return Exchange(question, Plain(answer), self._blocks(source_id, params))


def lettered(choices: Sequence[str]) -> str:
    """Choices with their letters, one a line."""
    return "\n".join(f"{letter}. {' '.join(text.split())}" for letter, text in zip(LETTERS, choices, strict=False))


def unfit(*texts: str) -> str:
    """Why texts do not fit into a question or its answer; empty where they do."""
    if any(len(t) > _MAX_LENGTH for t in texts):
        return "too long"
    if any(t.startswith("{") and t.endswith("}") for t in texts):
        return "JSON, as of a structured caption"
    if any(tagged(t) or IMAGE_MARK in t or r"\boxed" in t or t.count("{") != t.count("}") for t in texts):
        return "a tag of the text forms inside"
    if any(without_tokens(t) != t for t in texts):
        return "a special token inside"
    switches = [s for table in SWITCHES.values() for s in table.values() if s]
    return "a mode switch at the end" if any(t.endswith(s) for t in texts for s in switches) else ""


def _variant(pair: Pair) -> str:
    return f"pair {digest(pair.question, pair.answer, pair.choices)[:12]}"
