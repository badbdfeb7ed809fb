"""The CoT record that trainers read, as a strict contract: canonical JSON without file paths or times; pictures lie beside it.

Shards are typed by their first five records (docs/adr/0003-shard-layout.md), so what differs between tasks is a list of
names and values instead of a struct, and records of one ``family`` have the same members and the same shape of messages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from dataengine.errors import InputError
from dataengine.models.serving.messages import Message, StrictModel
from dataengine.text.bounded_json import parse_json

#: Of the contract and of everything that a record's text and numbers depend on: raised when either changes.
VERSION = "4"
TEACHER = "programmatic"
"""The teacher that is a program."""

Mode = Literal["thinking", "non_thinking", "auto_think", "think_with_image", "video"]
Style = Literal["thinking", "non_thinking", "auto", "agentic"]
Family = Literal[
    "picture", "tools", "clip", "clips", "frames", "made", "still", "canvas", "text", "tools_0", "tools_2", "tools_3", "tools_4",
    "canvas_1", "canvas_3", "canvas_4", "canvas_5",
]  # fmt: skip
"""``tools`` have one picture of a tool, ``tools_N`` so many; ``clips`` show clips whose frames
are their own pictures; ``made`` have one that was made for the question, ``still`` such a one beside a video,
``canvas`` such a one and what a tool makes of it, ``canvas_N`` N pictures with it."""
AnswerType = Literal[
    "choice", "word", "text", "number", "order", "box", "point", "span", "time", "list", "set", "ocr", "formula"
]
"""How answers are compared: ``span`` is of time, ``list`` has an order and ``set`` none, ``ocr`` is text in a picture."""
Basis = Literal["measured", "constructed", "caption", "given", "agreed"]
"""Basis of an answer: the media, a picture that was made with its answer, the sample's own captions, a question-answer pair of
the source, or models that agree on it."""
Difficulty = Literal["easy", "medium", "hard"]
Grade = Literal["A", "B", "C"]

MODES: tuple[Mode, ...] = ("thinking", "non_thinking", "auto_think", "think_with_image", "video")
SAMPLE, OBSERVATION = "sample:", "obs:"


class Param(StrictModel):
    """A parameter of the question, for a program."""

    name: str
    value: str


class Fact(StrictModel):
    """A measured number on which the reasoning rests."""

    name: str
    value: float


class Observation(StrictModel):
    """A picture of the record: its member's extension and the digest of its bytes. ``grid`` (t, h, w) where it has visual codes,
    in the member ``codes_name``; the key is absent in a release without codes."""

    name: str
    sha256: str
    grid: Annotated[tuple[int, int, int] | None, Field(strict=False)] = None

    @property
    def codes_name(self) -> str:
        """Extension of the member with its codes, as ``obs0.codes.npy``."""
        return f"{self.name.removesuffix('.png')}.codes.npy"


class Verification(StrictModel):
    """Result of measuring the answer again; ``step`` and ``reason`` are empty where it passed."""

    status: Literal["passed", "failed"]
    step: str = ""
    reason: str = ""


class PathSummary(StrictModel):
    """A path of reasoning that was made for the question, without its text. ``confidence`` is the mean log-probability a
    token, ``least_token`` the lowest, ``least_step`` the mean of the sentence that has the lowest; 0 where the server gave
    none. ``grade`` as in Keye-VL-1.5, section on LongCoT: A sound, B right with a flaw, C
    rejected for ``reasons``, joined by ``"; "``."""

    index: Annotated[int, Field(ge=0)]
    teacher: str
    seed: Annotated[int, Field(ge=0, lt=1 << 53)]
    prompt: str
    grade: Grade
    answer: str
    confidence: float
    least_token: float = 0.0
    least_step: float = 0.0
    reasons: str


class Record(StrictModel):
    """One question and its answer. ``answer`` is what a grader compares, by its type: a letter, a word or some, a number,
    letters joined by ``", "``, a box, free text and so on. ``basis``: what it rests on. ``judged``: that the reply says the
    same in other words is a judge's or a reviewer's word. ``parents``: the sample that the question is about, then others that
    it shows or quotes; a record of text alone has none. ``seed`` is the record's own, derived from the run's.

    ``path`` is the index of the path that became the reply, ``prompt`` the digest of the template that its teacher was asked
    with (empty for the programmatic one), ``review`` what a person did with it. ``answer_shown``: the teacher knew the answer.
    ``blind``: what the same teacher answers without the picture, empty where it was not asked. ``scores`` are numbers by name:
    quality (1 to 5), agreement, prior, weight, repeat.
    """

    version: str
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    mode: Mode
    task: str
    style: Style
    family: Family
    difficulty: Difficulty
    teacher: str
    prompt: str = ""
    path: Annotated[int, Field(ge=0)] = 0
    review: Literal["", "accepted", "edited"] = ""
    answer_shown: bool = False
    blind: Literal["", "right", "wrong"] = ""
    seed: Annotated[int, Field(ge=0, lt=1 << 53)]
    parents: Annotated[tuple[str, ...], Field(strict=False)]
    messages: Annotated[tuple[Message, ...], Field(min_length=2, strict=False)]
    answer: Annotated[str, Field(min_length=1)]
    answer_type: AnswerType
    basis: Basis = "measured"
    judged: bool = False
    params: Annotated[tuple[Param, ...], Field(min_length=1, strict=False)]
    evidence: Annotated[tuple[Fact, ...], Field(min_length=1, strict=False)]
    observations: Annotated[tuple[Observation, ...], Field(strict=False)]
    paths: Annotated[tuple[PathSummary, ...], Field(strict=False)] = ()
    scores: Annotated[tuple[Fact, ...], Field(strict=False)] = ()
    verdict: Verification

    @model_validator(mode="after")
    def _has_parents_unless_of_text(self) -> Record:
        if bool(self.parents) == (self.family == "text"):
            raise ValueError("parents: records of text have none, all others have some")
        return self

    def to_bytes(self) -> bytes:
        """Canonical JSON in UTF-8: sorted keys, no spaces."""
        return canonical_json(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        """Raises InputError ``bad_record`` for anything but the bytes that ``to_bytes`` writes."""
        try:
            record = cls.model_validate(parse_json(data))
        except (ValidationError, InputError) as error:
            raise InputError("bad_record", f"not a CoT record: {_first_line(error)}") from error
        if record.to_bytes() != data:
            raise InputError("bad_record", "not in canonical form")
        return record

    @property
    def parameters(self) -> dict[str, str]:
        """``params`` by name."""
        return {p.name: p.value for p in self.params}

    @property
    def facts(self) -> dict[str, float]:
        """``evidence`` by name."""
        return {f.name: f.value for f in self.evidence}


def record_id(mode: str, task: str, seed: int, parents: tuple[str, ...]) -> str:
    """Name of the record made for these, in this version of the contract."""
    return hashlib.sha256(canonical_json([VERSION, mode, task, seed, list(parents)])).hexdigest()[:32]


def facts_of(facts: Mapping[str, float]) -> tuple[Fact, ...]:
    return tuple(Fact(name=name, value=float(value)) for name, value in facts.items())


def params_of(parameters: Mapping[str, str]) -> tuple[Param, ...]:
    return tuple(Param(name=name, value=value) for name, value in parameters.items())


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces. Raises ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return error.message if isinstance(error, InputError) else str(error)
