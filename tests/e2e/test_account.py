"""report.html, ``explain`` and ``cost`` of a whole run, as a user asks for them."""

from __future__ import annotations

import base64
import io
import json
import re
from contextlib import closing
from pathlib import Path

from PIL import Image
from support.command import dataengine
from support.small_corpus import Setup, ledger

from dataengine.browse.explain import explain
from dataengine.browse.session import of_run, opened
from dataengine.browse.view_engine import ViewEngine
from dataengine.config import recipe
from dataengine.pipeline import committed
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
    assert "<q>" in text and "<dt>blur</dt>" in text, "captions and scores of kept samples"
    assert text.count('class="chart"') >= 8 and 'class="mark"' in text, "a histogram a score, with thresholds"


def test_explain_tells_the_fate_by_release_and_by_recipe(base: Setup) -> None:
    rows = ledger(base.release)
    for outcome in ("kept", "duplicate", "filtered", "failed"):
        row = next(r for r in rows if r["outcome"] == outcome)
        done = dataengine("explain", str(base.release), row["input_id"])
        assert re.search(rf"outcome +{outcome}", done.stdout) and row["uri"] in done.stdout
        assert (row["rule"] or row["failure"] or row["representative"] or row["id"]) in done.stdout
    row = next(r for r in rows if r["outcome"] == "kept")
    done = dataengine("explain", str(base.recipe), row["input_id"])
    assert re.search(r"shard +shards/train-[\w-]+\.tar, sample \d+ of it", done.stdout) and re.search(
        r"blur +[\d.]+", done.stdout
    )
    wrong = dataengine("explain", str(base.release), "no-such-input", ok=False)
    assert wrong.returncode == 2 and "no input matches no-such-input" in wrong.stderr


def test_explain_starts_no_table_engine_of_the_run(base: Setup) -> None:
    finished = committed(recipe.load(base.recipe))
    row = next(r for r in ledger(base.release) if r["outcome"] == "kept")

    def opened() -> TableEngine:
        raise AssertionError("a cluster is not asked for one input")

    with closing(Run(finished.recipe, opened)) as run, ViewEngine() as engine:
        run.records = finished.records
        [lines] = explain(of_run(engine, run), row["input_id"]).inputs
    assert {"shard", "blur", "captions", "file"} <= set(dict(lines))


def test_every_input_is_explained_by_each_of_its_names(base: Setup) -> None:
    """Uri, ends of it, ids, path on disk, member of its shard: the input is the answer, or one of the candidates."""
    rows = ledger(base.release)
    with opened(str(base.recipe)) as session, opened(str(base.release)) as alone:
        for row in rows:
            uri, id_ = row["uri"], row["id"]
            file = uri.replace("captions.jsonl#", "").replace("00000.tar#", "")
            whole = [uri, f"{row['source']}/{uri}", row["input_id"]]
            parts = [uri.rpartition("/")[2], uri[len(uri) // 2 :], f"{base.corpus}/{row['source']}/{file}"]
            ids = [id_, id_[:8], f"{id_}.jpg", f"/x/{id_}.codes.npy"] if id_ else []
            for where in (session, alone):
                for name in whole:
                    assert [dict(lines)["input id"] for lines in explain(where, name).inputs] == [row["input_id"]], name
                for name in [*parts, *ids]:
                    answer = explain(where, name)
                    matched = {dict(lines)["input id"] for lines in answer.inputs} | {c[3] for c in answer.candidates}
                    assert row["input_id"] in matched, name
            [lines] = explain(session, row["input_id"]).inputs
            words = dict(lines)
            assert words["outcome"].startswith(row["outcome"]) and words["file"].startswith(
                ("row", "member", base.corpus)
            )
            if row["outcome"] == "filtered":
                assert re.match(rf"{row['rule']}|width|height", words["fails by"]), words["fails by"]
            if row["outcome"] == "kept":
                assert f"{id_}.json" in words["members"] and id_ in words["members"]


def test_explain_reads_a_run_of_spark_without_spark(base: Setup, tmp_path: Path) -> None:
    row = next(r for r in ledger(base.release) if r["outcome"] == "kept")
    on_spark = Setup(tmp_path, base.corpus, base.workspace, {"engine": "spark"}).write()
    with opened(str(base.recipe)) as one, opened(str(on_spark.recipe)) as other:
        assert other.needed().recipe.engine == "spark"
        assert explain(one, row["uri"]).inputs == explain(other, row["uri"]).inputs
    done = dataengine("explain", str(on_spark.recipe), row["input_id"], "--json")
    assert json.loads(done.stdout)["inputs"][0]["sample"] == row["id"]


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
