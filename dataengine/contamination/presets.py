"""Decontamination presets: those of Keye-VL (arXiv 2507.01949, Appendix A), and two of ours.

``keye_pretrain``: pictures (and frames of videos) by perceptual hash; ``keye_posttrain``: by the embeddings of picture and
text together; ``near``: by perceptual hash within a radius; ``ngram``: by runs of words of the question. Inputs are tables of
hashes, embeddings and texts. What cannot be compared (no hash, a zero vector, a blank text) is counted, for the benchmark
and for the samples. Samples are taken in pieces, so that memory is bounded by the benchmark, the hits, and 16 bytes a hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.contamination.cosines import Embedded, cosines, likely, main_axes, shortened
from dataengine.contamination.hits import Contamination, hits_of
from dataengine.contamination.matching import Hashes, expand, first_of, owners, ranks, witnesses
from dataengine.dedup.hamming import MAX_RADIUS, distinct_pairs
from dataengine.dedup.hash_sets import HashSets
from dataengine.dedup.minhash import bands_for, cross_candidates, jaccard, shared, signatures
from dataengine.dedup.shingles import Shingles, shingle_sets

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

KEYE_JACCARD = 0.95
KEYE_IMAGE, KEYE_TEXT = 0.98, 0.50
_PIECE = 1 << 18  # rows of samples at a time


def keye_pretrain(
    samples: pa.Table, benchmarks: pa.Table, permutations: int = 128, seed: int = 1, above: float = KEYE_JACCARD
) -> Contamination:
    """By picture: the positions of the set bits of the pHash as a set, MinHash, LSH, and a hit where the Jaccard
    similarity is above 0.95. One duplicated picture, or frame, of a sample is enough.

    Columns of ``samples``: id, and phash (int64), frame_hashes (list of int64) or both; an id may have several rows.
    ``benchmarks``: benchmark, item, and the same. A pHash has as many bits set as not (they are those above the median),
    so two hashes differ in an even number of bits, and already two of them make 31/33 = 0.94: among ordinary pictures
    this preset is equality of the hash. ``near`` sees more."""
    ours, theirs = Hashes.of(samples), Hashes.of(benchmarks)
    values, known = np.unique(ours.hashes), np.unique(theirs.hashes)
    b, bands = bit_sets(known), bands_for(above, permutations)
    signed = signatures(b, permutations, seed)
    pieces: list[tuple[Int64, Int64, Float64]] = []
    for start in range(0, len(values), _PIECE):
        a = bit_sets(values[start : start + _PIECE])
        i, j = cross_candidates(signatures(a, permutations, seed), signed, bands)
        some = (a.sizes[i] > 0) & (b.sizes[j] > 0)
        i, j = i[some], j[some]
        similarity = jaccard(a, b, i, j)
        hit = similarity > above
        pieces.append((values[i[hit] + start], known[j[hit]], similarity[hit]))
    return _by_picture(samples, benchmarks, ours, theirs, *_joined(pieces))


def near(samples: pa.Table, benchmarks: pa.Table, radius: int = 6) -> Contamination:
    """By picture: a hit where pHashes differ in at most ``radius`` (0..8) bits; all such pairs are found. The similarity is
    the share of equal bits.

    Columns as for ``keye_pretrain``. Raises ValueError for a radius out of range."""
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"radius {radius} is not in 0..{MAX_RADIUS}")
    ours, theirs = Hashes.of(samples), Hashes.of(benchmarks)
    values, known = np.unique(ours.hashes), np.unique(theirs.hashes)
    both = np.concatenate([known, np.setdiff1d(values, known, assume_unique=True)])
    of_samples = np.isin(both, values, assume_unique=True)
    # Only pairs with a hash of the benchmark are looked for, and i is one in all of them.
    i, j, distance = distinct_pairs(both.view(np.uint64), radius, fresh=len(known))
    forth, back = of_samples[j], of_samples[i] & (j < len(known))
    same = np.flatnonzero(of_samples[: len(known)])
    a = both[np.concatenate([j[forth], i[back], same])]
    b = both[np.concatenate([i[forth], j[back], same])]
    apart = np.concatenate([distance[forth], distance[back], np.zeros(len(same), np.int64)])
    return _by_picture(samples, benchmarks, ours, theirs, a, b, 1 - apart / 64)


def keye_posttrain(
    samples: pa.Table, benchmarks: pa.Table, image: float = KEYE_IMAGE, text: float = KEYE_TEXT
) -> Contamination:
    """By picture and text: a hit where both cosines with one and the same item, rounded to 1e-4, are above 0.98 (image) and
    0.50 (text).

    Columns of ``samples``: id, image, text (fixed-size lists of float16 or float32, null where there is none);
    ``benchmarks``: benchmark, item, image, text; either may have several rows of one id or item. Exact, and yet seldom
    all with all: the product in the 64 main axes of the benchmark, and of the lengths of what is left (Cauchy and Schwarz),
    is a bound that few pairs reach."""
    theirs = Embedded(benchmarks)
    axes = main_axes(theirs.image)
    short = shortened(theirs.image, axes)
    rank, owner = ranks(benchmarks)[theirs.rows], owners(benchmarks)[theirs.rows]
    pieces: list[tuple[Int64, Int64, Float64, Float64]] = []
    readable, touched = [np.zeros(0, np.int64)], np.zeros(len(theirs.rows), np.bool_)
    for start in range(0, len(samples), _PIECE):
        ours = Embedded(samples.slice(start, _PIECE))
        readable.append(ours.rows + start)
        for i, j in likely(shortened(ours.image, axes), short, image):
            image_cosine = cosines(ours.image, theirs.image, i, j)
            close = image_cosine > image
            i, j, image_cosine = i[close], j[close], image_cosine[close]
            text_cosine = cosines(ours.text, theirs.text, i, j)
            hit = np.flatnonzero(text_cosine > text)
            touched[j[hit]] = True
            order = np.lexsort((rank[j[hit]], -text_cosine[hit], -image_cosine[hit]))
            hit = hit[order][first_of(i[hit[order]], owner[j[hit[order]]], np.arange(len(hit)))]
            pieces.append((ours.rows[i[hit]] + start, theirs.rows[j[hit]], image_cosine[hit], text_cosine[hit]))
    i, j, image_cosine, text_cosine = _joined(pieces, 2)
    kinds = np.full(len(i), "image+text")
    rows = np.concatenate(readable), theirs.rows, theirs.rows[touched]
    return hits_of(samples, benchmarks, i, j, kinds, image_cosine, text_cosine, *rows)


def ngram(samples: pa.Table, benchmarks: pa.Table, n: int = 13, least: float = 0.0) -> Contamination:
    """By question: a hit where a sample's text has one of an item's runs of ``n`` words and, with ``least``, more than that
    share of them. A text of fewer words has no run, and is counted as unreadable.

    Columns of ``samples``: id, text; of ``benchmarks``: benchmark, item, text; either may have several rows of one id or
    item. Raises ValueError for n below 1."""
    how = Shingles("word", n, whole_short=False)
    theirs = shingle_sets(_column(benchmarks, "text"), how)
    item = np.repeat(np.arange(len(theirs.sizes)), theirs.sizes)
    first = np.flatnonzero(witnesses(theirs.hashes, item, benchmarks) if least == 0 else _rarest(theirs, item, least))
    known, count = np.unique(theirs.hashes), max(len(theirs.sizes), 1)
    pieces: list[tuple[Int64, Int64, Float64]] = []
    readable, met = [np.zeros(0, np.int64)], np.zeros(len(known), np.bool_)
    for start in range(0, len(samples), _PIECE):
        ours = shingle_sets(_column(samples.slice(start, _PIECE), "text"), how)
        readable.append(np.flatnonzero(ours.sizes) + start)
        both = np.intersect1d(ours.hashes, known)
        met |= np.isin(known, both, assume_unique=True)
        x, y, _ = expand(both, both, ours.hashes, theirs.hashes[first])
        sample = np.repeat(np.arange(len(ours.sizes)), ours.sizes)[x]
        pairs = np.unique(sample * count + item[first[y]])
        i, j = pairs // count, pairs % count
        share = shared(ours.starts, ours.hashes, theirs.starts, theirs.hashes, i, j) / theirs.sizes[j]
        hit = share > least
        pieces.append((i[hit] + start, j[hit], share[hit]))
    i, j, share = _joined(pieces)
    kinds = np.full(len(i), "ngram")
    touched = item[np.isin(theirs.hashes, known[met])] if least == 0 else j
    rows = np.concatenate(readable), np.flatnonzero(theirs.sizes), touched
    return hits_of(samples, benchmarks, i, j, kinds, share, None, *rows)


def _rarest(theirs: HashSets, item: Int64, least: float) -> NDArray[np.bool_]:
    """``(n,)``: which runs of words must be looked up. A sample that shares more than ``least`` of an item's m runs, so k at
    least, shares one of any m - k + 1 of them (prefix filtering, see video.py); the rarest leave out what all items say."""
    _, code, count = np.unique(theirs.hashes, return_inverse=True, return_counts=True)
    order = np.lexsort((theirs.hashes, count[code], item))
    place = np.arange(len(order)) - theirs.starts[item[order]]
    rare = np.zeros(len(order), np.bool_)
    rare[order] = place < (theirs.sizes - np.floor(least * theirs.sizes - 1e-9))[item[order]]
    return rare


def bit_sets(hashes: Int64) -> HashSets:
    """The positions of the set bits of each hash, 0 to 63 from the highest: those of its 64-digit string."""
    bits = np.unpackbits(hashes.astype(">i8").view(np.uint8).reshape(-1, 8), axis=1)
    row, position = np.nonzero(bits)
    return HashSets(np.searchsorted(row, np.arange(len(hashes) + 1)), position.astype(np.int64))


def _by_picture(
    samples: pa.Table,
    benchmarks: pa.Table,
    ours: Hashes,
    theirs: Hashes,
    a: Int64,
    b: Int64,
    similarity: Float64,
) -> Contamination:
    """The outcome where hashes ``a`` of samples meet hashes ``b`` of benchmarks."""
    witnessed = theirs.take(witnesses(theirs.hashes, theirs.rows, benchmarks))
    x, y, which = expand(a, b, ours.hashes, witnessed.hashes)
    kinds = np.where(ours.framed[x] | witnessed.framed[y], "frame", "image")
    touched = theirs.rows[np.isin(theirs.hashes, b)]
    pairs, rows = (ours.rows[x], witnessed.rows[y]), (ours.rows, theirs.rows, touched)
    return hits_of(samples, benchmarks, *pairs, kinds, similarity[which], None, *rows)


def _joined(pieces: Sequence[tuple[NDArray[Any], ...]], floats: int = 1) -> Any:
    """The pieces of two columns of integers and ``floats`` of floats, one after another."""
    none = [np.zeros(0, np.int64)] * 2 + [np.zeros(0)] * floats
    return (np.concatenate([empty, *(piece[n] for piece in pieces)]) for n, empty in enumerate(none))


def _column(table: pa.Table, name: str) -> Any:
    return table[name]
