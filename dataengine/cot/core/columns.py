"""Columns of the CoT tables that are objects in Python: JSON of several classes, and the members of a pack."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from dataengine.cot.core.question import Question
from dataengine.cot.core.record import PathSummary, canonical_json
from dataengine.cot.core.source_qa import Distractor, Pair
from dataengine.samples.locate import FACTS, LOCATED, Located

MEMBERS = pa.list_(
    pa.struct([("name", pa.string()), ("offset", pa.int64()), ("size", pa.int64()), ("sha256", pa.string())])
)
#: Columns of LOCATED that say where a sample's bytes lie, and its facts.
PLACE = tuple(name for name in LOCATED.names if name != "captions")
#: Places of other samples.
PLACES = pa.list_(pa.struct([pa.field(name, LOCATED.field(name).type) for name in PLACE]))


@dataclass(frozen=True)
class Member:
    """A file's place in a pack, in bytes, and its digest; ``name`` is a member extension of a record (``obs0.png``)."""

    name: str
    offset: int
    size: int
    sha256: str = ""


def encode(name: str, value: Any) -> Any:
    """A field's value as its column holds it."""
    return value if value is None or name not in _COLUMNS else _COLUMNS[name][0](value)


def decode(name: str, value: Any) -> Any:
    """The inverse of ``encode``; lists become tuples."""
    if name in _COLUMNS and value is not None:
        return _COLUMNS[name][1](value)
    return tuple(value) if isinstance(value, list) else value


def _json(rows: Iterable[Any]) -> str:
    return json.dumps([asdict(row) for row in rows], ensure_ascii=False, sort_keys=True)


def _pair(row: dict[str, Any]) -> Pair:
    return Pair(**{**row, "choices": tuple(row["choices"])})


def _place(sample: Located) -> dict[str, Any]:
    own = {name: getattr(sample, name) for name in PLACE if name not in FACTS}
    return own | {name: sample.facts.get(name) for name in FACTS}


def _located(row: dict[str, Any]) -> Located:
    facts = {name: row.pop(name) for name in FACTS}
    return Located(**row, captions=(), facts=facts)


_MEMBERS: tuple[Callable[[Any], Any], Callable[[Any], Any]] = (
    lambda rows: [asdict(m) for m in rows],
    lambda rows: tuple(Member(**m) for m in rows),
)
_COLUMNS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "question": (Question.to_json, Question.from_json),
    "members": _MEMBERS,
    "path_members": _MEMBERS,
    "paths": (
        lambda rows: canonical_json([p.model_dump(mode="json") for p in rows]).decode(),
        lambda text: tuple(map(PathSummary.model_validate, json.loads(text))),
    ),
    "pairs": (_json, lambda text: tuple(map(_pair, json.loads(text)))),
    "videos": (lambda rows: list(map(_place, rows)), lambda rows: tuple(map(_located, rows))),
    "distractors": (_json, lambda text: tuple(Distractor(**d) for d in json.loads(text))),
}
