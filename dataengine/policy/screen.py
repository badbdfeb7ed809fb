"""Samples that a benchmark has, too, are dropped before the policy is asked: how many there are then depends on no
threshold, and every contaminated sample bears that reason, whatever else is wrong with it."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from dataengine import contracts
from dataengine.contamination.outcome import Contaminated
from dataengine.engines.tables import TableEngine
from dataengine.policy.decide import FunnelRow, decide
from dataengine.policy.model import Policy
from dataengine.policy.sql import quoted

_DROPPED = """
SELECT a."id", FALSE AS "kept", c."rule", ? AS "column", c."value"
FROM annotated AS a INNER JOIN contaminated AS c ON a."id" = c."id" ORDER BY a."id"
"""


def screened(
    engine: TableEngine, policy: Policy, annotated: pa.Table, found: Contaminated
) -> tuple[pa.Table, list[FunnelRow]]:
    """As ``decide``, over those of ``annotated`` that no benchmark has; the others are decisions and funnel rows, too."""
    tables = {"annotated": annotated, "contaminated": found.table}
    columns = ", ".join(f"a.{quoted(name)}" for name in dict.fromkeys(("id", *policy.columns)))
    clean = f'SELECT {columns} FROM annotated AS a LEFT JOIN contaminated AS c ON a."id" = c."id" WHERE c."id" IS NULL'
    decisions, funnel = decide(engine, policy, clean, tables)
    dropped = engine.query(_DROPPED, tables, ["contamination"]).select(contracts.DECISIONS.names)
    together = pa.concat_tables([decisions, dropped.cast(contracts.DECISIONS)]).sort_by("id")
    return together, _funnel(dropped, found, annotated.num_rows) + funnel


def _funnel(dropped: pa.Table, found: Contaminated, entering: int) -> list[FunnelRow]:
    rows: list[FunnelRow] = []
    counts = Counter(dropped["rule"].to_pylist())
    for rule, reason in found.rules.items():
        count = counts[rule]
        rows.append(FunnelRow(rule, reason, entering, count, entering - count))
        entering -= count
    return rows
