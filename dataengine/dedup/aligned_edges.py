"""Pairs of pictures with distant pHashes, which alignment may confirm as copies: crops, frames, captions.

Finds cropped, framed and captioned copies without any model: candidates are all pairs up to ``reach`` bits apart, exactly,
and each is confirmed on thumbnails (confirm.py). Up to 10 bits chance pairs are rare, so these are held to less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataengine.dedup.edges import HASHES, between_values, hashed
from dataengine.dedup.hash_pairs import value_pairs
from dataengine.dedup.kinds import ALIGNED
from dataengine.dedup.search_result import Known, SearchResult

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine


def candidates(engine: TableEngine, unique: Frame, radius: int, reach: int, known: Known | None = None) -> SearchResult:
    """Pictures whose pHashes differ in more than ``radius`` and at most ``reach`` bits (0..12). Pairs that are ``known``
    (HASHES) are not looked for again."""

    def search(values: Frame) -> Frame:
        return value_pairs(engine, values, reach)

    near = between_values(engine, ALIGNED, *hashed(engine, unique), search, HASHES, known)
    far = engine.sql("SELECT * FROM e WHERE distance > ?", {"e": near.edges}, (float(radius),))
    return SearchResult(far, searched=near.searched)
