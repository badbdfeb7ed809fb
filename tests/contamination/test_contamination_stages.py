"""Contamination through the pipeline: real media, real decode children, lists that cannot all be read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.planted_lists import BROKEN, NAMES, benchmarks, corpus, lists, recipe

from dataengine import contracts
from dataengine.contamination.questions import contaminated, questions_of
from dataengine.errors import RunError, UsageError
from dataengine.pipeline import open_run, stages, until
from dataengine.progress import StageReport
from dataengine.stage import Run

pytestmark = pytest.mark.xdist_group("spark")  # the test on Spark reads the run of the others

PRESETS: list[Any] = ["keye_pretrain", {"name": "phash", "radius": 4}, "ngram"]


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, its lists, and a run up to the filter; not to be changed."""
    folder = tmp_path_factory.mktemp("planted")
    corpus(folder)
    made(folder, {"benchmarks": benchmarks(lists(folder)), "presets": PRESETS})
    return folder


@pytest.fixture
def copy(planted: Path, tmp_path: Path) -> Path:
    shutil.copytree(planted, tmp_path, dirs_exist_ok=True)
    return tmp_path


def made(folder: Path, block: dict[str, Any] | None, **changes: Any) -> tuple[Run, dict[str, tuple[str, int]]]:
    run, reports = until(recipe(folder, block, **changes), "filter")
    return run, states(reports)


def states(reports: list[StageReport]) -> dict[str, tuple[str, int]]:
    return {r.name: (r.state, r.made) for r in reports}


def names(run: Run) -> dict[str, str]:
    """uri by id."""
    samples = run.table("ingest", "samples", contracts.SAMPLES)
    return dict(zip(samples["id"].to_pylist(), samples["uri"].to_pylist(), strict=True))


def hits(run: Run) -> set[tuple[str, str, str, str, str]]:
    uri = names(run)
    rows = run.table("contamination.find", "hits", contracts.CONTAMINATION).to_pylist()
    return {(uri[r["representative"]], uri[r["id"]], r["preset"], r["benchmark"], r["item"]) for r in rows}


def decisions(run: Run) -> dict[str, tuple[bool, str | None, str | None]]:
    uri = names(run)
    rows = run.table("filter", "decisions", contracts.DECISIONS).to_pylist()
    return {uri[r["id"]]: (r["kept"], r["rule"], r["value"]) for r in rows}


def block(folder: Path, presets: list[Any] = PRESETS) -> dict[str, Any]:
    return {"benchmarks": benchmarks(folder / "lists"), "presets": presets}


def facts(run: Run) -> dict[str, Any]:
    return run.records["contamination.find"].parts["all"].facts


def test_recompressed_pictures_frames_and_questions_are_found_and_take_their_groups_along(planted: Path) -> None:
    run, again = made(planted, block(planted))
    assert set(again.values()) == {("up to date", 0)}
    rocket = ("rocket.jpg", "rocket-small.jpg", "ngram", "asked", "asked.jsonl#row 1")
    expected = {
        rocket,
        ("china.jpg", "china.jpg", "phash", "pictures", "temple.jpg"),
        ("bikes.mp4", "bikes.mp4", "phash", "pictures", "street.png"),
        ("bikes.mp4", "bikes.mp4", "keye_pretrain", "pictures", "street.png"),
        ("coffee.png", "coffee.png", "ngram", "asked", "asked.jsonl#row 1"),
        ("astronaut.png", "astronaut.png", "ngram", "asked", "asked.jsonl#row 3"),
        ("chelsea.png", "chelsea.png", "phash", "embedded", "embedded.parquet#row 1"),
    }
    found = hits(run)
    assert found >= expected
    assert {h for h in found if h not in expected and h[2] != "keye_pretrain"} == set()
    assert {h[0] for h in found} == {h[0] for h in expected}


def test_the_filter_drops_them_before_it_asks_the_policy(planted: Path) -> None:
    run, _ = made(planted, block(planted))
    told = decisions(run)
    assert told["flower.jpg"] == (True, None, None)
    assert told["rocket.jpg"] == (False, "contamination:ngram", "asked/asked.jsonl#row 1")
    assert told["bikes.mp4"] == (False, "contamination:keye_pretrain", "pictures/street.png")
    assert told["chelsea.png"][1] != "wide", "narrow, too, but that is not why"
    assert "rocket-small.jpg" not in told
    funnel = run.records["filter"].parts["all"].facts["funnel"]
    assert [row["rule"] for row in funnel] == [
        *(f"contamination:{p}" for p in ("keye_pretrain", "phash", "ngram")),
        "wide",
    ]
    assert funnel[0]["entering"] == len(told) == 7
    assert [a["remaining"] for a in funnel[:-1]] == [b["entering"] for b in funnel[1:]]
    assert sum(row["dropped"] for row in funnel) == 6


def test_what_cannot_be_read_is_told(planted: Path) -> None:
    run, _ = made(planted, block(planted))
    failures = run.table("contamination.read", "failures", contracts.FAILURES).to_pylist()
    assert {(r["source"], r["uri"]): r["failure"] for r in failures} == {
        **{("pictures", uri): why for uri, why in BROKEN.items()},
        ("asked", "asked.jsonl#row 4"): "bad_row",
        ("embedded", "embedded.parquet#row 2"): "bad_row",
    }
    by_name = {b["name"]: b for b in facts(run)["benchmarks"]}
    assert set(by_name) == NAMES
    pictures, asked, embedded = (by_name[n] for n in ("pictures", "asked", "embedded"))
    assert (pictures["items"], pictures["unreadable"]) == (6, 4)
    assert pictures["not_compared"] == {"keye_pretrain": 4, "phash": 4, "ngram": 6}
    assert pictures["hits"]["phash"] == 2
    assert (asked["items"], asked["unreadable"], asked["hits"]["ngram"]) == (4, 1, 3)
    assert asked["not_compared"] == {"keye_pretrain": 4, "phash": 4, "ngram": 2}
    assert (embedded["items"], embedded["unreadable"], embedded["hits"]["phash"]) == (2, 1, 1)
    assert facts(run)["presets"]["phash"] == {"radius": 4, "samples": 8, "not_compared": 0}
    report = run.table("contamination.find", "report", contracts.CONTAMINATION_REPORT).to_pylist()
    assert {(r["preset"], r["benchmark"]) for r in report} == {
        (p, b) for p in ("keye_pretrain", "phash", "ngram") for b in NAMES
    }


def test_another_list_reads_only_that_list_and_decides_again(copy: Path) -> None:
    recipe_block = block(copy)
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    Image.fromarray(noise).resize((640, 480), Image.Resampling.NEAREST).save(copy / "photos" / "noise.png")
    run, _ = made(copy, recipe_block)
    assert {n for n, told in decisions(run).items() if told[0]} == {"flower.jpg", "noise.png"}
    path = copy / "lists" / "pictures" / "street.png"
    shutil.copy(copy / "photos" / "flower.jpg", path.with_name("rose.jpg"))
    run, again = made(copy, recipe_block)
    assert {again[s] for s in ("ingest", "dedup", "score")} == {("up to date", 0)}
    assert again["contamination.read"] == ("done", 1)
    assert again["contamination.find"] == again["filter"] == ("done", 1)
    assert {n for n, told in decisions(run).items() if told[0]} == {"noise.png"}
    path.with_name("rose.jpg").unlink()
    _, back = made(copy, recipe_block)
    assert set(back.values()) == {("up to date", 0)}


def test_without_a_block_nothing_is_compared_and_nothing_changes(planted: Path) -> None:
    run, told = made(planted, None)
    assert not [s for s in told if s.startswith("contamination")]
    assert {told[s] for s in ("ingest", "dedup", "score")} == {("up to date", 0)}
    assert decisions(run)["china.jpg"] == (True, None, None)
    assert decisions(run)["coffee.png"] == (True, None, None)


@pytest.mark.usefixtures("spark")  # whose session the run joins
def test_spark_finds_and_decides_the_same(planted: Path) -> None:
    there, _ = made(planted, block(planted))
    run = open_run(recipe(planted, block(planted), engine="spark"))
    try:
        run.records = dict(there.records)
        for name, roles in (("contamination.find", ("hits", "report")), ("filter", ("decisions",))):
            [stage] = [s for s in stages(run.recipe) if s.name == name]
            output = stage.compute(run, "spark")  # type: ignore[attr-defined]
            for role in roles:
                [mine], [other] = ([f] for f in (output.files[role], there.records[name].parts["all"].files[role]))
                assert mine.sha256 == other.sha256
    finally:
        run.close()


@pytest.mark.parametrize(
    ("benchmark", "said"),
    [
        ({"type": "folder", "path": "no/such"}, "benchmark `b`: .* does not exist"),
        ({"type": "folder", "path": "EMPTY"}, "benchmark `b`: .* holds no files"),
        ({"type": "table", "path": "no/such.jsonl"}, "benchmark `b`: no file matches"),
        ({"type": "table", "path": "EMPTY/../photos/flower.jpg"}, "benchmark.*is not a table; known: .jsonl"),
        ({"type": "webdataset", "path": "no/*.tar"}, "benchmark `b`: no file matches"),
    ],
)
def test_a_list_that_is_not_there_is_told_before_anything_runs(
    planted: Path, tmp_path: Path, benchmark: dict[str, str], said: str
) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(planted / "photos" / "flower.jpg", tmp_path / "photos")
    (tmp_path / "EMPTY").mkdir()
    path = benchmark["path"].replace("EMPTY", str(tmp_path / "EMPTY"))
    asked = recipe(tmp_path, {"benchmarks": [{"name": "b", **benchmark, "path": path}]})
    with pytest.raises(UsageError, match=said):
        stages(asked)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"benchmarks": []}, "at least 1 item"),
        ({"benchmarks": [{"name": "b", "type": "folder", "path": "p"}], "presets": []}, "at least 1 item"),
        ({"benchmarks": [{"name": "b", "type": "folder", "path": "p"}] * 2}, "two benchmarks have the name `b`"),
        (
            {
                "benchmarks": [{"name": "b", "type": "folder", "path": "p"}],
                "presets": ["ngram", {"name": "ngram", "n": 8}],
            },
            "two presets",
        ),
        (
            {"benchmarks": [{"name": "b", "type": "folder", "path": "p"}], "presets": [{"name": "phash", "radius": 9}]},
            "less than or equal to 8",
        ),
    ],
)
def test_mistakes_in_the_block(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        recipe(tmp_path, given)


def test_a_list_that_protects_nothing_stops_the_run(copy: Path) -> None:
    shutil.rmtree(copy / "lists" / "pictures")
    (copy / "lists" / "pictures").mkdir()
    (copy / "lists" / "pictures" / "a.jpg").write_text("no picture")
    with pytest.raises(RunError, match=r"benchmark `pictures` \(1 items\) by any preset"):
        made(copy, block(copy))


def test_questions_can_be_asked_about(planted: Path) -> None:
    run, _ = made(planted, block(planted))
    asked = [
        "What is this?",
        "Tell me: how many red cubes ARE to the left of the small metal sphere that is behind?",
        "",
    ]
    found = contaminated(asked, run)
    assert found[0] is None and found[2] is None
    assert found[1] is not None and (found[1].benchmark, found[1].item) == ("asked", "asked.jsonl#row 1")
    assert contaminated(asked, questions_of(run)) == found
    assert contaminated([], run) == []
    without, _ = made(planted, None)
    assert contaminated(asked, without) == [None] * 3
