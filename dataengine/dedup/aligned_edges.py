"""Near-duplicate edges of pictures with distant pHashes, confirmed by template matching: crops, frames, captions.

Finds cropped, framed and captioned copies without any model: candidates are all pairs up to ``reach`` bits apart, exactly,
and each is confirmed on thumbnails (confirm.py). Up to 10 bits chance pairs are rare, so these are held to less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataengine.dedup.confirmation_cache import VERDICTS, confirmed
from dataengine.dedup.edges import HASHES, between_values, hashed
from dataengine.dedup.hash_pairs import value_pairs
from dataengine.dedup.kinds import ALIGNED
from dataengine.dedup.search_result import Known, SearchResult

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

#: What is handed on to a later search.
JUDGED = {**HASHES, "verdicts": VERDICTS}


def aligned(
    engine: TableEngine, unique: Frame, prints: Frame, radius: int, reach: int, known: Known | None = None
) -> SearchResult:
    """Pictures whose pHashes differ in more than ``radius`` and at most ``reach`` bits (0..12) and which are confirmed as copies.
    Pairs that are ``known`` are neither looked for nor judged again."""

    def search(values: Frame) -> Frame:
        return value_pairs(engine, values, reach)

    candidates = between_values(engine, ALIGNED, *hashed(engine, unique), search, HASHES, known)
    far = engine.kept(engine.sql("SELECT * FROM e WHERE distance > ?", {"e": candidates.edges}, (float(radius),)))
    edges, verdicts = confirmed(engine, far, prints, known, bits=True)
    return SearchResult(edges, searched={**candidates.searched, "verdicts": verdicts})
