"""Compares a release with an earlier one: samples added, samples removed and why, and changes of policy and tokenizer."""

from __future__ import annotations

from dataengine.contracts import LEDGER
from dataengine.release.ledger import is_ledger
from dataengine.release.manifest_sections import Difference, Previous
from dataengine.release.reader import Published
from dataengine.storage.workspace import File, Workspace
from dataengine.table_engine import Frame, TableEngine

_KEPT = "SELECT DISTINCT id FROM l WHERE outcome = 'kept'"
_GONE = "SELECT o.id FROM o LEFT JOIN n ON o.id = n.id WHERE n.id IS NULL"
_COUNTS = """
SELECT CAST((SELECT count(*) FROM o) AS BIGINT) AS old, CAST((SELECT count(*) FROM n) AS BIGINT) AS new,
       CAST((SELECT count(*) FROM gone) AS BIGINT) AS gone
"""
#: The outcome of each id in the new ledger, once each. Of the same bytes twice, the second occurrence is a duplicate of the
#: first, whatever the outcome of that.
NOW = """
SELECT id, outcome, why FROM (
  SELECT id, outcome, why, CAST(row_number() OVER (PARTITION BY id ORDER BY again, outcome, by_rule, by_kind) AS BIGINT) AS place
  FROM (
    SELECT l.id, l.outcome, CASE WHEN l.outcome = 'filtered' THEN l.rule ELSE l.kind END AS why,
           COALESCE(l.rule, '') AS by_rule, COALESCE(l.kind, '') AS by_kind,
           CASE WHEN l.outcome = 'duplicate' AND l.kind = 'exact' THEN 1 ELSE 0 END AS again
    FROM l JOIN gone ON l.id = gone.id
  ) AS outcomes
) AS numbered WHERE place = 1
"""
_COUNTED = "SELECT outcome, why, CAST(count(*) AS BIGINT) AS n FROM o GROUP BY outcome, why"


def difference(engine: TableEngine, ledger: Frame, previous: Published) -> Difference:
    """``added`` and ``removed`` kept samples by id, ``same`` those kept in both; ``removed_because`` counts what the removed ones
    are now: absent, duplicate: KIND, filtered: RULE, failed. ``policy_before`` and ``tokenizer_before`` are the other's."""
    before = engine.scan(Workspace(previous.store.url), _files(previous), LEDGER)
    old, new = (engine.kept(engine.sql(_KEPT, {"l": frame})) for frame in (before, ledger))
    gone = engine.kept(engine.sql(_GONE, {"o": old, "n": new}))
    [n] = engine.collect(engine.sql(_COUNTS, {"o": old, "n": new, "gone": gone})).to_pylist()
    same = n["old"] - n["gone"]
    other = previous.manifest
    return Difference(
        previous=Previous(other.name, other.recipe_digest, other.version),
        added=n["new"] - same,
        removed=n["gone"],
        same=same,
        removed_because=_because(engine, ledger, gone, n["gone"]),
        policy_before=other.policy,
        tokenizer_before=other.tokenizer.id if other.tokenizer else "",
    )


def _files(previous: Published) -> list[File]:
    listed = [f for f in previous.manifest.files if is_ledger(f.path)]
    return [File(f.path, f.sha256, f.bytes, 1) for f in listed]


def _because(engine: TableEngine, ledger: Frame, gone: Frame, count: int) -> dict[str, int]:
    now = engine.sql(NOW, {"l": ledger, "gone": gone})
    rows = engine.collect(engine.sql(_COUNTED, {"o": now})).to_pylist()
    reasons = {f"{r['outcome']}: {r['why']}" if r["why"] else str(r["outcome"]): int(r["n"]) for r in rows}
    absent = count - sum(reasons.values())
    return dict(sorted((reasons | ({"absent": absent} if absent else {})).items()))
