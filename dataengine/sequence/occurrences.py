"""Documents as they are to be drawn: how often each, in which pieces, and where in the shuffle; of each row by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine.config.sequence import MODALITIES, SequenceConfig, SetConfig
from dataengine.sequence.document import positions_of
from dataengine.sequence.encoded import DOCUMENTS

#: Ranges of the shuffle by which tokens are counted: whole ranges are taken, all but one.
BUCKETS = 1 << 14
_STEPS = 1000
"""Weights hold to a thousandth."""
_DRAWN: list[pa.Field[Any]] = [
    *(field for field in DOCUMENTS if field.name not in ("cuts", "cuts_visual")),
    pa.field("n", pa.int64(), False),
    pa.field("cell", pa.string(), False),
    pa.field("place", pa.string(), False),
    pa.field("length", pa.int64(), False),
    pa.field("whole", pa.int64(), False),
    pa.field("thousandths", pa.int64(), False),
    pa.field("starts", pa.list_(pa.int32()), False),
    pa.field("stops", pa.list_(pa.int32()), False),
    pa.field("lengths", pa.list_(pa.int64()), False),
]
#: A document with the outcome that is known before the mix, the cell of its share, its place in a shuffle, how often it is used
#: in any case and with which chance, in thousandths, once more; and its pieces: rows and length in positions.
DRAWN = pa.schema(_DRAWN)
_OCCURRENCES: list[pa.Field[Any]] = [
    *(DOCUMENTS.field(name) for name in ("id", "source", "modality", "rows", "visual", "pack", "offset", "media")),
    pa.field("cell", pa.string(), False),
    pa.field("place", pa.string(), False),
    pa.field("bucket", pa.int64(), False),
    pa.field("occurrence", pa.int32(), False),
    pa.field("part", pa.int32(), False),
    pa.field("start", pa.int32(), False),
    pa.field("stop", pa.int32(), False),
    pa.field("length", pa.int64(), False),
]
#: One row a piece of an occurrence, with its place among all.
OCCURRENCES = pa.schema(_OCCURRENCES)
TOO_LONG, WEIGHT_0, DUPLICATE, NO_SHARE = "too long", "weight 0", "duplicate", "no share"


@dataclass(frozen=True)
class Draws:
    """What decides the draws of a set; picklable."""

    config: SetConfig
    epochs: dict[str, float]
    codebooks: int
    seed: int

    @classmethod
    def of(cls, config: SequenceConfig, one: SetConfig, codebooks: int, seed: int) -> Draws:
        return cls(one, {source.name: source.epochs for source in config.sources}, codebooks, seed)

    def drawn(self, documents: pa.Table) -> pa.Table:
        """DRAWN of rows of DOCUMENTS with ``n``, their number among those of the same source and id."""
        return pa.Table.from_pylist([self._drawn(row) for row in documents.to_pylist()], DRAWN)

    def expanded(self, drawn: pa.Table) -> pa.Table:
        """OCCURRENCES of rows of DRAWN with ``count``, how often each is used."""
        rows = [row for one in drawn.to_pylist() for row in self._occurrences(one)]
        return pa.Table.from_pylist(rows, OCCURRENCES)

    def _drawn(self, row: dict[str, Any]) -> dict[str, Any]:
        layout = self.config.layout
        length = positions_of(row["rows"], row["visual"], self.codebooks, layout)
        whole = [(0, row["rows"], length)]
        parts = (
            whole if length <= self.config.length or self.config.packing == "concatenate" else self._split(row, length)
        )
        uses = round(row["weight"] * self.epochs[row["source"]] * _STEPS)
        row["cell"] = self._cell(row)
        row["outcome"] = row["outcome"] or self._outcome(row, parts, uses)
        row["place"] = self._place(row, 0, 0)
        row["length"] = length
        row["whole"], row["thousandths"] = (0, 0) if row["outcome"] else divmod(uses, _STEPS)
        row["starts"], row["stops"], row["lengths"] = (
            (list(column) for column in zip(*parts, strict=True)) if parts else ([],) * 3
        )
        return {name: row[name] for name in DRAWN.names}

    def _outcome(self, row: dict[str, Any], parts: Sequence[Any], uses: int) -> str:
        """Why a document is left out whatever the others are, "" where it is not."""
        if row["n"] > 1:
            return DUPLICATE
        if not parts:
            return TOO_LONG
        if not uses:
            return WEIGHT_0
        return "" if row["cell"] else NO_SHARE

    def _cell(self, row: dict[str, Any]) -> str:
        shares = self.config.shares
        if not shares or row["source"] in shares:
            return str(row["source"])
        return str(row["modality"]) if row["modality"] in shares and row["modality"] in MODALITIES else ""

    def _split(self, row: dict[str, Any], length: int) -> list[tuple[int, int, int]]:
        """Pieces as long as fit, at the document's cuts: rows and positions. None where it may not be split, or cannot."""
        if self.config.too_long == "drop":
            return []
        cuts = [*zip(row["cuts"], row["cuts_visual"], strict=True), (row["rows"], row["visual"])]
        at = [(cut, positions_of(cut, visual, self.codebooks, self.config.layout)) for cut, visual in cuts if cut]
        pieces: list[tuple[int, int, int]] = []
        start, begun = 0, 0
        for n, (cut, position) in enumerate(at):
            following = at[n + 1][1] if n + 1 < len(at) else None
            if position - begun > self.config.length:
                return []
            if following is None or following - begun > self.config.length:
                pieces.append((start, cut, position - begun))
                start, begun = cut, position
        return pieces

    def _occurrences(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        kept = {name: row[name] for name in OCCURRENCES.names if name in row}
        out = []
        for occurrence in range(row["count"]):
            for part, (start, stop, length) in enumerate(zip(row["starts"], row["stops"], row["lengths"], strict=True)):
                place = self._place(row, occurrence, part)
                span = {"occurrence": occurrence, "part": part, "start": start, "stop": stop, "length": length}
                out.append({**kept, **span, "place": place, "bucket": int(place[:8], 16) * BUCKETS >> 32})
        return out

    def _place(self, row: dict[str, Any], occurrence: int, part: int) -> str:
        """Where a piece stands in the global shuffle: hex digits, from what it is alone."""
        key = f"{self.seed}\0{self.config.name}\0{row['source']}\0{row['id']}\0{row.get('n', 1)}\0{occurrence}\0{part}"
        return hashlib.sha256(key.encode()).hexdigest()[:32]
