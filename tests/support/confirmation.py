"""Near pairs confirmed as the stages do it, in one process."""

from __future__ import annotations

import tempfile

import pyarrow as pa

from dataengine.dedup import thumbnails
from dataengine.dedup.confirmation_cache import PLACED, VERDICTS, confirmed, judged, split
from dataengine.dedup.search_result import Searched, SearchResult
from dataengine.storage.store import Store
from dataengine.table_engine import Frame, TableEngine


def confirm(engine: TableEngine, near: Frame, kind: str, prints: pa.Table, known: Frame | None) -> SearchResult:
    """Confirmed edges of ``near`` by the thumbnails of ``prints`` (contracts.FINGERPRINTS), and all verdicts."""
    data, places = thumbnails.packed(prints)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        store.put("pack", data)
        located = engine.frame(places.set_column(1, "pack", pa.array(["pack"] * len(places))))
        known, fresh = split(engine, near, known, kind)
        rows = engine.collect(engine.sql(f"SELECT {PLACED}", {"c": fresh, "x": located, "y": located}))
        both = {"k": known, "n": engine.frame(judged(store, rows))}
    verdicts = engine.sql("SELECT * FROM k UNION ALL SELECT * FROM n", both)
    return SearchResult(
        confirmed(engine, near, verdicts), searched={"verdicts": Searched(verdicts, VERDICTS, ("a", "b"))}
    )
