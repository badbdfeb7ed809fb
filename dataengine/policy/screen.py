"""Samples that a benchmark has, too, are dropped before the policy is asked: how many there are then depends on no
threshold, and every contaminated sample bears that reason, whatever else is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from dataengine.contamination.outcome import Contaminated
from dataengine.policy.decide import Decided, FunnelRow, decide
from dataengine.policy.model import Policy
from dataengine.policy.sql import quoted
from dataengine.table_engine import Frame, TableEngine

_DROPPED = """
SELECT a."id", FALSE AS "kept", c."rule", ? AS "column", c."value"
FROM annotated AS a INNER JOIN contaminated AS c ON a."id" = c."id"
"""
_COUNTS = 'SELECT "rule", CAST(count(*) AS BIGINT) AS n FROM d GROUP BY "rule"'


def screened(engine: TableEngine, policy: Policy, annotated: Frame, found: Contaminated) -> Decided:
    """As ``decide``, over those of ``annotated`` that no benchmark has; the others are decisions and funnel rows, too."""
    frames = {"annotated": annotated, "contaminated": engine.kept(found.table)}
    columns = ", ".join(f"a.{quoted(name)}" for name in dict.fromkeys(("id", *policy.columns)))
    clean = f'SELECT {columns} FROM annotated AS a LEFT JOIN contaminated AS c ON a."id" = c."id" WHERE c."id" IS NULL'
    decided = decide(engine, policy, clean, frames)
    dropped = engine.sql(_DROPPED, frames, ["contamination"])
    counts = {r["rule"]: r["n"] for r in engine.collect(engine.sql(_COUNTS, {"d": dropped})).to_pylist()}
    together = engine.sql("SELECT * FROM k UNION ALL SELECT * FROM d", {"k": decided.decisions, "d": dropped})
    asked = decided.asked + sum(counts.values())
    return Decided(together, _funnel(found, counts, asked) + decided.funnel, asked)


def _funnel(found: Contaminated, counts: Mapping[str, int], entering: int) -> list[FunnelRow]:
    rows: list[FunnelRow] = []
    for rule, reason in found.rules.items():
        count = counts.get(rule, 0)
        rows.append(FunnelRow(rule, reason, entering, count, entering - count))
        entering -= count
    return rows
