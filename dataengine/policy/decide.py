"""Applies a policy to a table: who stays, which rule dropped whom, and the funnel rule by rule.

The engine finds the rule; the value shown beside a drop is turned into text here, in Arrow, because DuckDB, Spark and
Python each write a double in their own way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine import contracts
from dataengine.engines.tables import Relation, TableEngine
from dataengine.errors import RunError
from dataengine.policy.model import Policy
from dataengine.policy.sql import missing_sql, policy_sql, value_columns


@dataclass(frozen=True)
class FunnelRow:
    """What one rule did: ``entering`` samples were left when it was asked, ``remaining`` after it."""

    rule: str
    reason: str
    entering: int
    dropped: int
    remaining: int


def decide(
    engine: TableEngine, policy: Policy, relation: str, tables: Mapping[str, Relation]
) -> tuple[pa.Table, list[FunnelRow]]:
    """Decisions (contracts.DECISIONS, ordered by id) and the funnel. ``relation``: a name in ``tables`` or a SELECT over
    them, with one row a sample, ``id`` and every column of the policy.

    Raises RunError if an id comes twice or a value is missing where its rule calls that an error.
    """
    sql = policy_sql(policy, relation)
    found = engine.query(sql.text, tables, sql.parameters)
    verdicts = found["verdict"].to_numpy().astype(np.int64)
    if (verdicts < 0).any():
        raise RunError(_missing(engine, policy, relation, tables, verdicts))
    _refuse_twins(found["id"])
    return _decisions(policy, found, verdicts), _funnel(policy, verdicts)


def _decisions(policy: Policy, found: pa.Table, verdicts: NDArray[np.int64]) -> pa.Table:
    labels = pa.array([r.name for r in policy.rules], pa.string())
    columns = pa.array([r.column for r in policy.rules], pa.string())
    rule = pa.array(verdicts - 1, pa.int64(), mask=verdicts == 0)
    values = [found["v_" + name].cast(pa.string()) for name in value_columns(policy)]
    value = pc.coalesce(*values) if values else pa.nulls(len(found), pa.string())
    kept = pa.array(verdicts == 0)
    arrays = [found["id"], kept, labels.take(rule), columns.take(rule), value]
    return pa.table(arrays, schema=contracts.DECISIONS)


def _funnel(policy: Policy, verdicts: NDArray[np.int64]) -> list[FunnelRow]:
    counts = np.bincount(verdicts, minlength=len(policy.rules) + 1)
    rows: list[FunnelRow] = []
    left = len(verdicts)
    for rule, dropped in zip(policy.rules, counts[1:].tolist(), strict=True):
        rows.append(FunnelRow(rule.name, rule.reason, left, dropped, left - dropped))
        left -= dropped
    return rows


def _refuse_twins(ids: pa.ChunkedArray[Any]) -> None:
    if len(ids) > 1:
        same = pc.equal(ids[:-1], ids[1:])
        if pc.any(same).as_py():
            raise RunError(f"sample {ids[pc.index(same, True).as_py()]} stands twice in the table to be filtered")


def _missing(
    engine: TableEngine, policy: Policy, relation: str, tables: Mapping[str, Relation], verdicts: NDArray[np.int64]
) -> str:
    """Which columns of the first rule in trouble are absent, and how often."""
    number = int(-verdicts[verdicts < 0].max())
    rule = policy.rules[number - 1]
    rows = int((verdicts == -number).sum())
    sql = missing_sql(policy, relation, number)
    counts = engine.query(sql.text, tables, sql.parameters).to_pylist()[0]
    named = ", ".join(f"`{name}` in {count}" for name, count in counts.items() if count)
    return (
        f"policy {policy.name}, rule `{rule.name}`: {rows} rows lack a value that the rule calls an error to miss "
        f"({named}); score them again, or say on_missing: drop or keep"
    )
