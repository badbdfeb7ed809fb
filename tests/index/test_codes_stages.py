"""Codes of an index's vectors: columns, quality, what has none, the lock, and the same files whoever makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engine_fixtures import Parted
from support.indexed import CODES, clustered, make, run_of

from dataengine.config.lock import LockFile
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.errors import RunError, UsageError
from dataengine.index.codes import fit_stage
from dataengine.index.codes.codebooks import from_bytes
from dataengine.index.codes.encode_stage import CodesEncode
from dataengine.index.codes.stage import track
from dataengine.index.codes.text import to_text
from dataengine.policy.annotated import known_columns
from dataengine.stage import Run

SMALL = {"levels": 2, "size": 8, "iterations": 5, "vq": {"items": 20, "nearest": 3}}


def rows_of(run: Run) -> list[dict[str, Any]]:
    return run.table("index.codes", "table", track(run.recipe).schema).to_pylist()


def coded(folder: Path, vectors: Any = None, engine: Any = None, **codes: Any) -> Run:
    vectors = clustered(90) if vectors is None else vectors
    return make(run_of(folder, vectors, {"codes": {**SMALL, **codes}}, engine=engine), CODES)


@pytest.mark.parametrize("engine", [DuckDBEngine(threads=1), Parted(3, 1)], ids=["one process", "parted"])
def test_every_representative_has_a_row_and_columns_say_what_codes_are(tmp_path: Path, engine: Any) -> None:
    vectors = clustered(90)
    vectors[5], vectors[40, 2] = 0, np.nan
    run = coded(tmp_path, vectors, engine)
    rows = rows_of(run)
    assert len(rows) == 90 == len({row["id"] for row in rows})
    without = [row for row in rows if row["rq"] is None]
    assert sorted(row["failure"] for row in without) == ["not_finite", "zero"]
    for row in rows:
        if row["rq"] is not None:
            assert [row["rq_1"], row["rq_2"]] == row["rq"] and row["semantic_id"] == to_text(row["rq"])
            assert len(row["vq"]) == 3 and min(row["vq"]) >= 1 and 0 <= row["rq_error"] < 1
            assert row["rq_shared"] == sum(other["rq"] == row["rq"] for other in rows)
    quality = run.records["index.codes"].parts["all"].facts["quality"]
    shared = sum(row["rq_shared"] > 1 for row in rows if row["rq"])
    assert quality["collision_rate"] == pytest.approx(shared / 88, abs=1e-4)
    assert quality["levels"][0]["size"] == 8 and quality["levels"][0]["perplexity"] <= 8
    assert quality["levels"][0]["used"] == len({row["rq_1"] for row in rows if row["rq"]}) / 8
    assert quality["error"] == pytest.approx(np.mean([row["rq_error"] for row in rows if row["rq"]]), abs=1e-3)
    assert {"rq_1", "rq_2", "rq_error", "rq_shared"} <= known_columns(run.recipe).keys()


def test_the_same_bytes_in_any_order_and_from_any_worker(tmp_path: Path) -> None:
    one = coded(tmp_path / "a")
    other = make(run_of(tmp_path / "b", clustered(90), {"codes": SMALL}), ("index.codebooks",))
    stage, parts = CodesEncode(), {}
    for part in reversed(stage.plan(other)):
        worker = stage.worker(other)
        worker.setup()
        parts[part.name] = worker.process(part)
    assert {n: out.files for n, out in parts.items()} == {
        n: o.files for n, o in one.records["index.encode"].parts.items()
    }
    again = coded(tmp_path / "c")
    assert [again.records[name].digest for name in CODES] == [one.records[name].digest for name in CODES]


def test_codebooks_are_a_decision_that_new_samples_do_not_move(tmp_path: Path) -> None:
    place = str(tmp_path / "r.lock")
    before = run_of(tmp_path, clustered(90), {"codes": SMALL})
    before.lock = LockFile.open(place)
    make(before, CODES)
    assert "codebooks" in (tmp_path / "r.lock").read_text()
    more = run_of(tmp_path, np.concatenate([clustered(90), clustered(30, seed=9)]), {"codes": SMALL})
    more.lock = LockFile.open(place)
    make(more, CODES)
    fitted = [run.records["index.codebooks"].parts["all"].facts["id"] for run in (before, more)]
    assert fitted[0] == fitted[1] and len(rows_of(more)) == 120
    known = {row["id"]: row["rq"] for row in rows_of(more)}
    assert all(known[row["id"]] == row["rq"] for row in rows_of(before))


def test_other_settings_or_refit_decide_anew_and_the_lock_says_why(tmp_path: Path) -> None:
    run = run_of(tmp_path, clustered(90), {"codes": SMALL})
    stage = fit_stage.CodebooksFit()
    assert "names no codebooks" in stage.unlocked(run)
    make(run, CODES)
    assert stage.unlocked(run) == "" and stage.locked(run) is not None
    for change, why in (({"size": 6}, "other settings"), ({"refit": True}, "`index.codes.refit` is set")):
        other = run_of(tmp_path, clustered(90), {"codes": {**SMALL, **change}})
        other.lock = run.lock
        assert why in stage.unlocked(other) and stage.locked(other) is None


def test_locked_codebooks_that_are_not_here_are_not_replaced_in_silence(tmp_path: Path) -> None:
    run = coded(tmp_path / "a")
    elsewhere = run_of(tmp_path / "b", clustered(90, seed=3), {"codes": SMALL})
    elsewhere.lock = run.lock
    with pytest.raises(RunError, match=r"not in this workspace.*Copy that folder"):
        make(elsewhere, CODES)


def test_a_killed_fit_goes_on_with_its_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = coded(tmp_path / "a")
    calls, real = list[int](), fit_stage.residual.lloyd

    def lloyd(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(fit_stage.residual, "lloyd", lloyd)
    with pytest.raises(KeyboardInterrupt):
        coded(tmp_path / "b")
    resumed = coded(tmp_path / "b")
    assert len(calls) == 3, "the first level is not fitted again"
    assert resumed.records["index.codebooks"].digest == whole.records["index.codebooks"].digest
    assert not list((tmp_path / "b/ws/index/codebooks/unfinished").rglob("*.npz"))


def test_codebooks_have_a_card_and_their_items(tmp_path: Path) -> None:
    run = coded(tmp_path)
    files = run.records["index.codebooks"].parts["all"].files
    card = run.workspace.store.get(files["card"].key).decode()
    assert "2, with 8, 8 codes" in card and "of m1" in card and "20 items" in card
    made = from_bytes(run.workspace.store.get(files["codebooks"].key))
    assert made.id == run.records["index.codebooks"].parts["all"].facts["id"]
    assert len(made.item_ids) == 20 and set(made.item_ids) <= {row["id"] for row in rows_of(run)}


def test_vectors_of_two_models_are_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path, clustered(30), {"codes": SMALL}, models=["clip", "siglip", "clip"])
    with pytest.raises(RunError, match=r"of 2 models \(clip, siglip\)"):
        make(run, CODES)


@pytest.mark.parametrize(
    ("count", "message"), [(0, "no vectors to fit codebooks on"), (5, "5 vectors are too few for 8 codes")]
)
def test_too_few_vectors(tmp_path: Path, count: int, message: str) -> None:
    vectors = np.concatenate([clustered(count), np.zeros((4, 16), np.float32)])
    with pytest.raises(RunError, match=message):
        coded(tmp_path, vectors)


def test_more_levels_than_letters(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="semantic ids have 26 at most"):
        coded(tmp_path, levels=27)


def test_presets() -> None:
    from dataengine.config.index_codes import CodesConfig

    assert CodesConfig(preset="qarm").shape == (6, 8192) and CodesConfig().shape == (3, 8192)
    assert CodesConfig(preset="qarm", size=256).shape == (6, 256)
