"""Plans of samples: the same parts from each engine, each part changed by its own rows alone, no row in the driver."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.planned import Tables, sample

from dataengine.contracts import UNIQUE
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.packing import column_digest
from dataengine.engines.spark import SparkEngine
from dataengine.errors import RunError
from dataengine.samples.locate import locate, objects, unpacked
from dataengine.samples.selection import Selection, distinct, kept, representatives
from dataengine.stage import Run

ROWS = [sample(n, f"{n % 7:02d}", ["a caption", "é" * (n % 3)][: n % 4]) for n in range(200)]
SELECTIONS: dict[str, Callable[[Run], Selection]] = {
    "distinct": distinct,
    "pictures": lambda run: distinct(run).that('u."kind" = ?', "image"),
    "representatives": representatives,
    "kept": kept,
}


def parts(tables: Tables, select: Callable[[Run], Selection] = distinct) -> dict[str, tuple[str, str]]:
    return {p.name: (p.ids, p.captions) for p in select(tables.run).plan(tables.run)}


def chosen(tables: Tables, select: Callable[[Run], Selection]) -> list[int]:
    """Numbers of the samples, in the order of a plan."""
    parts = [part.rows for part in select(tables.run).plan(tables.run)]
    return [row.offset // 512 for row in unpacked(tables.run.workspace.store, parts)]


def copies(tables: Tables) -> Tables:
    """Every third sample is a copy of the one before, and every fifth is dropped by the policy."""
    numbers = {row["id"]: row["offset"] // 512 for row in tables.rows}
    ids = {number: id_ for id_, number in numbers.items()}
    tables.group({id_: ids[n - 1] for id_, n in numbers.items() if n % 3 == 1})
    tables.decide(lambda row: numbers[row["id"]] % 3 != 1 and numbers[row["id"]] % 5)
    return tables


@pytest.mark.slow
@pytest.mark.parametrize("name", ["distinct", "kept"])
def test_both_engines_plan_the_same_parts_and_rows(
    duck: DuckDBEngine, spark: SparkEngine, tmp_path: Path, name: str
) -> None:
    plans = []
    for engine in (duck, spark):
        tables = copies(Tables(tmp_path / engine.name, engine, ROWS))
        plan = SELECTIONS[name](tables.run).plan(tables.run)
        rows = [objects(part.rows.read(tables.run.workspace.store)) for part in plan]
        plans.append(([(p.name, p.ids, p.captions) for p in plan], rows))
        assert [row.offset for part in rows for row in part] == [
            o for part in rows for o in sorted(r.offset for r in part)
        ]
    assert plans[0] == plans[1]


def test_selections_hold_the_samples_they_say(duck: DuckDBEngine, tmp_path: Path) -> None:
    tables = copies(Tables(tmp_path, duck, ROWS))
    numbers = {name: chosen(tables, select) for name, select in SELECTIONS.items()}
    assert sorted(numbers["distinct"]) == list(range(200))
    assert sorted(numbers["representatives"]) == [n for n in range(200) if n % 3 != 1]
    assert sorted(numbers["kept"]) == [n for n in range(200) if n % 3 != 1 and n % 5]


def test_the_rows_of_a_part_are_those_of_the_table(duck: DuckDBEngine, tmp_path: Path) -> None:
    tables = Tables(tmp_path, duck, ROWS)
    expected = {row.id: row for row in locate(pa.Table.from_pylist(tables.rows, UNIQUE))}
    for part in distinct(tables.run).plan(tables.run):
        rows = objects(part.rows.read(tables.run.workspace.store))
        assert len(rows) == part.rows.rows > 0
        assert {row.media for row in rows} == {part.name}
        assert all(row == expected[row.id] for row in rows)


@pytest.mark.parametrize(
    ("change", "ids", "captions"),
    [
        (lambda rows: [*rows, sample(900, "03")], {"media/03.tar"}, {"media/03.tar"}),
        (lambda rows: rows[:10] + rows[11:], {"media/03.tar"}, {"media/03.tar"}),
        (lambda rows: [*rows[:10], sample(10, "03", ["other"]), *rows[11:]], set(), {"media/03.tar"}),
        (lambda rows: [*rows[:10], {**rows[10], "mentions": 9}, *rows[11:]], set(), set()),
        (lambda rows: [*rows, sample(900, "new")], {"media/new.tar"}, {"media/new.tar"}),
        (lambda rows: rows[::-1], set(), set()),
    ],
    ids=["added", "removed", "another caption", "another mention", "another tar", "another order"],
)
def test_a_changed_row_changes_its_part_alone(
    duck: DuckDBEngine, tmp_path: Path, change: Any, ids: set[str], captions: set[str]
) -> None:
    before = parts(Tables(tmp_path, duck, ROWS))
    after = parts(Tables(tmp_path, duck, change(ROWS), "changed"))
    changed = [{p for p in before | after if before.get(p, ("", ""))[n] != after.get(p, ("", ""))[n]} for n in (0, 1)]
    assert changed == [ids, captions]


def test_a_plan_is_made_once_whoever_asks(duck: DuckDBEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = Tables(tmp_path, duck, ROWS)
    assert not distinct(tables.run).is_planned(tables.run)
    first = distinct(tables.run).plan(tables.run)
    monkeypatch.setattr(tables.run, "_open_engine", None)
    monkeypatch.setattr(tables.run, "_engine", None)
    assert distinct(tables.run).is_planned(tables.run)
    assert distinct(tables.run).plan(tables.run) == first


@pytest.mark.slow
def test_the_driver_gets_a_row_a_part(spark: SparkEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collected = []

    def counted(frame: Any) -> pa.Table:
        table = SparkEngine.collect(spark, frame)
        collected.append((table.num_rows, table.column_names))
        return table

    tables = copies(Tables(tmp_path, spark, ROWS))
    monkeypatch.setattr(spark, "collect", counted)
    monkeypatch.setattr(spark, "_counted", None)
    monkeypatch.setattr(tables.run.workspace, "read_table", _only_plans(tables.run))
    assert len(kept(tables.run).plan(tables.run)) == 7
    assert [rows for rows, _ in collected] == [7]


def _only_plans(run: Run) -> Any:
    read, here = run.workspace.read_table, threading.get_ident()

    def reading(files: Any, *rest: Any) -> pa.Table:
        assert threading.get_ident() != here or all(f.key.startswith("plans/") for f in files), files
        return read(files, *rest)

    return reading


@pytest.mark.parametrize("engine", ["duck", "spark"])
def test_rows_at_the_same_place_are_refused(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    twice = [{**sample(1, "a"), "offset": 7}, {**sample(2, "a"), "offset": 7}]
    tables = Tables(tmp_path, request.getfixturevalue(engine), twice)
    with pytest.raises(RunError, match=r"media media/a\.tar, offset 7"):
        parts(tables)


@pytest.mark.parametrize("engine", ["duck", "spark"])
def test_a_damaged_table_is_named(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tables = Tables(tmp_path, request.getfixturevalue(engine), ROWS)
    file = tables.run.records["dedup.unique"].files("unique")[1]
    tables.run.workspace.store.put(file.key, b"x")
    with pytest.raises(RunError, match=f"checksum mismatch reading .*{file.key}"):
        parts(tables)


@pytest.mark.parametrize("lost", [True, False])
def test_rows_that_are_lost_or_damaged_are_named(duck: DuckDBEngine, tmp_path: Path, lost: bool) -> None:
    tables = Tables(tmp_path, duck, ROWS)
    store, rows = tables.run.workspace.store, distinct(tables.run).plan(tables.run)[0].rows
    if lost:
        store.delete([rows.pack])
    else:
        store.put(rows.pack, bytes(1 << 16))
    with pytest.raises(RunError, match=f"{rows.pack}.*delete plans/"):
        rows.read(store)


def test_nothing_kept_is_no_part(duck: DuckDBEngine, tmp_path: Path) -> None:
    tables = Tables(tmp_path, duck, ROWS)
    tables.decide(lambda row: False)
    assert kept(tables.run).plan(tables.run) == []


STRINGS = [["ab", "c"], ["a", "bc"], ["abc"], ["", "abc"], ["abc", ""], []]
LISTS = [[["a", "b"]], [["a"], ["b"]], [["ab"]], [[], ["a", "b"]], [["a", "b"], []], [["b", "a"]], []]


@pytest.mark.parametrize(("values", "kind"), [(STRINGS, pa.string()), (LISTS, pa.list_(pa.string()))])
def test_other_values_have_another_digest(values: list[list[Any]], kind: pa.DataType) -> None:
    arrays = [pa.chunked_array([some], kind) for some in values]
    assert len({column_digest(array) for array in arrays}) == len(values)
    for array, some in zip(arrays, values, strict=True):
        padded = pa.chunked_array([pa.array([*values[0], *some], kind)[len(values[0]) :]])
        parted = pa.chunked_array([pa.array([one], kind) for one in some], kind)
        assert column_digest(array) == column_digest(padded) == column_digest(parted)
