"""The section of a release's manifest on the sequences that were packed for training."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from dataengine.sequence.formats.description import Summary
from dataengine.shards.json_types import Closed, Count, Counts


class TextTokenizer(Closed):
    """The text tokenizer: ``sha256`` of its tokenizer.json; ``first_code``: id of the first visual code; ``special``: ids of
    special tokens by what they are for, ``appended`` those that it did not have."""

    id: str
    sha256: str
    trained: bool
    size: Count
    first_code: Count
    special: Counts
    appended: list[str]


class MixCell(Closed):
    """A share of a mix (a source, or video, image, text) in tokens: asked for, there are, reached."""

    cell: str
    share: float | None
    requested: Count
    available: Count
    reached: Count
    pieces: Annotated[Count, Meta(description="documents and parts of documents, with repeats")]
    ran_out: bool


class SequenceSet(Closed):
    """Packed sequences of one length and layout. ``padding``: positions; ``imbalance``: how much more FLOPs the heaviest of
    ``ranks`` has than their mean, as a share, and ``imbalance_before`` in the order of the shuffle."""

    name: str
    layout: str
    length: Count
    positions: str
    packing: str
    sequences: Count
    tokens: Count
    padding: Count
    ranks: Count
    imbalance: float
    imbalance_before: float
    cells: list[MixCell]
    formats: list[str]
    summary: Summary | None
    outcomes: Annotated[Counts, Meta(description="documents by what became of them")]


class Sequences(Closed):
    """What `dataengine sequence` made, and from which texts."""

    tokenizer: TextTokenizer
    sets: list[SequenceSet]
    texts: Annotated[Counts, Meta(description="rows of text corpora by outcome and reason")]
