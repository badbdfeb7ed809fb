"""The manifest's section on chain-of-thought data."""

from __future__ import annotations

from msgspec import UNSET, UnsetType, field

from dataengine.release.manifest_sections import Number, RecordShard
from dataengine.shards.json_types import Closed, Count, Counts


class CotStep(Closed):
    """One step of construction: questions that reached it, that it dropped and that are left."""

    step: str
    entering: Count
    dropped: Count
    remaining: Count


class CotExample(Closed):
    """One record of a mode and style, as text."""

    id: str
    mode: str
    question: str
    reply: str


class CotCell(Closed):
    """A cell of the mix in uses: what its share asks for, what there was, and what was planned."""

    name: str
    share: Number
    wanted: Count
    available: Count
    planned: Count


class CotAnswers(Closed):
    """Records of a task family, its different answers, and records with the most frequent one."""

    records: Count
    answers: Count
    most: Count


class CotDecontamination(Closed):
    """Questions compared with benchmarks by picture and text: the bounds on both cosines, the encoder, samples whose picture an
    item has, and questions that an item asks of it."""

    image_cosine: Number
    text_cosine: Number
    encoder: str
    samples: Count
    questions: Count


class CotTexts(Closed):
    """A source of records without pictures: records by their licence, empty where neither row nor recipe names one."""

    name: str
    records: Counts


class Cot(Closed):
    """The chain-of-thought shards, and what their construction kept and lost."""

    shards: list[RecordShard] = field(default_factory=list)
    modes: Counts = field(default_factory=dict)
    rejected: Counts = field(default_factory=dict)
    drafted: Count | UnsetType = UNSET
    shortages: Counts | UnsetType = UNSET
    uses: Counts | UnsetType = UNSET
    mix: list[CotCell] | UnsetType = UNSET
    scarcest: str | UnsetType = UNSET
    grades: Counts | UnsetType = UNSET
    planted: Counts | UnsetType = UNSET
    caught: Counts | UnsetType = UNSET
    review: Counts | UnsetType = UNSET
    reviewed: Counts | UnsetType = UNSET
    quality: Counts | UnsetType = UNSET
    answers: dict[str, CotAnswers] | UnsetType = UNSET
    decontamination: CotDecontamination | UnsetType = UNSET
    texts: list[CotTexts] | UnsetType = UNSET
    funnel: list[CotStep] | UnsetType = UNSET
    yields: dict[str, dict[str, Counts]] | UnsetType = field(default=UNSET, name="yield")
    capabilities: dict[str, Counts] | UnsetType = UNSET
    examples: list[CotExample] | UnsetType = UNSET
