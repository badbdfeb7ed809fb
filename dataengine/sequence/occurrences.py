"""Documents as they are to be drawn: how often each, in which pieces, and where in the shuffle; of each row by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.config.sequence import MODALITIES, SequenceConfig, SetConfig
from dataengine.sequence.document import positions_of
from dataengine.sequence.encoded import DOCUMENTS

I64: TypeAlias = NDArray[np.int64]
#: Ranges of the shuffle by which tokens are counted: whole ranges are taken, all but one.
BUCKETS = 1 << 14
_STEPS = 1000
_AT_ONCE = 1 << 16
"""Pieces that are expanded at a time."""
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
    pa.field("piece", pa.int32(), False),
    pa.field("start", pa.int32(), False),
    pa.field("stop", pa.int32(), False),
    pa.field("length", pa.int64(), False),
    pa.field("chance", pa.int64(), False),
    pa.field("rank", pa.string(), False),
]
#: One row a piece of an occurrence, with its place among all. Of an occurrence that is used with some ``chance``, in thousandths,
#: the ``rank`` of its document among those of the same chance; 0 and empty of others.
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
        rows, visual = (documents[name].to_numpy().astype(np.int64) for name in ("rows", "visual"))
        lengths = rows + visual * (self.codebooks - 1) if self.config.layout == "codes" else rows
        pieces = self._pieces(documents, rows, lengths)
        sources: list[Any] = documents["source"].to_pylist()
        modalities: list[Any] = documents["modality"].to_pylist()
        epochs = np.array([self.epochs[source] for source in sources])
        uses = np.rint(documents["weight"].to_numpy() * epochs * _STEPS).astype(np.int64)
        cells = [self._cell(*pair) for pair in zip(sources, modalities, strict=True)]
        outcomes = self._outcomes(documents, pieces.counts, uses, cells)
        used = np.where(np.array([not outcome for outcome in outcomes], np.bool_), uses, 0)
        thousandths = used % _STEPS
        places = self._places(documents, np.flatnonzero(thousandths))
        computed = {
            "outcome": pa.array(outcomes, pa.string()),
            "cell": pa.array(cells, pa.string()),
            "place": pa.array(places, pa.string()),
            "length": pa.array(lengths),
            "whole": pa.array(used // _STEPS),
            "thousandths": pa.array(thousandths),
            **pieces.columns(),
        }
        columns: dict[str, Any] = {name: documents[name] for name in documents.column_names}
        return pa.table({name: {**columns, **computed}[name] for name in DRAWN.names}, schema=DRAWN)

    def occurrences(self, drawn: pa.Table) -> Iterator[pa.Table]:
        """OCCURRENCES of the rows of DRAWN that nothing speaks against, some at a time: those that are used in any case, and one
        more of each document that is once more with some chance."""
        usable = drawn.filter(pc.equal(drawn["outcome"], pa.scalar(""))).combine_chunks()
        count = usable["whole"].to_numpy() + (usable["thousandths"].to_numpy() > 0)
        pieces = np.asarray(pc.list_value_length(usable["starts"])).astype(np.int64)
        group = np.cumsum(count * pieces) // _AT_ONCE
        for rows in np.split(np.arange(len(usable)), np.flatnonzero(np.diff(group)) + 1) if len(usable) else ():
            yield self._expanded(usable.slice(int(rows[0]), len(rows)).combine_chunks(), count[rows])

    def _expanded(self, drawn: pa.Table, count: I64) -> pa.Table:
        lists: list[Any] = [drawn[name].combine_chunks() for name in ("starts", "stops", "lengths")]
        starts, stops, lengths = lists
        offsets = starts.offsets.to_numpy().astype(np.int64)
        parts = np.diff(offsets)
        index = np.repeat(np.arange(len(drawn)), count * parts)
        number = np.arange(len(index)) - np.repeat(np.cumsum(count * parts) - count * parts, count * parts)
        occurrence, part = np.divmod(number, np.maximum(parts, 1)[index])
        flat = offsets[index] + part
        kept = drawn.take(index)
        chances = drawn["thousandths"].to_numpy()[index]
        optional = (chances > 0) & (occurrence == count[index] - 1)
        names = (kept[name].to_pylist() for name in ("source", "id", "n"))
        digests = [self._digest(*key) for key in zip(*names, occurrence.tolist(), part.tolist(), strict=True)]
        words = np.frombuffer(b"".join(digests), ">u4").reshape(-1, 4)[:, 0].astype(np.int64)
        computed = {
            "place": pa.array([digest.hex() for digest in digests], pa.string()),
            "bucket": pa.array(words * BUCKETS >> 32),
            "occurrence": pa.array(occurrence.astype(np.int32)),
            "piece": pa.array(part.astype(np.int32)),
            "start": pa.array(starts.values.to_numpy()[flat]),
            "stop": pa.array(stops.values.to_numpy()[flat]),
            "length": pa.array(lengths.values.to_numpy()[flat]),
            "chance": pa.array(np.where(optional, chances, 0)),
            "rank": pc.if_else(pa.array(optional), kept["place"].combine_chunks(), ""),
        }
        return pa.table(
            [computed[name] if name in computed else kept[name] for name in OCCURRENCES.names], schema=OCCURRENCES
        )

    def _outcomes(self, documents: pa.Table, counts: I64, uses: I64, cells: Sequence[str]) -> list[str]:
        """Why a document is left out whatever the others are, "" where it is not."""
        known: list[Any] = documents["outcome"].to_pylist()
        numbers: list[Any] = documents["n"].to_pylist()
        return [
            outcome
            or (DUPLICATE if n > 1 else TOO_LONG if not parts else WEIGHT_0 if not use else "" if cell else NO_SHARE)
            for outcome, n, parts, use, cell in zip(known, numbers, counts.tolist(), uses.tolist(), cells, strict=True)
        ]

    def _cell(self, source: str, modality: str) -> str:
        shares = self.config.shares
        if not shares or source in shares:
            return source
        return modality if modality in shares and modality in MODALITIES else ""

    def _pieces(self, documents: pa.Table, rows: I64, lengths: I64) -> _Pieces:
        """Of each document that fits the whole of it; of others what ``_split`` makes of them."""
        whole = lengths <= self.config.length if self.config.packing != "concatenate" else np.ones(len(rows), np.bool_)
        split = {int(n): self._split(documents.slice(int(n), 1).to_pylist()[0]) for n in np.flatnonzero(~whole)}
        if not split:
            return _Pieces(np.ones(len(rows), np.int64), np.zeros(len(rows), np.int64), rows, lengths)
        every = [
            split.get(n, [(0, stop, length)])
            for n, (stop, length) in enumerate(zip(rows.tolist(), lengths.tolist(), strict=True))
        ]
        flat = np.array([piece for pieces in every for piece in pieces], np.int64).reshape(-1, 3)
        return _Pieces(np.array([len(pieces) for pieces in every], np.int64), flat[:, 0], flat[:, 1], flat[:, 2])

    def _split(self, row: dict[str, Any]) -> list[tuple[int, int, int]]:
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

    def _places(self, documents: pa.Table, wanted: I64) -> list[str]:
        """Places of these rows, "" of others: they order those that may be used once more."""
        out = [""] * len(documents)
        if len(wanted):
            some = documents.select(["source", "id", "n"]).take(wanted).to_pylist()
            for at, row in zip(wanted.tolist(), some, strict=True):
                out[at] = self._digest(row["source"], row["id"], row["n"], 0, 0).hex()
        return out

    def _digest(self, source: str, id_: str, n: int, occurrence: int, part: int) -> bytes:
        """Where a piece stands in the global shuffle: 128 bits, from what it is alone."""
        key = f"{self.seed}\0{self.config.name}\0{source}\0{id_}\0{n}\0{occurrence}\0{part}"
        return hashlib.sha256(key.encode()).digest()[:16]


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Pieces of documents one after the other, and how many each has."""

    counts: I64
    starts: I64
    stops: I64
    lengths: I64

    def columns(self) -> dict[str, Any]:
        """As columns of lists."""
        offsets = pa.array(np.r_[0, np.cumsum(self.counts)].astype(np.int32))

        def column(values: I64, type_: Any) -> Any:
            return pa.ListArray.from_arrays(offsets, pa.array(values).cast(type_))

        return {
            "starts": column(self.starts, pa.int32()),
            "stops": column(self.stops, pa.int32()),
            "lengths": column(self.lengths, pa.int64()),
        }
