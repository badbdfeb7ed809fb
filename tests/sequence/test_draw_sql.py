"""What the table engine tells of a set's documents: parts that no document fills alone, and the last by rank that is used."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from dataengine.engines.duckdb import DuckDBEngine
from dataengine.sequence import draw_stage, mix_stage
from dataengine.sequence.encoded import DOCUMENTS, left_out
from dataengine.sequence.occurrences import OCCURRENCES
from dataengine.storage.workspace import Workspace


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Any]:
    with DuckDBEngine(1) as engine:
        yield SimpleNamespace(workspace=Workspace(str(tmp_path)), engine=engine)


def test_copies_of_one_document_fill_parts_of_their_own(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_stage, "_ROWS", 6)
    ids = ["0" * 32] * 20 + [f"{n:x}" * 32 for n in range(1, 12)]
    random.Random(0).shuffle(ids)
    rows = [left_out(id_, "books", "failed", f"{n:03d}") for n, id_ in enumerate(ids)]
    file = run.workspace.write_table("documents.parquet", pa.Table.from_pylist(rows, DOCUMENTS))
    parts = {name: place.read(run.workspace.store) for name, place in draw_stage._by_id(run, [file])}
    assert list(parts)[:5] == ["0", "0-000001", "0-000002", "0-000003", "1"] and len(parts) == 15
    assert max(map(len, parts.values())) == 6
    copies = [row for part in parts.values() for row in part.to_pylist() if row["id"] == "0" * 32]
    assert [row["n"] for row in copies] == list(range(1, 21))
    assert [row["reason"] for row in copies] == sorted(row["reason"] for row in copies)


def test_as_many_are_used_once_more_as_the_chance_says(run: Any) -> None:
    draw = random.Random(1)
    rows: list[dict[str, Any]] = []
    expected: dict[tuple[str, int], tuple[str, str]] = {}
    plain: dict[str, Any] = dict.fromkeys(("modality", "pack", "cell"), "") | {"media": []}
    plain |= dict.fromkeys(("rows", "visual", "offset", "occurrence", "start", "stop", "length", "bucket"), 0)
    for source in "ab":
        for chance in (1, 250, 499, 500, 501, 999):
            ranks = [f"{draw.getrandbits(128):032x}" for _ in range(draw.choice([0, 1, 2, 3, 7, 40]))]
            used = (len(ranks) * chance + 500) // 1000
            if used:
                expected[source, chance] = sorted(ranks)[used - 1], f"id of {sorted(ranks)[used - 1]}"
            for piece in (0, 1):
                rows += [
                    plain
                    | {
                        "source": source,
                        "id": f"id of {rank}",
                        "place": rank,
                        "piece": piece,
                        "chance": chance,
                        "rank": rank,
                    }
                    for rank in ranks
                ]
    draw.shuffle(rows)
    file = run.workspace.write_table("occurrences.parquet", pa.Table.from_pylist(rows, OCCURRENCES))
    assert mix_stage._Rows(run, [file]).lasts() == expected and len(expected) > 6
