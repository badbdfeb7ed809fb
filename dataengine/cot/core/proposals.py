"""Questions that a model has proposed about a sample, with what other samples of models' answers say of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dataengine.cot.core.record import Difficulty
from dataengine.cot.core.schemas import PROPOSALS
from dataengine.cot.core.tables import Row

End = Literal["kept", "unsettled", "rejected", "failed"]
"""``unsettled``: models do not agree on its answer, so it is for people."""


@dataclass(frozen=True)
class Proposal:
    """A question that is to be asked. ``answer`` is a letter where there are ``choices``; ``right`` of ``samples`` answers to it
    agree, ``guessed`` of ``guesses`` without the picture; ``words`` is the mean length of the samples."""

    capability: str
    question: str
    answer: str
    answer_type: str
    choices: tuple[str, ...]
    teacher: str
    prompt: str
    difficulty: Difficulty
    right: int
    samples: int
    guessed: int
    guesses: int
    words: float
    unsettled: bool = False


@dataclass(frozen=True)
class ProposalRow(Row):
    """What became of the proposal ``number`` of a sample. ``text`` is the question; ``choices`` and ``answers`` (those of the
    samples) are JSON lists; ``reason`` says why it is not kept; ``judged`` is a judge's score from 1 to 5."""

    schema = PROPOSALS
    sample: str
    number: int
    teacher: str
    prompt: str
    verdict: End
    reason: str = ""
    capability: str = ""
    text: str = ""
    answer: str = ""
    answer_type: str = ""
    choices: str = "[]"
    answers: str = "[]"
    difficulty: str = ""
    right: int = 0
    samples: int = 0
    guessed: int = 0
    guesses: int = 0
    words: float = 0.0
    judged: int | None = None

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(json.loads(self.choices))


def proposals_of(rows: Iterable[ProposalRow]) -> tuple[Proposal, ...]:
    """Those that are to be asked, in their order."""
    return tuple(
        Proposal(
            capability=row.capability,
            question=row.text,
            answer=row.answer,
            answer_type=row.answer_type,
            choices=row.options,
            teacher=row.teacher,
            prompt=row.prompt,
            difficulty=row.difficulty,  # type: ignore[arg-type]
            right=row.right,
            samples=row.samples,
            guessed=row.guessed,
            guesses=row.guesses,
            words=row.words,
            unsettled=row.verdict == "unsettled",
        )
        for row in rows
        if row.verdict in ("kept", "unsettled")
    )
