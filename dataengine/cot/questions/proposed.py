"""Reads the questions that a model proposes, and says by rule which of them can be asked at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from dataengine.cot.core.proposals import ProposalRow
from dataengine.cot.core.source_qa import LETTERS, pair_of
from dataengine.cot.replies.json_replies import json_of_reply
from dataengine.cot.tasks.capabilities import CAPABILITIES
from dataengine.cot.tasks.from_source import unfit
from dataengine.cot.teachers.question_text import MAX_ANSWER_WORDS
from dataengine.errors import InputError

_MOST = 16
"""Proposals of a reply that are read."""
_MAX_WORDS = 80
_LARGEST = 10**15
"""Of the numbers that are answers."""
_SAME = 0.8
"""Questions that share so many of their words (Jaccard) and have the same answer type are one."""
_LETTER = re.compile(r"\s*\(?([A-Z])[.):]\s+(?=\S)")
_CAPTION = re.compile(
    r"\b(caption|according to the (text|description)|as (described|mentioned|stated)|given text)\b", re.IGNORECASE
)


def read_proposals(text: str, sample: str, teacher: str, prompt: str, earlier: Sequence[str]) -> list[ProposalRow]:
    """A row for each question of a reply, kept unless a rule rejects it; one rejected row where the reply cannot be read.
    ``earlier``: questions that the sample has already."""
    blank = ProposalRow(sample, 0, teacher, prompt, "rejected")
    try:
        reply = json_of_reply(text)
    except InputError:
        return [replace(blank, reason="the reply is not JSON")]
    rows = reply.get("questions") if isinstance(reply, dict) else reply
    if not isinstance(rows, list):
        return [replace(blank, reason="the reply has no list of questions")]
    if not rows:
        return [replace(blank, reason="nothing to ask")]
    return list(_distinct(_rows(rows[:_MOST], blank), earlier))


def _rows(rows: Iterable[Any], blank: ProposalRow) -> Iterator[ProposalRow]:
    for number, row in enumerate(rows):
        numbered = replace(blank, number=number)
        fields = row if isinstance(row, dict) else {}
        texts = [fields.get(name) for name in ("capability", "question")]
        answer, choices = fields.get("answer"), fields.get("choices") or []
        if isinstance(answer, int | float) and not isinstance(answer, bool):
            answer = _digits(answer)
        if not all(isinstance(t, str) and t.strip() for t in (*texts, answer)) or not _are_texts(choices):
            yield replace(numbered, reason="a question without its fields")
            continue
        *choices, answer = _unlettered([*choices, str(answer)])
        yield _checked(numbered, str(texts[0]).strip().lower().replace("_", " "), str(texts[1]), answer, choices)


def _digits(number: int | float) -> str:
    """A number as people write it; empty for one that is larger than answers are."""
    if abs(number) >= _LARGEST:
        return ""
    return f"{number:.12f}".rstrip("0").rstrip(".") if isinstance(number, float) else str(number)


def _unlettered(texts: list[str]) -> list[str]:
    """Choices, and the answer after them, without the letters that a model has written before each of the choices."""
    leads = [_LETTER.match(text) for text in texts]
    letters = [lead[1] if lead else "" for lead in leads[:-1]]
    if not letters or letters != list(LETTERS[: len(letters)]):
        return texts
    return [text[lead.end() :] if lead else text for text, lead in zip(texts, leads, strict=True)]


def _are_texts(choices: Any) -> bool:
    return isinstance(choices, list) and all(isinstance(choice, str) for choice in choices)


def _checked(row: ProposalRow, capability: str, question: str, answer: str, choices: list[str]) -> ProposalRow:
    pair = pair_of(" ".join(question.split()), " ".join(answer.split()), tuple(choices), row.teacher)
    row = replace(
        row,
        capability=capability if capability in CAPABILITIES else "",
        text=pair.question,
        answer=pair.answer,
        answer_type=pair.answer_type,
        choices=json.dumps(pair.choices, ensure_ascii=False),
    )
    why = pair.problem or unfit(pair.question, pair.answer, *pair.choices) or _unfit(row)
    return replace(row, reason=why) if why else replace(row, verdict="kept")


def _unfit(row: ProposalRow) -> str:
    """Why a question that can be read is not asked; empty where it is."""
    if not row.capability:
        return "unknown capability"
    if len(row.text.split()) > _MAX_WORDS:
        return "too long"
    if not row.options and len(row.answer.split()) > MAX_ANSWER_WORDS:
        return "the answer is not short"
    if _CAPTION.search(row.text):
        return "it asks about the caption"
    answer, question = row.answer.lower(), row.text.lower()
    either = row.options or answer in ("yes", "no") or f"{answer} or " in question or f" or {answer}" in question
    if not either and re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", question):
        return "it tells the answer"
    return ""


def _distinct(rows: Iterable[ProposalRow], earlier: Sequence[str]) -> Iterator[ProposalRow]:
    """Rejects questions that ask the same as an earlier one of the sample."""
    known = [_words(question) for question in earlier]
    for row in rows:
        words = _words(row.text)
        if row.verdict == "kept" and any(len(words & w) >= _SAME * len(words | w) for w in known):
            row = replace(row, verdict="rejected", reason="asked already")
        elif row.verdict == "kept":
            known.append(words)
        yield row


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))
