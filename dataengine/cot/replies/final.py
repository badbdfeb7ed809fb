r"""Extracts the final answer of a reply: from its box, from what it names as its answer, or from its one sentence.

Where several differ, there is none, but for a reply that takes the first back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dataengine.cot.replies.affirmed import abstains, revises
from dataengine.cot.replies.expected import Expected, words
from dataengine.cot.replies.picked import pick
from dataengine.cot.replies.same import same
from dataengine.cot.replies.wrappers import bare, boxes, without_latex, without_markdown, without_tokens

_CONCLUDES = re.compile(
    r"(?i)(?:\b(?:answer|correct (?:choice|option|caption|order|letter)|best (?:choice|option)|final result|result)"
    r"(?: (?:to|for) (?:the|this|your) question)?\s{0,3}(?:is|are|would be|should be|must be|=|[:：])|"
    r"\bi(?:'d| would| will|'ll)? (?:choose|pick|select|go with|answer)\b|答案(?:是|为|应为|应该是|[:：])|(?:所以|因此|故|应)?选)"
    r"\s{0,3}[:：]?\s{0,3}(?:option|choice|candidate)?\s{0,2}"
)
_END = re.compile(r"(?<=[a-z\d)\]>\"'A-Z%])[.!?](?=\s|$)|[\n。！？]|\s(?=because\b|since\b|as\b|given that\b)")
_ENDS = re.compile(r"(?<=[.!?\n])")
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|\n+")
_SO = re.compile(
    r"(?i)^(?:and |but )?(?:so|thus|hence|therefore|consequently|in (?:total|conclusion|summary|all)|altogether|overall|"
    r"that makes|"
    r"this (?:gives|makes|means)|finally|adding|因此|所以|综上|总共)[,:\s]{0,3}"
)
_LONGEST = 20_000
"""Characters of a section in which an answer without a box is looked for."""
_FEW = 4
"""Words of a first sentence that is an answer by itself."""


def final_answer(expected: Expected, section: str) -> str | None:
    """The answer as it would stand in a box; None where the text gives none, or more than one."""
    section = without_tokens(section).strip()
    boxed = boxes(section)
    if boxed:
        return _boxed(expected, section, boxed)
    if len(section) > _LONGEST:
        return None
    text = without_markdown(without_latex(section)).strip()
    if abstains(text) and not abstains(expected.answer):
        return None
    named = _named(expected, text)
    if named:
        return _only(expected, named, revises(text))
    if expected.kind not in ("text", "ocr"):
        text = "".join(part for part in _ENDS.split(text) if not part.endswith("?")).strip()
    if (whole := pick(expected, text)) is not None:
        return whole
    return _of_sentences(expected, text)


def _boxed(expected: Expected, section: str, boxed: Sequence[tuple[int, int, str]]) -> str | None:
    contents = [bare(content) for _, _, content in boxed]
    if len({words(content) for content in contents}) > 1:
        if expected.kind not in ("order", "list", "set"):
            return None
        content = ", ".join(contents)
    else:
        content = contents[-1]
    value = pick(expected, content)
    if value is None:
        return content
    outside, at = list[str](), 0
    for start, end, _ in boxed:
        outside.append(section[at:start])
        at = end
    others = _named(expected, without_markdown(without_latex("\n".join([*outside, section[at:]]))))
    return value if all(_alike(expected, value, other) for other in others) else None


def _named(expected: Expected, text: str) -> list[str]:
    """What a text names as its answer, in its order; a question is no answer."""
    values = []
    for match in _CONCLUDES.finditer(text):
        if expected.kind == "ocr" and (read := _lines(expected, text[match.end() :])) is not None:
            values.append(read)
            continue
        rest = text[match.end() : match.end() + 400]
        end = _END.search(rest)
        if end and end[0] == "?":
            continue
        value = pick(expected, rest[: end.start()] if end else rest) if rest.strip() else None
        if value is not None and _short(expected, value):
            values.append(value)
    return values


def _lines(expected: Expected, rest: str) -> str | None:
    """A text of several lines or sentences that is the expected one up to its end, or up to an empty line."""
    values = (pick(expected, part) for part in (rest, rest.strip().partition("\n\n")[0]) if part.strip())
    return next((value for value in values if value is not None and same(expected, value)), None)


def _short(expected: Expected, value: str) -> bool:
    return expected.kind != "text" or len(value.split()) <= max(12, 2 * len(expected.answer.split()))


def _only(expected: Expected, values: Sequence[str], revised: bool) -> str | None:
    last = values[-1]
    return last if revised or all(_alike(expected, last, value) for value in values) else None


def _alike(expected: Expected, a: str, b: str) -> bool:
    return words(a) == words(b) or same(Expected(expected.kind, a, expected.options, question=expected.question), b)


def _of_sentences(expected: Expected, text: str) -> str | None:
    """A first sentence of a few words, or a last one that concludes; they must not differ."""
    sentences = [s.strip() for s in _SENTENCE.split(text) if s.strip()]
    if len(sentences) < 2:
        return None
    first, last = sentences[0], sentences[-1]
    values = [pick(expected, first)] if len(first.split()) <= _FEW else []
    if (concluding := _SO.match(last)) or len(last.split()) <= _FEW:
        values.append(pick(expected, last[concluding.end() :] if concluding else last))
    known = [value for value in values if value is not None]
    return _only(expected, known, revises(text)) if known else None
