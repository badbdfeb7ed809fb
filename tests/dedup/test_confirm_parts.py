"""Confirming by parts: tiles that any worker may judge, with the verdicts and bytes of judging all at once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from dataengine.contracts import FINGERPRINTS
from dataengine.dedup import confirm_stage, confirmation_cache, thumbnails
from dataengine.dedup.confirm import confirm
from dataengine.dedup.confirm_stage import ConfirmWorker, DedupConfirm, digits_for, tiled
from dataengine.dedup.confirmation_cache import PAIRS, VERDICTS, judged
from dataengine.dedup.thumbnails import PLACES, packed
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.media.image.fingerprint import fingerprint_of
from dataengine.media.measures import SHAPE
from dataengine.stage import Part
from dataengine.storage.workspace import File, Output, Record, Workspace
from dataengine.table_engine import TableEngine

CHINA = Image.fromarray(load_sample_image("china.jpg"))


def fingerprints() -> pa.Table:
    """Six crops of a photo, an edited copy of each, one without a thumbnail."""
    crops = [CHINA.crop((60 * n, 20, 60 * n + 300, 320)) for n in range(6)]
    shown = [*crops, *(ImageOps.expand(c, 20, "white") for c in crops)]
    rows: list[dict[str, Any]] = [
        {"id": hashlib.sha256(bytes([n])).hexdigest()[:32], **fingerprint_of(np.asarray(p), 1)}
        for n, p in enumerate(shown)
    ]
    rows.append({"id": "f" * 32, "pixels": None, "thumbnail": None})
    return pa.Table.from_pylist(sorted(rows, key=lambda r: str(r["id"])), FINGERPRINTS)


def pairs_of(ids: list[str]) -> pa.Table:
    both = [(a, b) for n, a in enumerate(ids) for b in ids[n + 1 :]]
    aligned = [{"a": a, "b": b, "kind": "aligned", "bits": float((n % 3) + 9)} for n, (a, b) in enumerate(both)]
    return pa.Table.from_pylist(aligned + [{"a": a, "b": b, "kind": "semantic"} for a, b in both[::2]], PAIRS)


class _Run:
    """What the stage asks of a run."""

    def __init__(self, workspace: Workspace, engine: TableEngine, records: dict[str, Record]) -> None:
        self.workspace, self.engine, self.records = workspace, engine, records


def run_of(folder: Path, engine: TableEngine) -> _Run:
    """Committed candidates and fingerprints, these in two files."""
    workspace, prints = Workspace(str(folder)), fingerprints()
    parts = {}
    for n, some in enumerate((prints.slice(0, 5), prints.slice(5))):
        data, places = packed(some)
        workspace.store.put(f"{n}.bin", data)
        named = places.set_column(1, "pack", pa.array([f"{n}.bin"] * len(places)))
        parts[str(n)] = Output({"places": workspace.write_table(f"{n}.parquet", named, PLACES)})
    pairs = pairs_of(prints["id"].to_pylist())
    fresh = {
        f"fresh/{kind}": workspace.write_table(f"{kind}.parquet", pairs.filter(pa.compute.equal(pairs["kind"], kind)))
        for kind in ("aligned", "semantic")
    }
    records = {"dedup.candidates": Record("", "", {"all": Output(fresh)}), "dedup.fingerprint": Record("", "", parts)}
    return _Run(workspace, engine, records)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirm_stage, "PART_PAIRS", 5)
    monkeypatch.setattr(DedupConfirm, "settings", lambda self, recipe: None)


def planned(run: Any) -> list[Part]:
    run.recipe = None
    return DedupConfirm().plan(run)


@pytest.mark.usefixtures("small")
def test_the_parts_together_give_the_verdicts_of_all_at_once(duck: DuckDBEngine, tmp_path: Path) -> None:
    run = run_of(tmp_path, duck)
    parts, worker = planned(run), ConfirmWorker(run.workspace)
    assert len(parts) > 20 and planned(run) == parts and DedupConfirm().is_planned(run)
    outputs = {part.name: worker.process(part) for part in parts}
    assert outputs == {part.name: worker.process(part) for part in reversed(parts)}, "whatever the order"
    prints = fingerprints()
    thumbs = prints.filter(prints["thumbnail"].is_valid())
    shown = np.stack([np.frombuffer(t, np.uint8).reshape(SHAPE) for t in thumbs["thumbnail"].to_pylist()])
    places = {id_: n for n, id_ in enumerate(thumbs["id"].to_pylist())}
    for kind in ("aligned", "semantic"):
        rows = [r for r in pairs_of(prints["id"].to_pylist()).to_pylist() if r["kind"] == kind and r["b"] != "f" * 32]
        bits = np.array([np.nan if r["bits"] is None else r["bits"] for r in rows])
        alike = confirm(shown, np.array([(places[r["a"]], places[r["b"]]) for r in rows]), bits)
        files = [f for _, out in sorted(outputs.items()) for role, f in out.files.items() if role == f"verdicts/{kind}"]
        made = run.workspace.read_table(files, VERDICTS).sort_by([("a", "ascending"), ("b", "ascending")])
        expected = sorted((r["a"], r["b"], bool(v)) for r, v in zip(rows, alike, strict=True))
        assert [tuple(r.values()) for r in made.to_pylist()] == expected and 4 < alike.sum() < len(alike)


@pytest.mark.usefixtures("small")
def test_spark_plans_the_same_parts(duck: DuckDBEngine, spark: SparkEngine, tmp_path: Path) -> None:
    plans = [planned(run_of(tmp_path / name, engine)) for name, engine in (("duck", duck), ("spark", spark))]
    assert [(p.name, p.key) for p in plans[0]] == [(p.name, p.key) for p in plans[1]]
    rows = [
        [p.spec.read(Workspace(str(tmp_path / name)).store) for p in plan]
        for name, plan in zip(("duck", "spark"), plans, strict=True)
    ]
    assert rows[0] == rows[1]


def test_nothing_fresh_has_no_parts_and_makes_no_plan(duck: DuckDBEngine, tmp_path: Path) -> None:
    run = run_of(tmp_path, duck)
    run.records["dedup.candidates"] = Record("", "", {"all": Output({"fresh/aligned": File("none", "", 0, 0)})})
    assert planned(run) == [] and DedupConfirm().is_planned(run) and not list(run.workspace.store.list("plans"))


def test_few_thumbnails_are_held_at_once(monkeypatch: pytest.MonkeyPatch, duck: DuckDBEngine, tmp_path: Path) -> None:
    run = run_of(tmp_path, duck)
    monkeypatch.setattr(DedupConfirm, "settings", lambda self, recipe: None)
    rows = [part.spec.read(run.workspace.store) for part in planned(run)]
    assert sum(map(len, rows)) > 90
    whole = [judged(run.workspace.store, r) for r in rows]
    monkeypatch.setattr(confirmation_cache, "_HELD", 7)
    held: list[int] = []
    read = thumbnails.read
    monkeypatch.setattr(thumbnails, "read", lambda store, places: held.append(len(places)) or read(store, places))
    assert [judged(run.workspace.store, r) for r in rows] == whole and max(held) <= 14


@pytest.mark.parametrize(
    ("pairs", "digits"),
    [(0, (1, 0)), (131_072, (1, 0)), (131_073, (1, 1)), (200_000, (1, 1)), (10_000_000, (2, 1)), (10**12, (3, 3))],
)
def test_more_pairs_make_more_tiles(pairs: int, digits: tuple[int, int]) -> None:
    assert digits_for(pairs) == digits


def test_a_tile_is_named_by_both_ids() -> None:
    table = pa.Table.from_pylist([{"a": "12ab", "b": "9f00", "kind": "semantic", "bits": None}], PAIRS)
    names = [tiled(digits, table)["part"][0].as_py() for digits in ((0, 0), (1, 0), (2, 1))]
    assert names == ["semantic--", "semantic-1-", "semantic-12-9"]


def test_a_view_that_is_the_first_takes_no_place_of_its_own(tmp_path: Path) -> None:
    store = Workspace(str(tmp_path)).store
    shown = [CHINA, ImageOps.expand(CHINA, 30, "white")]
    rows = [{"id": str(n), **fingerprint_of(np.asarray(p), 1)} for n, p in enumerate(shown)]
    data, places = packed(pa.Table.from_pylist([*rows, {"id": "2"}], FINGERPRINTS))
    assert places["size"].to_pylist() == [65 * 64, 2 * 65 * 64] and len(data) == 3 * 65 * 64
    store.put("pack", data)
    named = places.set_column(1, "pack", pa.array(["pack", "pack"]))
    assert [p.tobytes() for p in thumbnails.read(store, named)] == [row["thumbnail"] for row in rows]
