"""Applies a filter policy to a table: a decision for each sample and the funnel, rule by rule.

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
    """Counts of one rule: ``entering`` samples reached it, ``remaining`` passed it."""

    rule: str
    reason: str
    entering: int
    dropped: int
    remaining: int


@dataclass(frozen=True)
class Decided:
    """``decisions``: contracts.DECISIONS in no order, of so many ``samples``."""

    decisions: Frame
    funnel: list[FunnelRow]
    samples: int


def decide(engine: TableEngine, policy: Policy, relation: str, frames: Mapping[str, Frame]) -> Decided:
    """Decide by ``policy`` over ``relation``: a name in ``frames`` or a SELECT over them, with one row a sample, ``id`` and every
    column of the policy.

    Raises RunError where a value is missing and its rule has ``on_missing: error``."""
    sql = policy_sql(policy, relation)
    verdicts = engine.kept(engine.sql(sql.text, frames, sql.parameters))
    counts = {row["verdict"]: row["n"] for row in engine.collect(engine.sql(_COUNTS, {"f": verdicts})).to_pylist()}
    if any(verdict < 0 for verdict in counts):
        raise RunError(_missing(engine, policy, relation, frames, counts))
    rules = tuple((rule.name, rule.column) for rule in policy.rules)
    decisions = engine.local(verdicts, (), partial(decisions_of, rules, value_columns(policy)), contracts.DECISIONS)
    return Decided(decisions, _funnel(policy, counts), sum(counts.values()))


def decisions_of(rules: Sequence[tuple[str, str]], values: Sequence[str], rows: pa.Table) -> pa.Table:
    """contracts.DECISIONS from rows of ``policy_sql``; ``rules``: name and shown column of each."""
    verdicts = rows["verdict"].to_numpy().astype(np.int64)
    kept = verdicts == 0
    rule = pa.array(verdicts - 1, pa.int64(), mask=kept)
    labels, columns = (pa.array([r[n] for r in rules], pa.string()).take(rule) for n in (0, 1))
    texts: list[Any] = [rows["v_" + name].cast(pa.string()) for name in values]
    value = pc.coalesce(*texts) if texts else pa.nulls(len(rows), pa.string())
    return pa.table([rows["id"], pa.array(kept), labels, columns, value], schema=contracts.DECISIONS)


def _funnel(policy: Policy, counts: Mapping[int, int]) -> list[FunnelRow]:
    rows: list[FunnelRow] = []
    remaining = sum(counts.values())
    for number, rule in enumerate(policy.rules, 1):
        dropped = counts.get(number, 0)
        rows.append(FunnelRow(rule.name, rule.reason, remaining, dropped, remaining - dropped))
        remaining -= dropped
    return rows


def _missing(
    engine: TableEngine, policy: Policy, relation: str, frames: Mapping[str, Frame], counts: Mapping[int, int]
) -> str:
    """Message for the first rule that misses values: in which columns, and how many."""
    number = -max(verdict for verdict in counts if verdict < 0)
    rule = policy.rules[number - 1]
    sql = missing_sql(policy, relation, number)
    absent = engine.collect(engine.sql(sql.text, frames, sql.parameters)).to_pylist()[0]
    columns = ", ".join(f"`{name}` in {count}" for name, count in absent.items() if count)
    return (
        f"policy {policy.name}, rule `{rule.name}`: {counts[-number]} rows lack a value, and the rule has "
        f"on_missing: error ({columns}); score them again, or set on_missing to drop or keep"
    )
