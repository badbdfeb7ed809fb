"""Reads question-answer pairs out of a source's metadata, and the caption distractors that go with a sample.

An answer may be a letter, an index or the words of a choice; a pair that cannot be asked keeps the reason, it is no error. Turns
of conversations in the form of LLaVA are pairs, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dataengine.config.cot import QuestionsConfig, SourceQAConfig
from dataengine.cot.core.grounding_fields import grounded
from dataengine.errors import InputError
from dataengine.text.bounded_json import parse_json

LETTERS = "ABCDEF"
_NUMBER = re.compile(r"-?\d{1,300}(?:\.\d{1,300})?")
"""No more digits than float64 has room for."""
_MARKS = re.compile(r"<(?:image|video)>")
_LETTER = re.compile(r"\(?([A-Z])\)?[.:]?")
_ASKING, _ANSWERING = ("human", "user"), ("gpt", "assistant")
_WORD_LIMIT = 3
"""More words than this are free text, not a word."""
_TYPES = ("choice", "number", "word", "text")


@dataclass(frozen=True)
class Pair:
    """A question of the source with its answer. ``answer`` is a letter where there are ``choices``; ``problem`` says why
    the pair cannot be asked, empty for a good one. ``place``: source and URI of the sidecar or row that it comes from."""

    question: str
    answer: str
    answer_type: str
    choices: tuple[str, ...] = ()
    place: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Distractor:
    """A caption of another sample, as a wrong option."""

    id: str
    text: str


def pairs_of(meta: str | None, config: QuestionsConfig, place: str, size: tuple[int, int] | None = None) -> list[Pair]:
    """The pairs in a sample's ``meta`` (the source's metadata as JSON), in their order. ``size``: of the sample, in pixels."""
    if meta is None:
        return []
    metadata = json.loads(meta)
    pairs = (
        [_pair(row, config.source_qa, place) for row in _rows(metadata, config.source_qa)] if config.source_qa else []
    )
    for key, question in sorted(config.metadata.items()):
        value = metadata.get(key)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            pairs.append(_typed(question, value, (), None, place))
    if config.grounding is not None:
        for one in grounded(metadata, config.grounding, size):
            pairs.append(Pair(one.question, one.answer, one.answer_type, (), place, one.problem))
    return pairs


def clean(question: str) -> str:
    """The question without the picture placeholders of other data sets."""
    return " ".join(part.strip() for part in _MARKS.split(question)).strip()


def _rows(metadata: Mapping[str, Any], config: SourceQAConfig) -> Iterator[Mapping[str, Any]]:
    value: Any = metadata if config.key is None else metadata.get(config.key)
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except InputError:
            value = None
    rows = value if isinstance(value, list) else [value]
    question: str | None = None
    for row in (r for r in rows if isinstance(r, Mapping)):
        role, turn = row.get("from", row.get("role")), row.get("value", row.get("content"))
        if role in _ASKING and isinstance(turn, str):
            question = turn
        elif role in _ANSWERING and question is not None:
            yield {config.question: question, config.answer: turn}
            question = None
        elif config.question in row:
            yield row


def _pair(row: Mapping[str, Any], config: SourceQAConfig, place: str) -> Pair:
    question, choices = row.get(config.question), row.get(config.choices)
    answer = row.get(config.answer)
    kind = row.get(config.answer_type)
    if isinstance(answer, list):
        answer = answer[0] if len({str(a) for a in answer}) == 1 else None
    if not isinstance(question, str) or not clean(question) or not isinstance(answer, str | int | float):
        return Pair(question if isinstance(question, str) else "", "", "text", (), place, "no question with one answer")
    if isinstance(choices, Mapping):
        choices = list(choices.values())
    if choices is not None and not isinstance(choices, list):
        return Pair(question, "", "choice", (), place, "choices are not a list")
    if not all(isinstance(choice, str | int | float) for choice in choices or ()):
        return Pair(question, "", "choice", (), place, "choices are not texts")
    return _typed(question, answer, tuple(str(c).strip() for c in choices or ()), kind, place)


def _typed(question: str, value: Any, choices: tuple[str, ...], kind: Any, place: str) -> Pair:
    question, answer = clean(question), str(value).strip()
    if choices:
        letter = _letter(value, choices)
        problem = "" if letter else "the answer is none of the choices"
        if not 2 <= len(choices) <= len(LETTERS):
            problem = f"not 2 to {len(LETTERS)} choices"
        elif len(set(choices)) < len(choices) or not all(choices):
            problem = "duplicate or empty choices"
        return Pair(question, letter, "choice", choices, place, problem)
    answer_type = kind if kind in _TYPES else _type(answer)
    if answer_type == "choice":
        return Pair(question, answer, "choice", (), place, "a choice without choices")
    if answer_type == "number" and not _NUMBER.fullmatch(answer):
        return Pair(question, answer, "number", (), place, "the answer is not a number")
    return Pair(question, answer, answer_type, (), place, "" if answer else "no question with one answer")


def pair_of(question: str, answer: str, choices: tuple[str, ...], place: str) -> Pair:
    """A question with its answer (the words of a choice, where there are some) as a pair."""
    return _typed(question, answer, tuple(choice.strip() for choice in choices), None, place)


def _letter(value: Any, choices: tuple[str, ...]) -> str:
    """The letter of the choice that an answer names: by its words, its letter, or its index from 0."""
    if isinstance(value, int) and not isinstance(value, bool) and str(value) not in choices:
        return LETTERS[value] if 0 <= value < min(len(choices), len(LETTERS)) else ""
    answer = str(value).strip()
    if answer in choices:
        return LETTERS[choices.index(answer)] if choices.index(answer) < len(LETTERS) else ""
    match = _LETTER.fullmatch(answer)
    return match[1] if match and match[1] in LETTERS[: len(choices)] else ""


def _type(answer: str) -> str:
    if _NUMBER.fullmatch(answer):
        return "number"
    return "word" if len(answer.split()) <= _WORD_LIMIT else "text"
