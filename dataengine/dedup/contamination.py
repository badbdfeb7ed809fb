"""Which samples are in a benchmark: presets as Keye-VL describes its own (arXiv 2507.01949, Appendix A), and shared n-grams.

``keye_pretrain``: pictures (and frames of videos) by perceptual hash; ``keye_posttrain``: by the embeddings of picture and
text together; ``ngram``: by runs of words of the question. Inputs are tables of hashes, embeddings and texts. What
cannot be compared (no hash, a zero vector, a blank text) is counted, for the benchmark and for the samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.dedup.hits import Contamination, hits_of
from dataengine.dedup.minhash import bands_for, cross_candidates, jaccard, shared, signatures
from dataengine.dedup.semantic import DECIMALS
from dataengine.dedup.shingles import Shingles, shingle_sets
from dataengine.dedup.vectors import lengths
from dataengine.dedup.video import HashSets

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

KEYE_JACCARD = 0.95
KEYE_IMAGE, KEYE_TEXT = 0.98, 0.50
_PRODUCTS = 1 << 22


def keye_pretrain(samples: pa.Table, benchmarks: pa.Table, permutations: int = 128, seed: int = 1) -> Contamination:
    """By picture: the positions of the set bits of the pHash as a set, MinHash, LSH, and a hit where the Jaccard
    similarity is above 0.95. One duplicated picture, or frame, of a sample is enough.

    Columns of ``samples``: id, and phash (int64), frame_hashes (list of int64) or both; an id may have several rows.
    ``benchmarks``: benchmark, item, and the same. A pHash has as many bits set as not (they are those above the median),
    so two hashes differ in an even number of bits, and already two of them make 31/33 = 0.94: among ordinary pictures
    this preset is equality of the hash. ``near_pairs`` sees more."""
    ours, theirs = _Pictures(samples), _Pictures(benchmarks)
    values, known = np.unique(ours.hashes), np.unique(theirs.hashes)
    a, b = (bit_sets(hashes) for hashes in (values, known))
    bands = bands_for(KEYE_JACCARD, permutations)
    i, j = cross_candidates(signatures(a, permutations, seed), signatures(b, permutations, seed), bands)
    some = (a.sizes[i] > 0) & (b.sizes[j] > 0)
    i, j = i[some], j[some]
    alike = jaccard(a, b, i, j)
    near = alike > KEYE_JACCARD
    x, y, which = _expand(values[i[near]], known[j[near]], ours.hashes, theirs.hashes)
    kinds = np.where(ours.framed[x] | theirs.framed[y], "frame", "image")
    return hits_of(
        samples, benchmarks, ours.rows[x], theirs.rows[y], kinds, alike[near][which], None, ours.rows, theirs.rows
    )


def keye_posttrain(samples: pa.Table, benchmarks: pa.Table) -> Contamination:
    """By picture and text: a hit where both cosines with one and the same item, rounded to 1e-4, are above 0.98 (image) and
    0.50 (text).

    Columns of ``samples``: id, image, text (fixed-size lists of float16 or float32, null where there is none);
    ``benchmarks``: benchmark, item, image, text. Compares all with all, in pieces of bounded memory."""
    ours, theirs = _Embedded(samples), _Embedded(benchmarks)
    found: list[tuple[Int64, Int64, Float64, Float64]] = []
    step = max(1, _PRODUCTS // max(1, len(theirs.rows)))
    for start in range(0, len(ours.rows), step):
        near = ours.image[start : start + step] @ theirs.image.T >= KEYE_IMAGE - 1e-3
        i, j = np.nonzero(near)
        i += start
        image = np.round(_products(ours.image, theirs.image, i, j), DECIMALS)
        text = np.round(_products(ours.text, theirs.text, i, j), DECIMALS)
        hit = (image > KEYE_IMAGE) & (text > KEYE_TEXT)
        found.append((i[hit], j[hit], image[hit], text[hit]))
    i, j = (np.concatenate([np.zeros(0, np.int64), *(f[n] for f in found)]) for n in (0, 1))
    image, text = (np.concatenate([np.zeros(0), *(f[n] for f in found)]) for n in (2, 3))
    kinds = np.full(len(i), "image+text")
    return hits_of(samples, benchmarks, ours.rows[i], theirs.rows[j], kinds, image, text, ours.rows, theirs.rows)


def ngram(samples: pa.Table, benchmarks: pa.Table, n: int = 13, least: float = 0.0) -> Contamination:
    """By question: a hit where a sample's text has one of an item's runs of ``n`` words and, with ``least``, more than that
    share of them. A text of fewer words has no run, and is counted as unreadable.

    Columns of ``samples``: id, text; of ``benchmarks``: benchmark, item, text. Raises ValueError for n below 1."""
    how = Shingles("word", n, whole_short=False)
    ours, theirs = shingle_sets(_chunked(samples, "text"), how), shingle_sets(_chunked(benchmarks, "text"), how)
    x, y, _ = _expand(*_equal(ours.hashes, theirs.hashes), ours.hashes, theirs.hashes)
    sample, item = (np.repeat(np.arange(len(s.sizes)), s.sizes)[rows] for s, rows in ((ours, x), (theirs, y)))
    pairs = np.unique(sample * max(len(theirs.sizes), 1) + item)
    i, j = pairs // max(len(theirs.sizes), 1), pairs % max(len(theirs.sizes), 1)
    both = shared(ours.starts, ours.hashes, theirs.starts, theirs.hashes, i, j)
    share = both / theirs.sizes[j]
    hit = share > least
    kinds = np.full(int(hit.sum()), "ngram")
    readable = np.flatnonzero(ours.sizes), np.flatnonzero(theirs.sizes)
    return hits_of(samples, benchmarks, i[hit], j[hit], kinds, share[hit], None, *readable)


def bit_sets(hashes: Int64) -> HashSets:
    """The positions of the set bits of each hash, 0 to 63 from the highest: those of its 64-digit string."""
    bits = np.unpackbits(hashes.astype(">i8").view(np.uint8).reshape(-1, 8), axis=1)
    row, position = np.nonzero(bits)
    return HashSets(np.searchsorted(row, np.arange(len(hashes) + 1)), position.astype(np.int64))


class _Pictures:
    """Hashes of a table's pictures and frames: row, hash, whether of a frame."""

    def __init__(self, table: pa.Table) -> None:
        rows, hashes, framed = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
        if "phash" in table.column_names:
            column = _chunked(table, "phash")
            there = column.is_valid().to_numpy(zero_copy_only=False)
            rows.append(np.flatnonzero(there))
            hashes.append(column.drop_null().to_numpy())
            framed.append(np.zeros(len(rows[-1]), np.bool_))
        if "frame_hashes" in table.column_names:
            lists: Any = _chunked(table, "frame_hashes").combine_chunks()
            values, owner = pc.list_flatten(lists), pc.list_parent_indices(lists)
            there = values.is_valid().to_numpy(zero_copy_only=False)
            rows.append(owner.to_numpy(zero_copy_only=False).astype(np.int64)[there])
            hashes.append(values.drop_null().to_numpy(zero_copy_only=False))
            framed.append(np.ones(len(rows[-1]), np.bool_))
        self.rows: Int64 = np.concatenate(rows)
        self.hashes: Int64 = np.concatenate(hashes)
        self.framed: NDArray[np.bool_] = np.concatenate(framed)


class _Embedded:
    """Rows with both embeddings, as unit vectors in float32."""

    def __init__(self, table: pa.Table) -> None:
        image, text = (_matrix(table, name) for name in ("image", "text"))
        long, wide = lengths(image), lengths(text)
        self.rows = np.flatnonzero(np.isfinite(long) & (long > 0) & np.isfinite(wide) & (wide > 0))
        self.image = (image[self.rows] / long[self.rows, None]).astype(np.float32)
        self.text = (text[self.rows] / wide[self.rows, None]).astype(np.float32)


def _matrix(table: pa.Table, name: str) -> NDArray[Any]:
    """``(n, d)`` of a column of fixed-size lists; NaN where null."""
    column: Any = _chunked(table, name).combine_chunks()
    filled = column.fill_null([float("nan")] * column.type.list_size) if column.null_count else column
    return np.asarray(pc.list_flatten(filled).to_numpy(zero_copy_only=False)).reshape(
        len(column), column.type.list_size
    )


def _products(a: NDArray[np.float32], b: NDArray[np.float32], i: Int64, j: Int64) -> Float64:
    products: Float64 = np.einsum("ij,ij->i", a[i].astype(np.float64), b[j].astype(np.float64))
    return products


def _chunked(table: pa.Table, name: str) -> Any:
    return table[name]


def _equal(left: Int64, right: Int64) -> tuple[Int64, Int64]:
    both = np.intersect1d(left, right)
    return both, both


def _expand(a: Int64, b: Int64, left: Int64, right: Int64) -> tuple[Int64, Int64, Int64]:
    """Pairs of values to pairs of all their places in ``left`` and ``right``, and which pair of values each is."""
    for_left, x = _places(a, left)
    for_right, y = _places(b[for_left], right)
    return x[for_right], y, for_left[for_right]


def _places(asked: Int64, values: Int64) -> tuple[Int64, Int64]:
    """``(index into asked, place in values)`` of every occurrence."""
    order = np.argsort(values, kind="stable")
    low, high = (np.searchsorted(values[order], asked, side) for side in ("left", "right"))
    count = high - low
    which = np.repeat(np.arange(len(asked)), count)
    inside = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    return which, order[inside + np.repeat(low, count)]
