"""Columns that the recipe names must be in the tables: a typo is a usage error before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataengine.config.contamination import TableBenchmark
from dataengine.config.recipe import Recipe
from dataengine.contamination.benchmarks import Reader
from dataengine.errors import InputError, UsageError
from dataengine.ingest.stage import Ingest
from dataengine.media.limits import Limits
from dataengine.storage.store import Store

ROWS = [{"path": "a.jpg", "description": "x", "licence": "mit"}] * 3


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        lines = [",".join(row.values()) for row in rows]
        path.write_text("\n".join([",".join(rows[0]), *lines]) + "\n")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def validate(source: dict[str, object]) -> None:
    Ingest().validate(
        Recipe.model_validate(
            {
                "name": "r",
                "workspace": "ws",
                "sources": [{"type": "table", "name": "t", **source}],
                "filter": {"policy": "p"},
                "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
            }
        )
    )


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "csv", "parquet"])
@pytest.mark.parametrize(
    ("field", "column", "near"),
    [
        ({"media": "file_path"}, "file_path", "path"),
        ({"caption": "descr"}, "descr", "description"),
        ({"license_column": "license"}, "license", "licence"),
    ],
)
def test_a_column_that_no_row_has_is_a_mistake(
    tmp_path: Path, suffix: str, field: dict[str, str], column: str, near: str
) -> None:
    path = str(write(tmp_path / f"t.{suffix}", ROWS))
    with pytest.raises(UsageError) as mistake:
        validate({"path": path, **field})
    message = str(mistake.value)
    assert message.startswith(f"source `t`: t.{suffix} has no column `{column}` ({next(iter(field))})")
    assert "its columns: path, description, licence" in message and message.endswith(f"did you mean `{near}`?")


def test_defaults_may_be_absent_and_named_columns_present(tmp_path: Path) -> None:
    path = str(write(tmp_path / "t.csv", [{"x": "a"}]))
    validate({"path": path})
    validate({"path": path, "media": "x", "caption": None})
    with pytest.raises(UsageError, match=r"has no column `path` \(media\)"):
        validate({"path": path, "media": "path"})


def test_a_jsonl_is_looked_through_as_far_as_a_thousand_rows(tmp_path: Path) -> None:
    rows = [{"path": "a.jpg"}] * 999
    path = write(tmp_path / "t.jsonl", [*rows, {"caption": "late"}])
    validate({"path": str(path), "caption": "caption"})
    write(path, [*rows, *rows[:1], {"caption": "too late"}])
    with pytest.raises(UsageError, match=r"in its first 1,000 rows; its columns: path$"):
        validate({"path": str(path), "caption": "caption"})
    path.write_bytes(b"{broken\n\xff\n[1]\n" + b'{"path": "a.jpg", "caption": "x"}')
    validate({"path": str(path), "caption": "caption"})


def test_of_many_tables_each_is_looked_at_and_damaged_ones_are_left_to_ingest(tmp_path: Path) -> None:
    for n in range(9):
        write(tmp_path / f"{n}.csv", ROWS if n else [{"path": "a.jpg", "text": "x"}])
    (tmp_path / "9.parquet").touch()
    with pytest.raises(UsageError, match=r"^source `t`: 0\.csv has no column `description`") as mistake:
        validate({"path": f"{tmp_path}/*", "caption": "description"})
    assert len(str(mistake.value).splitlines()) == 1
    with pytest.raises(UsageError, match="and 4 more"):
        validate({"path": f"{tmp_path}/*", "caption": "none"})


def test_empty_folders_and_patterns_are_mistakes(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden.jpg").touch()
    with pytest.raises(UsageError, match=r"source `t`: folder .*empty holds no files"):
        validate({"type": "folder", "path": str(tmp_path / "empty")})
    with pytest.raises(UsageError, match="no file matches"):
        validate({"path": f"{tmp_path}/*.jsonl"})


def test_a_table_on_s3_is_read_by_ranges(s3: str, tmp_path: Path) -> None:
    store = Store(s3)
    for name in ("t.parquet", "t.csv", "t.jsonl"):
        store.put(f"in/{name}", write(tmp_path / name, ROWS).read_bytes())
    validate({"path": f"{s3}/in/*", "media": "path", "caption": "description"})
    with pytest.raises(UsageError, match="has no column `descr`"):
        validate({"path": f"{s3}/in/*", "caption": "descr"})


def test_a_benchmark_whose_question_has_another_name_protects_nothing(tmp_path: Path) -> None:
    path = str(write(tmp_path / "t.jsonl", [{"path": "a.jpg", "query": "Why?"}]))
    named = {"type": "table", "name": "b", "path": path}
    assert Reader(TableBenchmark.model_validate(named), Limits()).parts()
    with pytest.raises(UsageError, match=r"no column `quest` \(question\).*path, query"):
        Reader(TableBenchmark.model_validate({**named, "question": "quest"}), Limits()).parts()


def test_a_benchmark_s_pictures_may_lie_elsewhere_if_the_recipe_says_so(tmp_path: Path) -> None:
    (tmp_path / "list").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"A")
    path = write(tmp_path / "list" / "t.jsonl", [{"path": str(tmp_path / "a.jpg"), "question": "Why?"}])
    named = {"type": "table", "name": "b", "path": str(path)}
    for roots, failed in (([], True), ([str(tmp_path)], False)):
        benchmark = TableBenchmark.model_validate({**named, "roots": roots})
        assert ("roots" in benchmark.model_dump()) is bool(roots)
        reader = Reader(benchmark, Limits())
        [item] = [item for part in reader.parts() for item in reader.occurrences(part.spec)]
        assert reader.texts(item)[0] == ["Why?"]
        if failed:
            with pytest.raises(InputError, match="leads outside"):
                item.read(Limits())
        else:
            assert item.read(Limits()) == b"A"
