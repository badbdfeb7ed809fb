"""Shingles (n-grams of words or characters) of texts, each a 64-bit hash that is the same on any machine.

Texts are compared as people read them: NFKC, case folded, only letters, digits and marks, single spaces. Words need
writing with spaces; runs of characters do for any script.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.dedup.hash_sets import HashSets
from dataengine.text.unicode_forms import normalised

Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
_BASE = np.uint64(0x9E3779B97F4A7C15)
_GAPS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Shingles:
    """Runs of ``size`` words or characters; a shorter text is one shingle, or none where ``whole_short`` is off."""

    unit: Literal["word", "char"] = "char"
    size: int = 5
    whole_short: bool = True

    def __post_init__(self) -> None:
        if self.unit not in ("word", "char") or self.size < 1:
            raise ValueError(f"shingles of {self.size} {self.unit}: need 1 or more of `word` or `char`")


def normalise(text: str | None) -> str:
    """As it is compared; empty for None."""
    folded = normalised("NFKC", text or "").casefold()
    return _GAPS.sub(" ", normalised("NFKC", folded)).strip()


def shingle_sets(texts: pa.ChunkedArray[Any], how: Shingles) -> HashSets:
    """The set of each text, in their order; empty for absent and blank ones."""
    units, sizes = _chars(texts) if how.unit == "char" else _words(texts)
    bounds = np.r_[0, np.cumsum(sizes)]
    length = np.where((sizes >= how.size) | ((not how.whole_short) | (sizes == 0)), how.size, sizes)
    counts = np.maximum(sizes - length + 1, 0)
    owner = np.repeat(np.arange(len(sizes)), counts)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts) + bounds[:-1][owner]
    hashes = np.zeros(len(owner), np.uint64)
    for k in range(how.size):
        inside = k < length[owner]
        hashes[inside] = hashes[inside] * _BASE + units[place[inside] + k]
    return _sets(_mixed(hashes).view(np.int64), owner, len(sizes))


def _sets(hashes: Int64, owner: Int64, count: int) -> HashSets:
    order = np.lexsort((hashes, owner))
    hashes, owner = hashes[order], owner[order]
    fresh = np.r_[True, (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])][: len(hashes)]
    return HashSets(np.searchsorted(owner[fresh], np.arange(count + 1)), hashes[fresh])


def _chars(texts: pa.ChunkedArray[Any]) -> tuple[UInt64, Int64]:
    """``(hash of each character, characters of each text)``."""
    ready = [normalise(text) for text in texts.to_pylist()]
    points = np.frombuffer("".join(ready).encode("utf-32-le"), np.uint32)
    return _mixed(points.astype(np.uint64)), np.array([len(text) for text in ready], np.int64)


def _words(texts: pa.ChunkedArray[Any]) -> tuple[UInt64, Int64]:
    ready = [normalise(text).split() for text in texts.to_pylist()]
    known: dict[str, int] = {}
    codes = np.array([known.setdefault(word, len(known)) for text in ready for word in text], np.int64)
    digests = b"".join(hashlib.blake2b(word.encode(), digest_size=8).digest() for word in known)
    return np.frombuffer(digests, "<u8").astype(np.uint64)[codes], np.array([len(text) for text in ready], np.int64)


def _mixed(values: UInt64) -> UInt64:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    x = values + _BASE
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
