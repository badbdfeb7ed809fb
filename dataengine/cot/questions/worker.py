"""What runs in the decode child for CoT: one decode of a sample serves all of its candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dataengine.cot.core.frame_sampling import KEYE
from dataengine.cot.core.outcomes import Kept, Outcome
from dataengine.cot.core.record import VERSION, canonical
from dataengine.cot.core.sample import decoded
from dataengine.cot.core.source_qa import Pair, Rival
from dataengine.cot.questions.build import candidates
from dataengine.media.limits import Limits

__all__ = ["VERSION", "Draft", "make"]


@dataclass(frozen=True)
class Context:
    """``per_sample``: how many records a sample may give; ``ways``: of taking a video's frames; ``models``: are there teachers
    that answer what a program cannot?"""

    limits: Limits
    seed: int
    per_sample: int
    ways: tuple[str, ...] = KEYE
    models: bool = False


@dataclass(frozen=True)
class Item:
    """A sample: its bytes, what its source says (facts: ``duration`` in seconds, if known), and other videos with their bytes
    and facts."""

    id: str
    kind: str
    data: bytes
    captions: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    rivals: tuple[Rival, ...] = ()
    partners: tuple[tuple[str, bytes, Mapping[str, Any]], ...] = ()


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
    source = decoded(item.id, item.kind, item.data, context.limits, item.captions, item.facts)
    beside = {id_: decoded(id_, "video", data, context.limits, (), facts) for id_, data, facts in item.partners}
    source = replace(source, ways=context.ways, pairs=item.pairs, rivals=item.rivals, partners=beside)
    found = candidates(source, context.seed, context.per_sample, models=context.models)
    return [_draft(outcome) for outcome in found]


def _draft(outcome: Outcome) -> Draft:
    if not isinstance(outcome, Kept):
        why = f"{outcome.step.value}: {outcome.reason}"
        return Draft(outcome.sample, outcome.mode, outcome.task, b"", (), why)
    record = outcome.record
    images = tuple((o.name, data) for o, data in zip(record.observations, outcome.images, strict=True))
    asked = canonical(record.asked).decode()
    told = (record.style, record.family, record.difficulty, asked, record.answer)
    return Draft(record.id, record.mode, record.task, record.to_bytes(), images, None, *told)
