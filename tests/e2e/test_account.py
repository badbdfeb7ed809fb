"""report.html, ``explain`` and ``cost`` of a whole run, as a user asks for them."""

from __future__ import annotations

import base64
import io
import re
from contextlib import closing
from pathlib import Path
from typing import Any

from PIL import Image
from support.command import dataengine
from support.small_corpus import Setup, ledger

from dataengine.config import recipe
from dataengine.engines.spark import SparkEngine
from dataengine.pipeline import committed
from dataengine.release.explain import explain
from dataengine.release.reader import open_release
from dataengine.stage import Run
from dataengine.storage.store import Store
from dataengine.table_engine import TableEngine
from dataengine.timings import costs


def test_the_report_shows_kept_samples_and_their_duplicates_only(base: Setup) -> None:
    text = (base.release / "report.html").read_text()
    rows = ledger(base.release)
    kept = {r["id"] for r in rows if r["outcome"] == "kept"}
    alike = {r["id"] for r in rows if r["outcome"] == "duplicate" and r["representative"] in kept}
    figures = re.findall(r'<figure title="(\w+)"><img alt="" src="data:image/jpeg;base64,([^"]+)"', text)
    shown = {id_ for id_, _ in figures}
    assert shown <= kept | alike and len(shown & kept) >= 8 and shown & (alike - kept)
    for _, data in figures:
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert max(picture.size) == 160 and not picture.getexif()
    assert len(text) < 1 << 20


def test_explain_tells_the_fate_by_release_and_by_recipe(base: Setup) -> None:
    rows = ledger(base.release)
    for outcome in ("kept", "duplicate", "filtered", "failed"):
        row = next(r for r in rows if r["outcome"] == outcome)
        done = dataengine("explain", str(base.release), row["input_id"])
        assert re.search(rf"outcome +{outcome}", done.stdout) and row["uri"] in done.stdout
        assert (row["rule"] or row["failure"] or row["representative"] or row["id"]) in done.stdout
    row = next(r for r in rows if r["outcome"] == "kept")
    done = dataengine("explain", str(base.recipe), row["input_id"])
    assert re.search(r"shard +train-\w+-\d+, sample \d+ of it", done.stdout) and re.search(r"blur +[\d.]+", done.stdout)
    wrong = dataengine("explain", str(base.release), "no-such-input", ok=False)
    assert wrong.returncode == 2 and "no input matches no-such-input" in wrong.stderr


def test_explain_starts_no_table_engine(base: Setup) -> None:
    finished = committed(recipe.load(base.recipe))
    release = open_release(str(base.release))
    row = next(r for r in ledger(base.release) if r["outcome"] == "kept")

    def opened() -> TableEngine:
        raise AssertionError("no table is joined or collected for one input")

    with closing(Run(finished.recipe, opened)) as run:
        run.records = finished.records
        [lines] = explain(release, row["input_id"], run)
    assert {"shard", "blur"} <= set(dict(lines))


def test_explain_reads_the_columns_of_a_run_on_either_engine(base: Setup, tmp_path: Path, spark: SparkEngine) -> None:
    release = open_release(str(base.release))
    ids = sorted({r["input_id"] for r in ledger(base.release) if r["outcome"] in ("kept", "filtered", "failed")})[:4]
    answers: dict[str, Any] = {}
    for engine in ("duckdb", "spark"):
        with closing(committed(recipe.load(base.recipe, engine=engine))) as run:
            answers[engine] = [explain(release, id_, run) for id_ in ids]
            assert run.recipe.engine == engine
    assert answers["spark"] == answers["duckdb"]
    assert any("blur" in dict(lines) for [lines] in answers["spark"])
    on_spark = Setup(tmp_path, base.corpus, base.workspace, {"engine": "spark"}).write()
    done = dataengine("explain", str(on_spark.recipe), ids[0])
    assert all(value in done.stdout for _, value in answers["spark"][0][0][:3])


def test_cost_adds_up_runs_and_changes_no_byte_of_the_release(base: Setup, copy: Setup) -> None:
    store = Store(copy.workspace)
    before = costs(store, "small")
    assert before["ingest"].runs == 1 and before["ingest"].seconds > 0 and before["ingest"].parts > 0
    assert before["ingest"].decoded > 0 and before["ingest"].decode_cpu > 0 and before["ingest"].cpu > 0
    (copy.release / "manifest.json").unlink()
    copy.run()
    after = costs(store, "small")
    assert (after["release"].runs, after["ingest"]) == (2, before["ingest"])
    assert (copy.release / "manifest.json").read_bytes() == (base.release / "manifest.json").read_bytes()
    done = dataengine("cost", str(copy.recipe))
    assert re.search(r"release +[\d.]+ +[\d.]+ +2 +2 +[\d,]+", done.stdout), done.stdout
    assert re.search(r"total +[\d.,]+", done.stdout)
    assert re.search(rf"ingest +[\d.]+ +[\d.]+ +{before['ingest'].decoded} +[\d.]+", done.stdout), done.stdout


def test_cost_of_what_has_not_run(base: Setup, tmp_path: Path) -> None:
    setup = Setup(tmp_path, base.corpus, str(tmp_path / "ws")).write()
    done = dataengine("cost", str(setup.recipe), ok=False)
    assert done.returncode == 2 and "no stage of" in done.stderr
