"""Tokenized documents as they are stored: a table of what each is, and a pack of their arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.errors import InputError, RunError
from dataengine.sequence.document import CODE, Document, from_bytes
from dataengine.sequence.draft import Draft
from dataengine.sequence.model import MediaSpan
from dataengine.storage.store import Store

_MEDIA = pa.struct(
    [
        pa.field("sample", pa.string()),
        pa.field("member", pa.string()),
        pa.field("start", pa.int32()),
        pa.field("stop", pa.int32()),
        pa.field("grid", pa.list_(pa.int32())),
        pa.field("seconds", pa.float64()),
    ]
)
_FIELDS: list[pa.Field[Any]] = [
    pa.field("id", pa.string(), False),
    pa.field("source", pa.string(), False),
    pa.field("modality", pa.string(), False),
    pa.field("weight", pa.float64(), False),
    pa.field("outcome", pa.string(), False),
    pa.field("reason", pa.string(), False),
    pa.field("rows", pa.int64(), False),
    pa.field("visual", pa.int64(), False),
    pa.field("pack", pa.string(), False),
    pa.field("offset", pa.int64(), False),
    pa.field("cuts", pa.list_(pa.int32()), False),
    pa.field("cuts_visual", pa.list_(pa.int32()), False),
    pa.field("media", pa.list_(_MEDIA), False),
]
#: One row a document. ``outcome``: empty, or failed, filtered or duplicate; ``rows`` and ``visual``: of its arrays, at ``offset``
#: of the file of tokens of the part ``pack`` (a key would be half of the row); ``cuts``: rows before which it may be split,
#: ``cuts_visual``: rows of codes before each.
DOCUMENTS = pa.schema(_FIELDS)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document's arrays lie."""

    pack: str
    offset: int
    rows: int
    visual: int

    @property
    def key(self) -> tuple[str, int]:
        return self.pack, self.offset


def row_of(draft: Draft, source: str, document: Document, pack: str, offset: int) -> dict[str, Any]:
    """A row of DOCUMENTS."""
    return {
        **_named(draft.id, source, draft.modality, draft.weight),
        "rows": len(document.first),
        "visual": len(document.codes),
        "pack": pack,
        "offset": offset,
        "cuts": document.cuts.tolist(),
        "cuts_visual": np.cumsum(document.first == CODE)[document.cuts - 1].tolist() if len(document.cuts) else [],
        "media": [{**vars(span), "grid": list(span.grid)} for span in document.media],
    }


def failed_row(id_: str, source: str, error: InputError, weight: float = 1.0) -> dict[str, Any]:
    """A row of DOCUMENTS of what could not be made a document."""
    return left_out(id_, source, "failed", f"{error.failure}: {error.message}", weight)


def left_out(id_: str, source: str, outcome: str, reason: str, weight: float = 1.0) -> dict[str, Any]:
    """A row of DOCUMENTS without a document."""
    return {**_named(id_, source, "text", weight), "outcome": outcome, "reason": reason}


def _named(id_: str, source: str, modality: str, weight: float) -> dict[str, Any]:
    nothing = {
        "cuts": [],
        "cuts_visual": [],
        "outcome": "",
        "reason": "",
        "rows": 0,
        "visual": 0,
        "pack": "",
        "offset": 0,
        "media": [],
    }
    return {"id": id_, "source": source, "modality": modality, "weight": weight, **nothing}


def media_of(entries: Sequence[Mapping[str, Any]]) -> tuple[MediaSpan, ...]:
    """Media spans of a row."""
    return tuple(
        MediaSpan(**{**entry, "grid": (entry["grid"][0], entry["grid"][1], entry["grid"][2])}) for entry in entries
    )


def read(store: Store, places: Sequence[Place], codebooks: int) -> Iterator[Document]:
    """The documents at ``places``, in their order, without media; each pack is read in one request. Raises RunError."""
    by_pack: dict[str, list[Place]] = {}
    for place in places:
        by_pack.setdefault(place.pack, []).append(place)
    loaded: dict[tuple[str, int], bytes] = {}
    for pack, some in by_pack.items():
        unique = {place.offset: place for place in some}
        ordered = [unique[offset] for offset in sorted(unique)]
        blobs = store.get_ranges(pack, [p.offset for p in ordered], [_size(p, codebooks) for p in ordered])
        loaded |= {place.key: blob for place, blob in zip(ordered, blobs, strict=True)}
    for place in places:
        try:
            yield from_bytes(loaded[place.key], place.rows, place.visual, codebooks)
        except ValueError as error:
            raise RunError(
                f"{store.uri(place.pack)} is damaged at byte {place.offset}: {error}; delete it and rerun"
            ) from None


def _size(place: Place, codebooks: int) -> int:
    return 6 * place.rows + 4 * place.visual * codebooks
