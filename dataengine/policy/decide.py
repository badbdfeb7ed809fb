"""Applies a policy to a table: who stays, which rule dropped whom, and the funnel rule by rule.

The engine finds the rule; the value shown beside a drop is turned into text in Arrow, where the rows are, because DuckDB,
Spark and Python each write a double in their own way. The driver sees one count a rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.errors import RunError
from dataengine.policy.model import Policy
from dataengine.policy.sql import missing_sql, policy_sql, value_columns
from dataengine.table_engine import Frame, TableEngine

_COUNTS = "SELECT verdict, CAST(count(*) AS BIGINT) AS n FROM f GROUP BY verdict"


@dataclass(frozen=True)
class FunnelRow:
    """What one rule did: ``entering`` samples were left when it was asked, ``remaining`` after it."""

    rule: str
    reason: str
    entering: int
    dropped: int
    remaining: int


@dataclass(frozen=True)
class Decided:
    """``decisions``: contracts.DECISIONS in no order."""

    decisions: Frame
    funnel: list[FunnelRow]
    asked: int


def decide(engine: TableEngine, policy: Policy, relation: str, frames: Mapping[str, Frame]) -> Decided:
    """``relation``: a name in ``frames`` or a SELECT over them, with one row a sample, ``id`` and every column of the policy.

    Raises RunError if a value is missing where its rule calls that an error."""
    sql = policy_sql(policy, relation)
    found = engine.kept(engine.sql(sql.text, frames, sql.parameters))
    counts = {row["verdict"]: row["n"] for row in engine.collect(engine.sql(_COUNTS, {"f": found})).to_pylist()}
    if any(verdict < 0 for verdict in counts):
        raise RunError(_missing(engine, policy, relation, frames, counts))
    rules = tuple((rule.name, rule.column) for rule in policy.rules)
    decisions = engine.local(found, (), partial(told, rules, value_columns(policy)), contracts.DECISIONS)
    return Decided(decisions, _funnel(policy, counts), sum(counts.values()))


def told(rules: Sequence[tuple[str, str]], values: Sequence[str], found: pa.Table) -> pa.Table:
    """contracts.DECISIONS of rows of ``policy_sql``; ``rules``: name and shown column of each."""
    verdicts = found["verdict"].to_numpy().astype(np.int64)
    kept = verdicts == 0
    rule = pa.array(verdicts - 1, pa.int64(), mask=kept)
    labels, columns = (pa.array([r[n] for r in rules], pa.string()).take(rule) for n in (0, 1))
    texts: list[Any] = [found["v_" + name].cast(pa.string()) for name in values]
    value = pc.coalesce(*texts) if texts else pa.nulls(len(found), pa.string())
    return pa.table([found["id"], pa.array(kept), labels, columns, value], schema=contracts.DECISIONS)


def _funnel(policy: Policy, counts: Mapping[int, int]) -> list[FunnelRow]:
    rows: list[FunnelRow] = []
    left = sum(counts.values())
    for number, rule in enumerate(policy.rules, 1):
        dropped = counts.get(number, 0)
        rows.append(FunnelRow(rule.name, rule.reason, left, dropped, left - dropped))
        left -= dropped
    return rows


def _missing(
    engine: TableEngine, policy: Policy, relation: str, frames: Mapping[str, Frame], counts: Mapping[int, int]
) -> str:
    """Which columns of the first rule in trouble are absent, and how often."""
    number = -max(verdict for verdict in counts if verdict < 0)
    rule = policy.rules[number - 1]
    sql = missing_sql(policy, relation, number)
    absent = engine.collect(engine.sql(sql.text, frames, sql.parameters)).to_pylist()[0]
    named = ", ".join(f"`{name}` in {count}" for name, count in absent.items() if count)
    return (
        f"policy {policy.name}, rule `{rule.name}`: {counts[-number]} rows lack a value that the rule calls an error to "
        f"miss ({named}); score them again, or say on_missing: drop or keep"
    )
