r"""Brings a model's reply to the exact text form of its mode, as ``core.formats`` writes and parses it.

What is right is kept as it is; what stands in another form is put into its place: sections by their tags, the answer into one
``\boxed{}``. A reply that lacks a part (reasoning, an answer) stays as it came.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dataengine.cot.core import formats
from dataengine.cot.core.formats import AutoPlain, AutoThinking, FormatError, Plain, Thinking
from dataengine.cot.core.record import Style
from dataengine.cot.replies.expected import Expected
from dataengine.cot.replies.final import final_answer
from dataengine.cot.replies.sections import Sections, last_line_apart, sections_of, tagged_alike, without_tags
from dataengine.cot.replies.wrappers import LONGEST, bare, boxes, without_latex, without_markdown

_OUTPUT = "</sandbox_output>\n"
_DECISION = re.compile(
    r"(?i)\s{0,4}(?:(?:therefore|thus|so|hence),?\s)?[^.\n]{0,40}/(no_)?think\b[^.\n]{0,60}\.?\s{0,4}$"
)
_SHORT_ANSWER = 8


def canonical(style: Style, expected: Expected, text: str, reasoning: str = "") -> str:
    """The reply in the exact form of ``style``; the text itself, stripped, where it cannot be brought to it."""
    text = text.strip()
    if len(text) + len(reasoning) > formats.LONGEST:
        return text
    if not reasoning and _is_exact(style, text):
        return text
    try:
        if style == "agentic":
            return _agentic(expected, text)
        return _reply(style, expected, sections_of(text, reasoning)).render()
    except FormatError:
        return text


def answer_section(style: Style, text: str, reasoning: str = "") -> str:
    """The part of a reply that holds its answer, whatever form the reply has."""
    if len(text) > formats.LONGEST:
        return ""
    if style == "agentic":
        text = text.rpartition(_OUTPUT)[2]
    sections = sections_of(text, reasoning)
    return sections.answer or sections.think


def boxed_answer(expected: Expected, section: str) -> str:
    r"""The answer section with its answer in one ``\boxed{}``. Raises FormatError where it has no answer, or several."""
    value = final_answer(expected, section)
    if value is None or len(section) > formats.LONGEST:
        raise FormatError.because("no final answer")
    around = boxes(section)
    if not around:
        plain = without_markdown(without_latex(section)).strip()
        short = len(plain.split()) <= _SHORT_ANSWER and "\n" not in plain and plain.rstrip(".").lower() == value.lower()
        return formats.box(value) if short or expected.kind in ("box", "point") else f"{plain} {formats.box(value)}"
    start, end, _ = around[-1]
    before = "".join(_unboxed(section, around[:-1], start))
    return f"{_undelimited(before, True)}{formats.box(value)}{_undelimited(section[end:], False)}".strip()


def _is_exact(style: Style, text: str) -> bool:
    """In the exact form, with an answer that has no wrappers."""
    try:
        reply = formats.parse(style, text)
    except FormatError:
        return False
    inside = formats.boxed(reply)
    if inside is None:
        return not boxes(text) and not text.startswith("**") and "<answer>" not in text and tagged_alike(text) == text
    return bare(inside) == inside.strip() and tagged_alike(text) == text


def _reply(style: Style, expected: Expected, sections: Sections) -> formats.Reply:
    if style == "non_thinking":
        return Plain(_plain(sections.answer or sections.think))
    if style == "auto":
        return _auto(expected, sections)
    return Thinking(*_thinking(expected, sections))


def _thinking(expected: Expected, sections: Sections) -> tuple[str, str]:
    think, answer = sections.think, sections.answer
    if not think:
        think, answer = last_line_apart(answer)
    if sections.analysis:
        think = f"{sections.analysis}\n{think}".strip()
    return without_tags(think), boxed_answer(expected, answer)


def _auto(expected: Expected, sections: Sections) -> AutoPlain | AutoThinking:
    decision = _DECISION.search(sections.analysis[-300:])
    body = sections.analysis[: len(sections.analysis) - len(decision[0])] if decision else sections.analysis
    body = body.rstrip()
    thinks = bool(sections.think) if decision is None else decision[1] is None
    if not body:
        raise FormatError.because("no analysis")
    if not thinks:
        return AutoPlain(body, _plain(sections.answer))
    think, answer = _thinking(expected, replace(sections, analysis=""))
    return AutoThinking(body, think, answer)


def _agentic(expected: Expected, text: str) -> str:
    """Steps are exact already, as the dialogue writes them; the closing thought and the answer are put into form."""
    head, output, tail = text.rpartition(_OUTPUT)
    if not output:
        raise FormatError.because("agentic thinking without a step")
    sections = sections_of(tail)
    closing, answer = _thinking(expected, sections)
    reply = f"{head}{output}{closing}</think> <answer>{answer}</answer>"
    return formats.parse("agentic", reply).render()


def _plain(answer: str) -> str:
    """A plain answer without boxes and the emphasis around it."""
    around = boxes(answer)
    if around:
        answer = "".join([*_unboxed(answer, around, len(answer))])
    return bare(answer) if len(answer) <= LONGEST and len(answer.split()) <= _SHORT_ANSWER else answer.strip()


def _unboxed(text: str, around: list[tuple[int, int, str]], end: int) -> list[str]:
    """The text up to ``end`` with these boxes replaced by their contents."""
    parts, at = list[str](), 0
    for start, stop, content in around:
        parts += [_undelimited(text[at:start], True, at > 0), bare(content)]
        at = stop
    return [*parts, _undelimited(text[at:end], False) if around else text[at:end]]


def _undelimited(text: str, before: bool, both: bool = False) -> str:
    """Text without the math delimiter or emphasis that opens before a box, or closes after it."""
    if before:
        text = re.sub(r"(?:\$\$?|\\\(|\\\[|\*\*)\s{0,3}$", "", text)
        return re.sub(r"^\s{0,3}(?:\$\$?|\\\)|\\\]|\*\*)", "", text) if both else text
    return re.sub(r"^\s{0,3}(?:\$\$?|\\\)|\\\]|\*\*)", "", text)
