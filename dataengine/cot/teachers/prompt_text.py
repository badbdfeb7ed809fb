"""Prompts for teachers and judges from the templates in ``prompts/``: paths, text-only baselines, judgements, rewritings.

A template's file name holds its version; every record names the digest of the one that it came from. Pictures are made in
``render.py`` and named by their digest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.cot.core import formats
from dataengine.cot.core.confidence import SENTENCE
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import OBSERVATION
from dataengine.cot.teachers import tool_calls
from dataengine.models.serving.completion import Request
from dataengine.models.serving.messages import Block, ImageBlock, Message, TextBlock, VideoBlock, image_reference
from dataengine.storage.workspace import digest

VERSION = "1"
FLAWS = ("inconsistent", "untrue", "irrelevant")
"""What a step of reasoning can be, by a judge."""
_PROGRAM = re.compile(r"```.*?```|<sandbox_output>.*?</sandbox_output>", re.DOTALL)
_TAG = re.compile(r"</?\w+>")
_MAX_STEPS = 60
_JUDGEMENT_SCHEMA = {
    "type": "object",
    "properties": {
        "process": {"type": "boolean"},
        "reason": {"type": "string"},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
        "steps": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"step": {"type": "integer"}, "flaw": {"type": "string", "enum": list(FLAWS)}},
                "required": ["step", "flaw"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["process", "reason", "score", "steps"],
    "additionalProperties": False,
}


@cache
def template(name: str) -> str:
    return files("dataengine.cot.teachers").joinpath(f"prompts/{name}.v{VERSION}.txt").read_text("utf-8").strip()


def prompt_of(name: str) -> str:
    """Digest of a template."""
    return digest(template(name))


_QUESTION_SCHEMA = {
    "type": "object",
    "properties": {"question": {"type": "string"}},
    "required": ["question"],
    "additionalProperties": False,
}


def answerable(question: Question, config: OpenAIConfig) -> bool:
    """May this model get this question? Tools on a picture are for models that see it."""
    return question.style != "agentic" or (config.tools != "none" and config.vision)


def head_of(question: Question, config: OpenAIConfig) -> str:
    """Name of the prompt template of a path."""
    return "agentic_calls" if question.style == "agentic" and config.tools == "calls" else question.style


def path(question: Question, pictures: Sequence[str], seed: int, config: CotConfig, teacher: OpenAIConfig) -> Request:
    """Request for one path of reasoning. ``pictures`` are references, in the order in which they are shown."""
    name = head_of(question, teacher)
    head = template(name)
    if config.show_answer:
        head = f"{head}\n{template('shown_answer').format(answer=question.answer)}"
    prompt = (_message(question, pictures if teacher.vision else (), head),)
    tools = tool_calls.definitions() if name == "agentic_calls" else ()
    return Request(prompt, seed, config.temperature, config.max_tokens, logprobs=True, tools=tools)


def enhanced(
    question: Question, pictures: Sequence[str], others: Sequence[str], seed: int, config: CotConfig
) -> Request:
    """Request for a harder question with the same answer, as JSON; ``others`` are questions about the same sample."""
    parameters = question.parameters
    answer = parameters.get("answer", question.answer)
    fields = {"question": parameters["question"], "answer": answer, "others": " | ".join(others) or "none"}
    content: tuple[Block, ...] = (*map(_image, pictures), TextBlock(text=template("enhance").format(**fields)))
    message = Message(role="user", content=content)
    return Request((message,), seed, config.temperature, config.max_tokens, json_schema=_QUESTION_SCHEMA)


def text_only(question: Question, seed: int) -> Request:
    """Request for the text-only baseline: the question without its pictures, answered in a few words."""
    text = f"{template('blind')}\n\n{_text_without_switch(question)}"
    return Request((Message(role="user", content=(TextBlock(text=text),)),), seed, 0.0, 64)


def direct(question: Question, pictures: Sequence[str], seed: int) -> Request:
    """Request for the baseline without tools: an answer in a few words to what is shown."""
    return Request((_message(question, pictures, template("direct")),), seed, 0.0, 64)


def judge(question: Question, pictures: Sequence[str], reply: str) -> Request:
    """Request for a judgement of a reply: process (bool), reason, score (1 to 5), as JSON; of a free answer also whether it
    is right (answer)."""
    free = question.free
    text = template("judge_text" if free else "judge")
    steps = "\n".join(f"{n}. {step}" for n, step in enumerate(steps_of(reply), 1)) or "none"
    text = text.format(answer=question.answer, question=_text_without_switch(question), reply=reply, steps=steps)
    schema: dict[str, Any] = _JUDGEMENT_SCHEMA
    if free:
        properties = {"answer": {"type": "boolean"}, **_JUDGEMENT_SCHEMA["properties"]}  # type: ignore[dict-item]
        schema = _JUDGEMENT_SCHEMA | {
            "properties": properties,
            "required": ["answer", "process", "reason", "score", "steps"],
        }
    content: tuple[Block, ...] = (*map(_image, pictures), TextBlock(text=text))
    return Request((Message(role="user", content=content),), question.seed, 0.0, 512, json_schema=schema)


def steps_of(reply: str) -> list[str]:
    """The sentences of a reply's reasoning, as judges number them; programs and what they gave are none."""
    reasoning = _PROGRAM.sub("\n", reply.partition("</think>")[0]) if "</think>" in reply else ""
    text = _TAG.sub("", reasoning.rpartition("<think>")[2])
    return [" ".join(step.split()) for step in SENTENCE.findall(text) if step.strip()][:_MAX_STEPS]


def register(views: Sequence[bytes], pictures: dict[str, bytes]) -> list[str]:
    """References to pictures, named by their bytes so that the same question has the same name in any batch."""
    names = [image_reference(data) for data in views]
    pictures.update(zip(names, views, strict=True))
    return names


def views(question: Question, of_sample: dict[str, list[bytes]], own: Sequence[bytes]) -> list[bytes]:
    """Pictures of a question, in the order of its blocks: the sample, its frames, the question's own images and the frames of its
    clips. Empty where one of them cannot be had."""
    shown = list[bytes]()
    for block in question.content:
        if isinstance(block, TextBlock):
            continue
        if isinstance(block, ImageBlock) and block.image.startswith(OBSERVATION):
            shown.append(own[int(block.image.removeprefix(OBSERVATION))])
        elif isinstance(block, VideoBlock) and block.pictures:
            shown += [own[number] for number in block.pictures]
        elif frames := of_sample.get("" if isinstance(block, ImageBlock) else question.parameters.get("sampling", "")):
            shown += frames
        else:
            return []
    return shown


def _message(question: Question, pictures: Sequence[str], head: str) -> Message:
    """The question; each frame of a video with the time when it is shown. Without pictures its text alone."""
    names, content = iter(pictures), list[Block]()
    for block in question.content:
        if isinstance(block, TextBlock):
            content.append(block)
        elif isinstance(block, ImageBlock):
            content += map(_image, [name for _, name in zip(range(1), names, strict=False)])
        else:
            for time, name in zip(block.times, names, strict=False):
                content += [TextBlock(text=f"[{time:.1f} s]"), _image(name)]
    text = f"{head}\n\nThe question:"
    return Message(role="user", content=(TextBlock(text=text), *_without_switch(content, question)))


def _image(name: str) -> ImageBlock:
    return ImageBlock(image=name)


def _without_switch(content: Sequence[Block], question: Question) -> list[Block]:
    """The content without its mode switch, which is for the model that will be trained."""
    switch = formats.SWITCHES[question.switches][question.style]
    *front, last = content
    if isinstance(last, TextBlock) and switch:
        return [*front, TextBlock(text=last.text.removesuffix(switch))]
    return list(content)


def _text_without_switch(question: Question) -> str:
    text = question.text.removesuffix(formats.SWITCHES[question.switches][question.style])
    return text.replace(formats.IMAGE_MARK, "").strip()
