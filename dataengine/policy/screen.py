"""Drops contaminated samples before the policy is applied. So their number depends on no threshold of the policy, and each
has contamination as its reason, whatever else is wrong with it."""

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


def screened(engine: TableEngine, policy: Policy, annotated: Frame, contaminated: Contaminated) -> Decided:
    """As ``decide``, over the samples of ``annotated`` that are in no benchmark; decisions and funnel include the others."""
    frames = {"annotated": annotated, "contaminated": engine.kept(contaminated.table)}
    columns = ", ".join(f"a.{quoted(name)}" for name in dict.fromkeys(("id", *policy.columns)))
    clean = f'SELECT {columns} FROM annotated AS a LEFT JOIN contaminated AS c ON a."id" = c."id" WHERE c."id" IS NULL'
    decided = decide(engine, policy, clean, frames)
    dropped = engine.sql(_DROPPED, frames, ["contamination"])
    counts = {r["rule"]: r["n"] for r in engine.collect(engine.sql(_COUNTS, {"d": dropped})).to_pylist()}
    decisions = engine.sql("SELECT * FROM k UNION ALL SELECT * FROM d", {"k": decided.decisions, "d": dropped})
    samples = decided.samples + sum(counts.values())
    return Decided(decisions, _funnel(contaminated, counts, samples) + decided.funnel, samples)


def _funnel(contaminated: Contaminated, counts: Mapping[str, int], entering: int) -> list[FunnelRow]:
    rows: list[FunnelRow] = []
    for rule, reason in contaminated.rules.items():
        count = counts.get(rule, 0)
        rows.append(FunnelRow(rule, reason, entering, count, entering - count))
        entering -= count
    return rows
