"""What was asked of servers adds up over clients, and a damaged log is left out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dataengine.models.serving.usage import Usage, record, recorded
from dataengine.storage.store import Store


def test_clients_add_up(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record(store, "r/a", Usage(3, 2, 30, 12, Counter({"timeout": 1})))
    record(store, "r/a", Usage(1, 0, 10, 4, Counter({"timeout": 1, "bad_reply": 2})))
    record(store, "r/b", Usage(cached=5))
    record(store, "other/a", Usage(9))
    record(store, "r/a", Usage())
    store.put("usage/r/a/damaged.json", b'{"requests": 1')
    store.put("usage/r/a/other.json", b'{"requests": 1, "unknown": 2}')
    totals = recorded(store, "r")
    assert totals == {"a": Usage(4, 2, 40, 16, Counter({"timeout": 2, "bad_reply": 2})), "b": Usage(cached=5)}
    assert len(list(tmp_path.glob("usage/r/a/*"))) == 4
