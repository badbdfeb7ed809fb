"""What the browse page is answered: pages, counts and histograms beside the same counted by hand; conditions that are none."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from support.browsed import corpus, session_of

from dataengine.browse.page.filters import Filters, read_filters
from dataengine.browse.page.inputs_table import InputsTable
from dataengine.browse.page.server import read_range
from dataengine.browse.session import Session
from dataengine.errors import InputError
from dataengine.stage import Run

ROWS = 500


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made: Run = corpus().made(tmp_path_factory.mktemp("browsed"), ROWS)
    return made


@pytest.fixture(scope="module")
def session(run: Run) -> Iterator[Session]:
    one = session_of(run)
    yield one
    one.engine.close()


@pytest.fixture(scope="module")
def table(session: Session) -> InputsTable:
    return InputsTable(session)


@pytest.fixture(scope="module")
def rows(session: Session, table: InputsTable) -> list[dict[str, Any]]:
    """All inputs, read another way."""
    listed: list[dict[str, Any]] = session.engine.rows("SELECT * FROM inputs").to_pylist()
    return listed


@pytest.mark.parametrize("sort", ["", "blur", "outcome", "uri"])
@pytest.mark.parametrize("descending", [False, True])
def test_pages_hold_every_input_once_in_order(
    table: InputsTable, rows: list[dict[str, Any]], sort: str, descending: bool
) -> None:
    seen = []
    while page := table.page(Filters(), sort, descending, len(seen), 170)["rows"]:
        seen += page
    assert sorted(row["input_id"] for row in seen) == sorted(row["input_id"] for row in rows) and len(rows) == ROWS
    values = [row[sort] for row in seen if sort and sort in row]
    assert values == sorted(values, reverse=descending)
    assert all(sort not in row for row in seen[len(values) :])


def test_counts_are_under_all_other_conditions(table: InputsTable, rows: list[dict[str, Any]]) -> None:
    low, high = 20.0, 60.0
    filters = Filters({"outcome": ("filtered", "nowhere")}, {"blur": (low, high)})
    within = [r for r in rows if r["blur"] is not None and low <= r["blur"] <= high]
    assert 0 < len(within) < len(rows)
    counts = table.counts(filters)
    assert dict(counts["outcome"]) == Counter(r["outcome"] for r in within) | {"nowhere": 0}
    rules = Counter(r["rule"] for r in within if r["outcome"] == "filtered")
    assert dict(counts["rule"]) == rules and rules
    assert table.page(filters, "", False, 0, 1)["count"] == rules.total()


def test_none_is_a_value_and_words_are_found_whatever_their_case(
    table: InputsTable, rows: list[dict[str, Any]]
) -> None:
    without = table.page(Filters({"rule": (None,)}), "", False, 0, 1)["count"]
    assert without == sum(row["rule"] is None for row in rows) > 0
    words = rows[7]["uri"].upper()
    assert rows[7]["input_id"] in {r["input_id"] for r in table.page(Filters(words=words), "", False, 0, 200)["rows"]}
    assert table.page(Filters(words="' OR TRUE --"), "", False, 0, 1)["count"] == 0


def test_a_histogram_counts_all_values_and_knows_the_thresholds(table: InputsTable, rows: list[dict[str, Any]]) -> None:
    values = [r["blur"] for r in rows if r["blur"] is not None and math.isfinite(r["blur"])]
    bars = table.histogram("blur", Filters(ranges={"blur": (0.0, 1.0)}))
    assert sum(bars["all"]) == bars["count"] == len(values)
    kept = [r["blur"] for r in rows if r["blur"] is not None and r["outcome"] == "kept"]
    assert sum(bars["kept"]) == len(kept) > 0
    assert math.isclose(bars["edges"][0], min(values)) and math.isclose(bars["edges"][-1], max(values))
    first = sum(v < bars["edges"][1] for v in values)
    assert abs(bars["all"][0] - first) <= 1
    assert {one.rule for limits in table.thresholds.values() for one in limits}


def test_the_life_of_an_input(table: InputsTable, rows: list[dict[str, Any]]) -> None:
    row = next(r for r in rows if r["outcome"] == "filtered")
    lines = dict(table.life(row["input_id"]))
    assert lines["outcome"] == f"filtered: {row['rule']}" and lines["input id"] == row["input_id"]
    with pytest.raises(KeyError):
        table.life(row["input_id"][:6])


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "nonsense",
        '{"sql": "DROP TABLE inputs"}',
        '{"values": {"outcome": "kept"}}',
        '{"values": {"outcome": [1]}}',
        '{"values": []}',
        '{"ranges": {"blur": [1]}}',
        '{"ranges": {"blur": [1, true]}}',
        '{"ranges": {"blur": [NaN, 1]}}',
        '{"ranges": {"blur": ["1", "2"]}}',
        '{"words": 1}',
        json.dumps({"values": {"outcome": ["x"] * 3000}}),
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises((ValueError, InputError), match=r"must be|JSON|number"):
        read_filters(text)


def test_a_range_of_what_are_no_numbers_is_refused(table: InputsTable) -> None:
    for name in ("uri", "audio"):
        with pytest.raises(ValueError, match=f"no column of numbers {name}"):
            table.page(Filters(ranges={name: (0, 1)}), "", False, 0, 1)


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-", (0, 4 << 20)),
        ("bytes=7-9", (7, 3)),
        ("bytes=5-99999999", (5, 4 << 20)),
        ("bytes=9-7", None),
        ("bytes=-5", None),
        ("bytes=0-1,3-4", None),
        ("", None),
    ],
)
def test_parts_of_a_file(header: str, span: tuple[int, int] | None) -> None:
    assert read_range(header) == span


def test_columns_with_the_names_of_sql(run: Run) -> None:
    one = session_of(run)
    table = InputsTable(one)
    one.engine.execute("ALTER TABLE inputs ADD COLUMN r BIGINT")
    one.engine.execute("UPDATE inputs SET r = (rowid * 7919) % 1000")
    table.columns["r"] = "BIGINT"
    listed = [row["r"] for row in table.page(Filters(), "r", False, 0, 50)["rows"]]
    assert listed == sorted(n * 7919 % 1000 for n in range(ROWS))[:50]
    one.engine.close()


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("CASE WHEN rowid % 2 = 0 THEN 1e308 ELSE -1e308 END", ROWS),
        ("CASE WHEN rowid = 3 THEN 5.0 END", 1),
        ("CASE WHEN rowid % 2 = 0 THEN 'nan'::DOUBLE ELSE 'inf'::DOUBLE END", 0),
        ("CASE WHEN rowid % 2 = 0 THEN 'inf'::DOUBLE ELSE exp(rowid / 20) END", ROWS // 2),
    ],
)
def test_a_histogram_of_odd_numbers(run: Run, value: str, count: int) -> None:
    one = session_of(run)
    table = InputsTable(one)
    one.engine.execute("ALTER TABLE inputs ADD COLUMN odd DOUBLE")
    one.engine.execute(f"UPDATE inputs SET odd = {value}")
    table.columns["odd"] = "DOUBLE"
    table.numbers.append("odd")
    bars = table.histogram("odd", Filters())
    assert (bars["count"], sum(bars["all"])) == (count, count) and json.dumps(bars, allow_nan=False)
    one.engine.close()


def test_what_a_request_makes_goes_with_it(session: Session, table: InputsTable, rows: list[dict[str, Any]]) -> None:
    def frames() -> int:
        sql = "SELECT count(*) AS n FROM (FROM duckdb_tables() SELECT 1 UNION ALL FROM duckdb_views() SELECT 1)"
        return int(session.engine.rows(sql).to_pylist()[0]["n"])

    table.attempt("blur >= 50")
    before = frames()
    for row in rows[:5]:
        table.life(row["input_id"])
    assert table.attempt("blur >= 40")["rows"] and frames() == before


@pytest.mark.parametrize("name", ['outcome" OR TRUE --', "no_such", ""])
def test_columns_that_are_not_there_are_refused(table: InputsTable, name: str) -> None:
    with pytest.raises(ValueError, match="column"):
        table.page(Filters({name: ("x",)}), "", False, 0, 1)
    with pytest.raises(ValueError, match="column"):
        table.page(Filters(ranges={name: (0, 1)}), "", False, 0, 1)
    with pytest.raises(ValueError, match="column"):
        table.histogram(name, Filters())
    if name:
        with pytest.raises(ValueError, match="column"):
            table.page(Filters(), name, False, 0, 1)
