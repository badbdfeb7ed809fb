"""What runs in the decode child for CoT: one decode of a sample serves all of its candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataengine.cot.account import Kept, Outcome
from dataengine.cot.build import candidates
from dataengine.cot.record import VERSION, canonical
from dataengine.cot.source import decoded
from dataengine.media.limits import Limits

__all__ = ["VERSION", "Draft", "make"]

Context = tuple[Limits, int, int]
"""Limits, the run's seed, and how many records a sample may give."""
Item = tuple[str, str, bytes, Sequence[str], dict[str, Any]]
"""Sample id, kind (image | video), media bytes, captions, facts (``duration`` in seconds, if known)."""


@dataclass(frozen=True)
class Draft:
    """A question on its way to the teachers. Kept: ``record`` is the canonical JSON, ``images`` are member extensions and
    bytes. Rejected: ``rid`` is the sample's id, ``rejected`` is ``"step: reason"``."""

    rid: str
    mode: str
    task: str
    record: bytes
    images: tuple[tuple[str, bytes], ...]
    rejected: str | None
    style: str = ""
    family: str = ""
    difficulty: str = ""
    asked: str = ""
    """What was asked, as JSON: the same for questions that a text alone cannot tell apart."""
    answer: str = ""


def make(context: Context, item: Item) -> list[Draft]:
    """The candidates of one sample. Raises InputError."""
    limits, seed, per_sample = context
    id_, kind, data, captions, facts = item
    source = decoded(id_, kind, data, limits, tuple(captions), facts)
    return [_draft(outcome) for outcome in candidates(source, seed, per_sample)]


def _draft(outcome: Outcome) -> Draft:
    if not isinstance(outcome, Kept):
        why = f"{outcome.step.value}: {outcome.reason}"
        return Draft(outcome.sample, outcome.mode, outcome.task, b"", (), why)
    record = outcome.record
    images = tuple((o.name, data) for o, data in zip(record.observations, outcome.images, strict=True))
    asked = canonical(record.asked).decode()
    told = (record.style, record.family, record.difficulty, asked, record.answer)
    return Draft(record.id, record.mode, record.task, record.to_bytes(), images, None, *told)
