"""Rows of the tables between the steps of CoT construction as objects. No part of a release.

A row class has a field for each column that it reads, so a class with fewer fields is a narrower view of the same table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Self, TypeVar

import pyarrow as pa

from dataengine.cot.core.columns import Member, decode, encode
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import Family, Grade, PathSummary
from dataengine.cot.core.schemas import (
    CHECKS,
    OUTCOMES,
    PATHS,
    PLAN,
    QUESTION_HITS,
    QUESTIONS,
    REVIEWED,
    SCORES,
    SOURCE_MATERIAL,
)
from dataengine.cot.core.source_qa import Distractor, Pair
from dataengine.samples.locate import Located
from dataengine.storage.workspace import File, Workspace

PathKind = Literal["path", "text_only", "direct"]
End = Literal["kept", "rejected", "failed"]
NO_AGREEMENT = "no agreement on the answer"
"""Reason against any reply to a question on whose answer models do not agree."""


@dataclass(frozen=True)
class Row:
    """A row of ``schema``, or some of its columns."""

    schema: ClassVar[pa.Schema]

    @classmethod
    def columns(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{name: decode(name, row[name]) for name in cls.columns()})

    def to_row(self) -> dict[str, Any]:
        return {name: encode(name, getattr(self, name)) for name in self.columns()}


R = TypeVar("R", bound=Row)


def rows_of(table: pa.Table, kind: type[R]) -> list[R]:
    """Rows of a table that has at least the columns of ``kind``, in order."""
    return [kind.from_row(row) for row in table.select(kind.columns()).to_pylist()]


def read_rows(workspace: Workspace, files: Iterable[File], kind: type[R]) -> list[R]:
    """Rows of the files, in the order given."""
    return rows_of(workspace.read_table(files, kind.schema, kind.columns()), kind)


def table_of(kind: type[R], rows: Iterable[R]) -> pa.Table:
    """The table of ``kind.schema`` with these rows."""
    return pa.Table.from_pylist([row.to_row() for row in rows], kind.schema)


@dataclass(frozen=True)
class SourceMaterial(Row):
    """Material for questions besides a sample's media: the source's question-answer pairs, captions of other samples, texts that
    were read or heard in it (JSON by name), the video that it is cut from (else itself), and other videos, by id and where they
    lie."""

    schema = SOURCE_MATERIAL
    id: str
    pairs: tuple[Pair, ...] = ()
    distractors: tuple[Distractor, ...] = ()
    texts: str = "{}"
    parent: str | None = None
    partners: tuple[str, ...] = ()
    split: str = ""
    videos: tuple[Located, ...] = ()


@dataclass(frozen=True)
class QuestionSummary(Row):
    """A question without its text, or (``rejected``: ``"step: reason"``) why there is none; then ``rid`` is the sample's id."""

    schema = QUESTIONS
    rid: str
    sample: str
    mode: str
    style: str
    task: str
    family: str
    split: str
    difficulty: str
    asked: str
    answer: str
    rejected: str | None


@dataclass(frozen=True)
class AskedQuestion(Row):
    """A question that was asked, the sample that it is about, and where its pictures lie in a pack."""

    schema = QUESTIONS
    rid: str
    sample: str
    question: Question
    pack: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class QuestionRow(QuestionSummary):
    """``question`` is None where it was rejected; its pictures lie as ``members`` in ``pack``."""

    question: Question | None
    pack: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class PathRow(Row):
    """A path of reasoning, or an answer without the picture (``kind`` text_only), or without tools (direct).

    ``injected`` names the error of a path that is wrong on purpose, ``failure`` the class of a call that gave nothing.
    ``pack`` is set where a model's tools gave its pictures. ``confidence`` and ``least_token`` are the mean and the lowest
    log-probability of all tokens, ``step_*`` of those of each sentence of the reasoning.
    """

    schema = PATHS
    rid: str
    kind: PathKind
    index: int
    teacher: str
    prompt: str
    seed: int
    text: str | None = None
    injected: str | None = None
    failure: str | None = None
    message: str | None = None
    pack: str | None = None
    members: tuple[Member, ...] = ()
    confidence: float | None = None
    least_token: float | None = None
    step_means: tuple[float, ...] = ()
    step_leasts: tuple[float, ...] = ()


@dataclass(frozen=True)
class PackedQuestion(Row):
    """Places of a question's pictures in a pack."""

    schema = QUESTIONS
    rid: str
    pack: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class PackedPath(Row):
    """Places of the pictures that a model's tools gave in a path."""

    schema = PATHS
    rid: str
    index: int
    pack: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class CheckRow(Row):
    """Check of a path: ``grade`` A, B or C (None for a failed call or a text-only answer), its answer, whether that is right, and
    the reasons against it. ``judged``: a judge's score from 1 to 5. ``equal``: a judge finds a free answer to be the right one
    in other words; ``recurrence``: from 0 to 1, how much of it other right paths have, too."""

    schema = CHECKS
    rid: str
    kind: PathKind
    index: int
    teacher: str
    prompt: str
    seed: int
    injected: str | None = None
    failure: str | None = None
    grade: Grade | None = None
    answer: str = ""
    right: bool = False
    reasons: tuple[str, ...] = ()
    words: int = 0
    confidence: float | None = None
    least_token: float | None = None
    step_means: tuple[float, ...] = ()
    step_leasts: tuple[float, ...] = ()
    judged: int | None = None
    equal: bool = False
    recurrence: float = 0.0


@dataclass(frozen=True)
class ReviewRow(Row):
    """The path that became the reply of a question, or why there is none. ``text`` replaces the path's where a person has edited
    it; ``paths`` are what the record tells of all paths; ``guessed``: share of the answers without the picture that are right,
    None where there are none."""

    schema = REVIEWED
    rid: str
    why: str
    chosen: int | None
    outcome: End
    agreement: float = 0.0
    step: str = ""
    reason: str = ""
    action: str = ""
    text: str | None = None
    text_only: Literal["", "right", "wrong"] = ""
    judged: int | None = None
    equal: bool = False
    paths: tuple[PathSummary, ...] = ()
    guessed: float | None = None


@dataclass(frozen=True)
class QuestionHit(Row):
    """A benchmark item that asks what a question asks of the same picture; ``picture`` and ``text`` are cosines."""

    schema = QUESTION_HITS
    rid: str
    benchmark: str
    item: str
    picture: float
    text: float


@dataclass(frozen=True)
class ScoreRow(Row):
    """Quality of a question from 1 to 5, its weight, and the whole number of times that its record is trained on (0: only where
    the mix lacks others); ``benchmark``: one that contains it."""

    schema = SCORES
    rid: str
    benchmark: str | None
    quality: int
    prior: float
    weight: float
    repeat: int


@dataclass(frozen=True)
class OutcomeRow(Row):
    """Outcome of a question: exactly one of kept, rejected (step, reason) and failed (reason: the class)."""

    schema = OUTCOMES
    rid: str
    sample: str
    mode: str
    style: str
    task: str
    outcome: End = "kept"
    teacher: str = ""
    step: str = ""
    reason: str = ""


@dataclass(frozen=True)
class PlanRow(Row):
    """A record that is to be written, with all that the steps have found out about it."""

    schema = PLAN
    rid: str
    split: str
    family: Family
    question: Question
    text: str
    paths: tuple[PathSummary, ...]
    chosen: int
    pack: str
    members: tuple[Member, ...]
    review: Literal["", "accepted", "edited"]
    text_only: Literal["", "right", "wrong"]
    equal: bool
    quality: float
    agreement: float
    prior: float
    weight: float
    repeat: float
