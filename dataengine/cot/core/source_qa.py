"""What a source says of a sample, as material for questions: question-answer pairs and other metadata.

A pair is taken as it stands (``answers`` may be letters, indices or words of the choices); what cannot be made into a question
with one answer is a reason, not an error. Conversations as LLaVA writes them count as pairs of neighbouring turns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dataengine.config.cot import QuestionsConfig, SourceQAConfig

LETTERS = "ABCDEF"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MARKS = re.compile(r"\s*<(?:image|video)>\s*")
_LETTER = re.compile(r"\(?([A-Z])\)?[.:]?")
_ASKS, _ANSWERS = ("human", "user"), ("gpt", "assistant")
_MOST_WORDS = 3
"""More words than this are free text, not a word."""
_TYPES = ("choice", "number", "word", "text")


@dataclass(frozen=True)
class Pair:
    """A question of the source with its answer. ``answer`` is a letter where there are ``choices``; ``wrong`` says why the
    pair cannot be asked, empty for a good one. ``place``: the source and the mention it comes from."""

    question: str
    answer: str
    answer_type: str
    choices: tuple[str, ...] = ()
    place: str = ""
    wrong: str = ""


@dataclass(frozen=True)
class Distractor:
    """A caption of another sample."""

    id: str
    text: str


def pairs_of(meta: str | None, config: QuestionsConfig, place: str) -> list[Pair]:
    """The pairs in a sample's ``meta`` (JSON of whatever its source said), in their order."""
    if meta is None:
        return []
    told = json.loads(meta)
    found = [_pair(row, config.source_qa, place) for row in _rows(told, config.source_qa)] if config.source_qa else []
    for key, question in sorted(config.metadata.items()):
        if isinstance(value := told.get(key), str | int | float) and not isinstance(value, bool) and str(value).strip():
            found.append(_judged(question, value, (), None, place))
    return found


def clean(question: str) -> str:
    """Without the marks by which other sets say where a picture stands."""
    return _MARKS.sub(" ", question).strip()


def _rows(told: Mapping[str, Any], config: SourceQAConfig) -> Iterator[Mapping[str, Any]]:
    value: Any = told if config.key is None else told.get(config.key)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    rows = value if isinstance(value, list) else [value]
    asked: str | None = None
    for row in (r for r in rows if isinstance(r, Mapping)):
        who, said = row.get("from", row.get("role")), row.get("value", row.get("content"))
        if who in _ASKS and isinstance(said, str):
            asked = said
        elif who in _ANSWERS and asked is not None:
            yield {config.question: asked, config.answer: said}
            asked = None
        elif config.question in row:
            yield row


def _pair(row: Mapping[str, Any], config: SourceQAConfig, place: str) -> Pair:
    question, choices = row.get(config.question), row.get(config.choices)
    given = row.get(config.answer)
    kind = row.get(config.answer_type)
    if isinstance(given, list):
        given = given[0] if len({str(g) for g in given}) == 1 else None
    if not isinstance(question, str) or not clean(question) or not isinstance(given, str | int | float):
        return Pair(str(question or ""), "", "text", (), place, "no question with one answer")
    if isinstance(choices, Mapping):
        choices = list(choices.values())
    if choices is not None and not isinstance(choices, list):
        return Pair(question, "", "choice", (), place, "choices are no list")
    return _judged(question, given, tuple(str(c).strip() for c in choices or ()), kind, place)


def _judged(question: str, given: Any, choices: tuple[str, ...], kind: Any, place: str) -> Pair:
    question, answer = clean(question), str(given).strip()
    if choices:
        letter = _letter(given, choices)
        wrong = "" if letter else "the answer is none of the choices"
        if not 2 <= len(choices) <= len(LETTERS):
            wrong = f"not 2 to {len(LETTERS)} choices"
        elif len(set(choices)) < len(choices) or not all(choices):
            wrong = "choices that are alike or empty"
        return Pair(question, letter, "choice", choices, place, wrong)
    found = kind if kind in _TYPES else _type(answer)
    if found == "choice":
        return Pair(question, answer, "choice", (), place, "a choice without choices")
    if found == "number" and not _NUMBER.fullmatch(answer):
        return Pair(question, answer, "number", (), place, "the answer is no number")
    return Pair(question, answer, found, (), place, "" if answer else "no question with one answer")


def _letter(given: Any, choices: tuple[str, ...]) -> str:
    """The choice that an answer names: by its words, its letter, or its index from 0."""
    if isinstance(given, int) and not isinstance(given, bool) and str(given) not in choices:
        return LETTERS[given] if 0 <= given < min(len(choices), len(LETTERS)) else ""
    said = str(given).strip()
    if said in choices:
        return LETTERS[choices.index(said)] if choices.index(said) < len(LETTERS) else ""
    match = _LETTER.fullmatch(said)
    return match[1] if match and match[1] in LETTERS[: len(choices)] else ""


def _type(answer: str) -> str:
    if _NUMBER.fullmatch(answer):
        return "number"
    return "word" if len(answer.split()) <= _MOST_WORDS else "text"
