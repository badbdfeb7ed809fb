"""Confirms pairs of pictures on their thumbnails, with a cache of the verdicts of earlier searches.

A verdict depends on two fingerprints and how far apart the hashes are alone, so the verdicts of batches, and of parts of the
pairs, are those of a search of all at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.contracts import columns
from dataengine.dedup import thumbnails
from dataengine.dedup.kinds import ALIGNED
from dataengine.storage.store import Store

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

#: Of what confirms a pair (confirm.py), from thumbnails on; here, so that who names it need not compile it.
CONFIRM_VERSION = "gradients-2"
#: Pairs that may be one picture edited, ``a < b``; ``bits`` that their hashes are apart, where that counts.
PAIRS = columns(a=pa.string(), b=pa.string(), kind=pa.string(), bits=pa.float64())
#: Whether a pair of pictures is one picture edited; ``a < b``.
VERDICTS = columns(a=pa.string(), b=pa.string(), alike=pa.bool_())
#: Columns of a pair ``c`` and of the PLACES of its pictures, ``x`` and ``y``, and where they come from. A pair without both
#: thumbnails is left out.
PLACED = """
c.a AS a, c.b AS b, c.bits AS bits, x.id AS x_id, x.pack AS x_pack, x.starts AS x_starts, x.size AS x_size,
y.id AS y_id, y.pack AS y_pack, y.starts AS y_starts, y.size AS y_size
FROM c JOIN x ON c.a = x.id JOIN y ON c.b = y.id
"""
_BITS, _NO_BITS = (f"SELECT a, b, kind, {bits} AS bits FROM c" for bits in ("distance", "CAST(NULL AS DOUBLE)"))
_NEW = """
SELECT c.a AS a, c.b AS b, c.kind AS kind, c.bits AS bits FROM c LEFT JOIN k ON c.a = k.a AND c.b = k.b WHERE k.a IS NULL
"""
_STILL = "SELECT k.a AS a, k.b AS b, k.alike AS alike FROM k JOIN c ON c.a = k.a AND c.b = k.b"
_ALIKE = "SELECT c.a AS a, c.b AS b, c.kind, c.distance FROM c JOIN v ON c.a = v.a AND c.b = v.b WHERE v.alike"
#: Pairs that are judged at once, sorted by tiles of pictures, and those whose thumbnails are held at once.
CHUNK, _TILE, _HELD = 64, 8, 4096

Int64 = NDArray[np.int64]


def split(engine: TableEngine, near: Frame, known: Frame | None, kind: str) -> tuple[Frame, Frame]:
    """Of ``near`` (a, b, kind, distance): VERDICTS that are known of them, and PAIRS that are to be judged. Of ``aligned`` pairs
    the distance is in bits, and those of few are held to less (confirm.py)."""
    pairs = engine.sql(_BITS if kind == ALIGNED else _NO_BITS, {"c": near})
    if known is None:
        return engine.frame(VERDICTS.empty_table()), pairs
    frames = {"c": pairs, "k": known}
    return engine.sql(_STILL, frames), engine.sql(_NEW, frames)


def confirmed(engine: TableEngine, near: Frame, verdicts: Frame) -> Frame:
    """Those of ``near`` (a, b, kind, distance) that VERDICTS confirm."""
    return engine.sql(_ALIKE, {"c": near, "v": verdicts})


def judged(store: Store, pairs: pa.Table) -> pa.Table:
    """VERDICTS of PLACED, in their order; at most some thousand thumbnails are held."""
    from dataengine.dedup.confirm import confirm

    places, sides = thumbnails.distinct(pairs)
    bits = pairs["bits"].to_numpy().astype(np.float64)  # not a number, and so not few, where there are none
    order = tiled(sides)
    verdicts = np.zeros(len(pairs), np.bool_)
    for start in range(0, len(order), _HELD):
        held = order[start : start + _HELD]
        some, rows = np.unique(sides[held], return_inverse=True)
        pictures, rows = thumbnails.read(store, places.take(pa.array(some, pa.int64()))), rows.reshape(-1, 2)
        for first in range(0, len(held), CHUNK):
            chunk = slice(first, first + CHUNK)
            verdicts[held[chunk]] = confirm(pictures, rows[chunk], bits[held[chunk]])
    return pa.table([pairs["a"], pairs["b"], pa.array(verdicts)], schema=VERDICTS)


def tiled(pairs: Int64) -> Int64:
    """The order in which neighbours among ``(n, 2)`` pairs share pictures."""
    order: Int64 = np.lexsort([*pairs.T, *(pairs // _TILE).T])
    return order
