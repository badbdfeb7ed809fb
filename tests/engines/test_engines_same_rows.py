"""One run's tables through every table stage: the same rows from DuckDB, from parts as a cluster makes them, and from Spark,
whatever the order of the rows and the number of partitions."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.engine_fixtures import Parted, partitions
from support.made_runs import made, outcomes
from support.policy_strategies import COLUMNS, rules

from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.policy.evaluate import Verdict, verdict
from dataengine.policy.grammar import parse
from dataengine.policy.model import Policy, Rule, kind_of
from dataengine.score import distribution
from dataengine.shards import assign_distributed

KINDS = {name: kind for name, type_ in COLUMNS.items() if (kind := kind_of(type_)) is not None}
SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck))


def policy(asked: list[Rule]) -> Policy:
    named = [Rule(f"r{n}", r.keep, "drop", r.reason, r.when) for n, r in enumerate(asked)]
    return Policy("test", "1", "", tuple(named), KINDS)


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for step, told in expected.items():
        if isinstance(told, pa.Table):
            assert found[step].select(told.schema.names).to_pylist() == told.to_pylist(), step
        else:
            assert repr(found[step]) == repr(told), step


@pytest.mark.slow
@given(
    st.integers(0, 60),
    st.integers(0, 10**6),
    st.lists(rules, max_size=2),
    st.integers(1, 5),
    st.booleans(),
)
@settings(SLOW, max_examples=40)
def test_partitions_do_not_show(
    duck: DuckDBEngine, count: int, seed: int, asked: list[Rule], parts: int, contaminated: bool
) -> None:
    run, decides = made(count, seed), policy(asked)
    expected = outcomes(duck, run, decides, random.Random(0), contaminated)
    with pytest.MonkeyPatch.context() as patch, Parted(parts, seed) as engine:
        patch.setattr(assign_distributed, "ROWS_A_RANGE", 5)
        patch.setattr(distribution, "ROWS_AT_ONCE", 5)
        same(outcomes(engine, run, decides, random.Random(seed), contaminated), expected)


@given(st.integers(0, 10**6), st.lists(rules, min_size=1, max_size=3), st.integers(1, 7))
@settings(SLOW, max_examples=2)
def test_spark_gives_every_row_of_duckdb(
    duck: DuckDBEngine, spark: SparkEngine, seed: int, asked: list[Rule], parts: int
) -> None:
    run, decides = made(300, seed), policy([Rule("some", parse("width > 100"), "drop", "r"), *asked])
    expected = outcomes(duck, run, decides, random.Random(0))
    with pytest.MonkeyPatch.context() as patch, partitions(spark, parts):
        patch.setattr(assign_distributed, "ROWS_A_RANGE", 40)
        patch.setattr(distribution, "ROWS_AT_ONCE", 40)
        same(outcomes(spark, run, decides, random.Random(seed)), expected)
    _oracle(expected["decisions"], run.unique, decides)


def test_spark_on_empty_tables(duck: DuckDBEngine, spark: SparkEngine) -> None:
    run, decides = made(0, 0), policy([Rule("some", parse("width > 100"), "drop", "r")])
    expected = outcomes(duck, run, decides, random.Random(0))
    assert not any(len(told) for told in expected.values() if isinstance(told, pa.Table))
    same(outcomes(spark, run, decides, random.Random(1)), expected)


def _oracle(decisions: pa.Table, unique: pa.Table, asked: Policy) -> None:
    """The policy's own evaluator says the same of each sample that no benchmark has."""
    facts = {row["id"]: row for row in unique.to_pylist()}
    for row in decisions.to_pylist():
        if row["column"] != "contamination":
            failing = [r.name for r in asked.rules if verdict(r, facts[row["id"]]) is Verdict.DROP]
            assert (row["kept"], row["rule"]) == (not failing, failing[0] if failing else None)
