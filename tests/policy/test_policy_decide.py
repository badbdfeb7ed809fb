"""Engines agree with the oracle, row for row; decisions and the funnel follow from it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.policy_strategies import COLUMNS, rules, tables

from dataengine import contracts
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.errors import RunError
from dataengine.policy.decide import FunnelRow, decide
from dataengine.policy.evaluate import Verdict, verdict
from dataengine.policy.grammar import parse
from dataengine.policy.model import OnMissing, Policy, Rule, kind_of
from dataengine.policy.sql import rule_case
from dataengine.storage.workspace import Workspace
from dataengine.table_engine import TableEngine

KINDS = {name: kind for name, type_ in COLUMNS.items() if (kind := kind_of(type_)) is not None}
SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck))


def policy(*rules: Rule) -> Policy:
    return Policy("test", "1", "", rules, KINDS)


def rule(name: str, keep: str, on_missing: OnMissing = "drop", when: str | None = None) -> Rule:
    return Rule(name, parse(keep), on_missing, f"{name} because", parse(when) if when else None)


def decided(engine: TableEngine, asked: Policy, relation: str, table: pa.Table) -> tuple[pa.Table, list[FunnelRow]]:
    """Decisions by id, and the funnel."""
    found = decide(engine, asked, relation, {"t": engine.frame(table)})
    return engine.collect(found.decisions).sort_by("id").cast(contracts.DECISIONS), found.funnel


def verdicts(engine: TableEngine, table: pa.Table, rules: list[Rule]) -> list[dict[str, Any]]:
    """One query that asks every rule of every row."""
    cases = [rule_case(rule, KINDS) for rule in rules]
    asked = ", ".join(f"{case.text} AS r{n}" for n, case in enumerate(cases))
    parameters = [p for case in cases for p in case.parameters]
    return engine.query(f'SELECT {asked} FROM t ORDER BY "id"', {"t": table}, parameters).to_pylist()


def oracle(table: pa.Table, rules: list[Rule]) -> list[dict[str, Any]]:
    rows = table.sort_by("id").to_pylist()
    return [{f"r{n}": int(verdict(rule, row)) for n, rule in enumerate(rules)} for row in rows]


@pytest.mark.slow
@given(tables(), st.lists(rules, min_size=1, max_size=4))
@settings(SLOW, max_examples=150)
def test_duckdb_is_the_oracle(duck: DuckDBEngine, table: pa.Table, asked: list[Rule]) -> None:
    assert verdicts(duck, table, asked) == oracle(table, asked)


@given(tables(min_size=20, max_size=40), st.lists(rules, min_size=25, max_size=25))
@settings(SLOW, max_examples=15)
def test_spark_is_the_oracle(spark: SparkEngine, table: pa.Table, asked: list[Rule]) -> None:
    assert verdicts(spark, table, asked) == oracle(table, asked)


@pytest.mark.parametrize("name", ["duck", "spark"])
def test_integers_beyond_float64_are_compared_as_float64(name: str, request: pytest.FixtureRequest) -> None:
    table = pa.table({"id": ["a", "b"], "bytes": [2**53 + 1, 2**63 - 1], "mentions": [2**53, 2**63 - 2]})
    asked = [rule("a", "bytes = mentions"), rule("b", "bytes > mentions"), rule("c", "bytes in (9007199254740992)")]
    assert oracle(table, asked) == [{"r0": 0, "r1": 1, "r2": 0}, {"r0": 0, "r1": 1, "r2": 1}]
    assert verdicts(request.getfixturevalue(name), table, asked) == oracle(table, asked)


@pytest.mark.slow
@given(tables(), st.lists(rules, max_size=4), st.randoms(use_true_random=False))
@settings(SLOW, max_examples=60)
def test_the_first_rule_that_does_not_pass_decides(
    duck: DuckDBEngine, table: pa.Table, asked: list[Rule], random: Any
) -> None:
    named = [Rule(f"r{n}", r.keep, "drop", r.reason, r.when) for n, r in enumerate(asked)]
    decisions, funnel = decided(duck, policy(*named), "t", table)
    for row, made in zip(table.sort_by("id").to_pylist(), decisions.to_pylist(), strict=True):
        failing = [r for r in named if verdict(r, row) is Verdict.DROP]
        assert (made["id"], made["kept"]) == (row["id"], not failing)
        assert (made["rule"], made["column"]) == ((failing[0].name, failing[0].column) if failing else (None, None))
        assert failing or made["value"] is None
        assert not failing or (made["value"] is None) == (row[failing[0].column] is None)
    kept = [row["kept"] for row in decisions.to_pylist()]
    assert sum(row.dropped for row in funnel) == kept.count(False)
    assert all(row.entering - row.dropped == row.remaining for row in funnel)
    order = pa.array(random.sample(range(len(table)), len(table)), pa.int64())
    assert decided(duck, policy(*named), "t", table.take(order)) == (decisions, funnel)


def sample_table() -> pa.Table:
    schema = pa.schema([("id", pa.string()), *COLUMNS.items()])
    rows = [
        {"id": "e", "score": 0.1234, "kind": "image", "width": 640, "single": 0.7, "audio": False},
        {"id": "a", "score": 0.9, "kind": "image", "width": 32, "audio": False},
        {"id": "d", "score": math.nan, "kind": "image", "width": 640, "audio": False},
        {"id": "b", "score": 0.9, "kind": "gif", "width": 640, "audio": True},
        {"id": "c", "score": None, "kind": "image", "width": 640, "audio": None},
        {"id": "f", "score": 0.9, "kind": "image", "width": 640, "audio": False, "bytes": 2**53 + 1},
    ]
    return pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in rows], schema=schema)


@pytest.mark.parametrize("relation", ["t", 'SELECT\n* FROM "t"'])
@pytest.mark.parametrize("name", ["duck", "spark"])
def test_decisions_and_funnel(name: str, relation: str, request: pytest.FixtureRequest) -> None:
    engine: TableEngine = request.getfixturevalue(name)
    asked = policy(
        rule("side", "width >= 64"),
        rule("score", "score >= 0.3"),
        rule("kind", "kind in ('image', 'video')"),
        rule("silent", "audio = false", "keep"),
        rule("bytes", "bytes < 9007199254740992", "keep"),
    )
    decisions, funnel = decided(engine, asked, relation, sample_table())
    assert decisions.schema == contracts.DECISIONS
    assert [tuple(row.values()) for row in decisions.to_pylist()] == [
        ("a", False, "side", "width", "32"),
        ("b", False, "kind", "kind", "gif"),
        ("c", False, "score", "score", None),
        ("d", False, "score", "score", "nan"),
        ("e", False, "score", "score", "0.1234"),
        ("f", False, "bytes", "bytes", "9007199254740993"),
    ]
    assert funnel[:2] == [FunnelRow("side", "side because", 6, 1, 5), FunnelRow("score", "score because", 5, 3, 2)]
    assert [row.dropped for row in funnel] == [1, 3, 1, 0, 1]


def test_an_error_rule_names_rule_columns_and_rows(duck: DuckDBEngine) -> None:
    asked = policy(rule("side", "width >= 64"), rule("score", "score >= 0.3 and audio = false", "error"))
    with pytest.raises(RunError, match=r"rule `score`: 1 rows .*`score` in 1, `audio` in 1"):
        decided(duck, asked, "t", sample_table())


def test_rows_dropped_before_are_not_asked(duck: DuckDBEngine) -> None:
    asked = policy(rule("has-score", "score is not null"), rule("score", "score >= 0.3", "error"))
    assert decided(duck, asked, "t", sample_table())[1][1] == FunnelRow("score", "score because", 4, 1, 3)


def test_no_rules_keep_all_and_no_rows_give_an_empty_table(duck: DuckDBEngine) -> None:
    decisions, funnel = decided(duck, policy(), "t", sample_table())
    assert (decisions["kept"].to_pylist(), funnel) == ([True] * 6, [])
    empty, funnel = decided(duck, policy(rule("side", "width >= 64")), "t", sample_table().slice(0, 0))
    assert (empty, funnel) == (contracts.DECISIONS.empty_table(), [FunnelRow("side", "side because", 0, 0, 0)])


@pytest.mark.parametrize("name", ["duck", "spark"])
def test_an_id_that_comes_twice_is_not_written(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    engine: TableEngine = request.getfixturevalue(name)
    twice = pa.concat_tables([sample_table(), sample_table().slice(2, 1)])
    found = decide(engine, policy(rule("side", "width >= 64")), "t", {"t": engine.frame(twice)})
    with pytest.raises(RunError, match=r"duplicate key \{id d\} in d/x.parquet"):
        engine.write(Workspace(str(tmp_path)), "d/x", found.decisions, contracts.DECISIONS, ("id",))
    assert not list(tmp_path.rglob("*.parquet"))
