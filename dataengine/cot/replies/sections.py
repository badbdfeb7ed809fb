"""Splits a reply as a model server gives it into analysis, reasoning and answer, whatever tags or headings it has.

Known forms: ``<think>`` with or without its opening tag (as chat templates leave it out), ``<answer>`` with or without its end,
GLM-V's and Kimi's marks, the channels of gpt-oss, headings and labels in Markdown, JSON with a reasoning and an answer, and a
last line that is the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dataengine.cot.replies.wrappers import boxes, without_tokens
from dataengine.errors import InputError
from dataengine.text.bounded_json import parse_json

_SPELLINGS = {"thinking": "think", "thought": "think", "thoughts": "think", "reasoning": "think", "reason": "think",
              "final_answer": "answer", "finalanswer": "answer"}  # fmt: skip
_TAG = re.compile(
    r"(?i)<\s{0,3}(/?)\s{0,3}(think|thinking|thoughts?|reason|reasoning|answer|final_?answer|analysis)\s{0,3}>"
)
_MARKS = (
    ("◁think▷", "<think>"), ("◁/think▷", "</think>"), ("<|begin_of_thought|>", "<think>"), ("<|end_of_thought|>", "</think>"),
    ("<|begin_of_solution|>", "<answer>"), ("<|end_of_solution|>", "</answer>"), ("<seed:think>", "<think>"),
    ("</seed:think>", "</think>"), ("<|channel|>analysis<|message|>", "<think>"), ("<|channel|>final<|message|>", "</think>"),
    ("<|start|>assistant", ""), ("<|message|>", ""),
)  # fmt: skip
_FENCED = re.compile(r"```[a-zA-Z]{0,12}[ \t]{0,4}\n(.*)\n[ \t]{0,8}```", re.DOTALL)
_LABEL = re.compile(
    r"(?im)^[ \t#>*_\-]{0,8}(?:the )?(?:final |correct |my )?(?:answer|答案|最终答案)(?: is)?[ \t]{0,3}[*_]{0,3}[ \t]{0,3}"
    r"(?:[:：]|$|\n)"
    r"[ \t]{0,3}[*_]{0,3}[ \t]{0,3}"
)
_HEADINGS = re.compile(
    r"(?im)^[ \t#>*_]{0,8}(?:reasoning|thinking|analysis|explanation|step[- ]by[- ]step(?: reasoning)?)[*_]{0,3}[:：]?"
    r"[*_ \t]{0,4}$\n?"
)
_REASONS = ("reasoning", "thought", "thoughts", "thinking", "explanation", "rationale", "analysis", "think")
_ANSWERS = ("answer", "final_answer", "result", "solution")


@dataclass(frozen=True)
class Sections:
    """Parts that a reply lacks are empty."""

    analysis: str = ""
    think: str = ""
    answer: str = ""


def sections_of(text: str, reasoning: str = "") -> Sections:
    """``reasoning``: what the server tells apart from the text (``reasoning_content``)."""
    text = tagged_alike(text)
    reasoning = tagged_alike(reasoning)
    if reasoning:
        text = text if "<think>" in text or "</think>" in text else f"{_opened(reasoning)}</think>{text}"
    if fenced := _FENCED.fullmatch(text):
        text = fenced[1].strip()
    if (of_json := _of_json(text)) is not None:
        return of_json
    analysis, text = _analysis(text)
    return _split(analysis, text)


def tagged_alike(text: str) -> str:
    """Text with its tags in one spelling, without special tokens and carriage returns."""
    text = text.replace("\r\n", "\n").replace("\ufeff", "").strip()
    for mark, tag in _MARKS:
        text = text.replace(mark, tag)
    text = without_tokens(text)
    return _TAG.sub(lambda m: f"<{m[1]}{_SPELLINGS.get(m[2].lower(), m[2].lower())}>", text).strip()


def without_tags(text: str) -> str:
    """Text without any of the tags."""
    return _TAG.sub("", text).strip()


def last_line_apart(text: str) -> tuple[str, str]:
    """``(reasoning, answer)`` of a text without tags: by its label, its box, else its last line or sentence."""
    labels = [match for match in _LABEL.finditer(text) if text[match.end() :].strip()]
    if labels:
        last = labels[-1]
        before = _HEADINGS.sub("", text[: last.start()])
        return before.strip(), text[last.end() :].strip()
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1:
        at = _line_of_box(lines)
        return "\n".join(lines[:at]).strip(), "\n".join(lines[at:]).strip()
    sentences = re.split(r"(?<=[.!?。！？])\s+", text.strip())
    return " ".join(sentences[:-1]), sentences[-1]


def _line_of_box(lines: list[str]) -> int:
    """Index of the last line with a box; of the last line where none has one."""
    boxed = [at for at, line in enumerate(lines) if at and boxes(line)]
    return boxed[-1] if boxed else len(lines) - 1


def _split(analysis: str, text: str) -> Sections:
    begin, end = text.find("<answer>"), text.rfind("</think>")
    if end >= 0 and (begin < 0 or begin > end or text.find("<answer>", end) >= 0):
        think, rest = text[:end], text[end + len("</think>") :]
    elif begin >= 0:
        think, rest = text[:begin], text[begin:]
    elif text.startswith("<think>"):
        think, rest = last_line_apart(text.removeprefix("<think>"))
    else:
        return Sections(analysis, "", text)
    if not without_tags(rest):
        think, rest = last_line_apart(without_tags(think))
    return Sections(analysis, without_tags(think), _after_answers(rest))


def _after_answers(rest: str) -> str:
    """The answer with what stands around its tags."""
    inside = re.fullmatch(r"(.*?)<answer>(.*?)(?:</answer>(.*))?", rest, re.DOTALL)
    if not inside:
        return without_tags(rest)
    before, answer, after = (without_tags(part or "") for part in inside.groups())
    return "\n".join(part for part in (before, answer, after) if part)


def _analysis(text: str) -> tuple[str, str]:
    body, closed, rest = text.partition("</analysis>")
    if not closed:
        return "", text
    return without_tags(body), rest.strip()


def _opened(reasoning: str) -> str:
    reasoning = reasoning.removesuffix("</think>")
    return reasoning if "<think>" in reasoning else f"<think>{reasoning}"


def _of_json(text: str) -> Sections | None:
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        value = parse_json(text, size=1 << 20)
    except InputError:
        return None
    if not isinstance(value, dict):
        return None
    keys = {str(key).lower(): item for key, item in value.items()}
    answer = next((keys[key] for key in _ANSWERS if isinstance(keys.get(key), str | int | float | list)), None)
    if answer is None or isinstance(answer, bool):
        return None
    think = next((keys[key] for key in _REASONS if isinstance(keys.get(key), str)), "")
    return Sections("", think.strip(), str(answer).strip())
