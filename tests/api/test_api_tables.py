"""Tables of a run: those of the run itself, lazily, by name and by SQL, and as other libraries take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import dataengine
from dataengine.api.tables import Tables
from dataengine.browse.view_engine import ViewEngine
from dataengine.testing import InProcess, picture, write_corpus, write_recipe

pytestmark = pytest.mark.slow


def run(folder: Path, **options: Any) -> dataengine.Run:
    return dataengine.run(folder / "recipe.yaml", progress=False, record_engine=InProcess(), **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of six inputs that is scored, but has no decisions yet."""
    folder = tmp_path_factory.mktemp("tables")
    write_corpus(folder / "in", images=4)
    Image.fromarray(picture(0, 640, 480)).save(folder / "in" / "larger.jpg")
    (folder / "in" / "broken.jpg").write_bytes(b"no picture")
    write_recipe(folder)
    for stage in ("ingest", "dedup", "score"):
        run(folder, only=stage)
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> dataengine.Run:
    return run(folder)


def test_of_a_run_that_is_not_at_its_end(folder: Path) -> None:
    early = run(folder, only="score")
    outcomes = {row["uri"]: row["outcome"] for row in early.ledger().to_pylist()}
    assert outcomes["broken.jpg"] == "failed" and outcomes["image-000.jpg"] == "duplicate"
    assert [outcomes[name] for name in ("larger.jpg", "image-001.jpg")] == ["pending"] * 2
    assert early.scores().num_rows == 4 and "decisions" not in early.tables()
    with pytest.raises(dataengine.UsageError, match="the run of test has no table `decisions`, or not yet; "):
        early.decisions()
    with pytest.raises(dataengine.UsageError, match="did you mean `scores`"):
        early.table("score")
    with pytest.raises(dataengine.UsageError, match=r"is not finished|holds no release|no such folder"):
        early.release()


def test_a_query_may_name_tables_in_capitals() -> None:
    engine = ViewEngine()
    tables = Tables(engine, {"letters": lambda: engine.sql("SELECT 1 AS n", {})}, "a run")
    assert tables.sql("SELECT n FROM LETTERS").fetchall() == [(1,)]
    tables.close()


def test_tables_are_those_of_the_run(folder: Path, whole: dataengine.Run) -> None:
    ledger = whole.ledger()
    stored = pq.read_table(folder / "ws" / "releases" / "test" / "ledger.parquet")
    by = [("source", "ascending"), ("uri", "ascending"), ("input_id", "ascending")]
    assert ledger.to_pylist() == stored.sort_by(by).to_pylist() and ledger.num_rows == 6
    sizes = {name: getattr(whole, name)().num_rows for name in ("samples", "scores", "groups", "decisions")}
    assert sizes == {"samples": 5, "scores": 4, "groups": 5, "decisions": 4}
    scores = whole.scores()
    assert scores["id"].to_pylist() == sorted(scores["id"].to_pylist())
    assert {"id", "width", "blur"} <= {*scores.column_names} and scores.schema.field("blur").type == pa.float64()
    for name in whole.tables():
        assert isinstance(whole.table(name), pa.Table), name
    assert {"failures", "unique_samples", "score_technical", "assignment", "inputs"} <= {*whole.tables()}


def test_a_scan_reads_what_is_asked_for(folder: Path) -> None:
    relation = run(folder).scan("scores")  # nothing else of the run is held
    narrow = relation.filter("width >= 640").project("id, width")
    assert (narrow.columns, narrow.fetchall()[0][1]) == (["id", "width"], 640)
    assert sum(batch.num_rows for batch in relation.to_arrow_reader(2)) == 4


def test_sql(whole: dataengine.Run) -> None:
    counted = whole.sql("SELECT outcome, count(*) FROM inputs GROUP BY ALL ORDER BY ALL").fetchall()
    assert counted == [("duplicate", 1), ("failed", 1), ("kept", 4)]
    joined = "SELECT max(s.blur) = max(t.blur) FROM scores s JOIN score_technical t ON s.id = t.id"
    assert whole.sql(joined).fetchall() == [(True,)]
    with pytest.raises(dataengine.UsageError, match=r"The tables of the run of test: .*scores"):
        whole.sql("SELECT nothing FROM scores")


def test_other_libraries_take_them(whole: dataengine.Run) -> None:
    import datasets
    import duckdb

    scores = whole.scores()
    frame = scores.to_pandas()
    assert frame.shape == (4, scores.num_columns) and frame.width.max() == 640
    assert duckdb.sql("SELECT count(*) FROM scores").fetchall() == [(4,)]
    assert datasets.Dataset(scores).filter(lambda row: row["width"] == 640).num_rows == 1
    assert whole.scan("scores").df().width.max() == 640


def test_the_release_of_the_run(whole: dataengine.Run) -> None:
    release = whole.release()
    kept = [row["id"] for row in whole.ledger().to_pylist() if row["outcome"] == "kept"]
    assert len(release) == 4 and sorted(sample.id for sample in release.samples()) == sorted(kept)
    assert release.ledger() == whole.ledger()
    assert release.sample(kept[0]).codes is None and list(release.records()) == []
