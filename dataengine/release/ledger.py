"""The ledger: what became of each input, and the proof that nothing was lost or counted twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.contracts import LEDGER
from dataengine.errors import BalanceError

if TYPE_CHECKING:
    from dataengine.engines.tables import TableEngine

OUTCOMES = ("kept", "duplicate", "filtered", "failed")

#: A sample's first mention, by source and uri, tells its fate; later mentions of the same bytes are exact duplicates.
#: A row without an outcome would be a lost input: ``balance`` refuses it.
_SQL = """
WITH mentions AS (
  SELECT input_id, source, uri, id, ROW_NUMBER() OVER (PARTITION BY id ORDER BY source, uri, input_id) AS n FROM samples
), fates AS (
  SELECT m.input_id, m.source, m.uri, m.id, m.n, g.representative, g.kind, g.distance,
         d.kept, d.rule, d.value, b.failure, b.message
  FROM mentions m
  LEFT JOIN groups g ON m.id = g.id
  LEFT JOIN decisions d ON m.id = d.id
  LEFT JOIN broken b ON m.id = b.id
), judged AS (
  SELECT *, CASE WHEN n > 1 THEN 'duplicate' WHEN representative <> id THEN 'duplicate' WHEN failure IS NOT NULL
                 THEN 'failed' WHEN kept THEN 'kept' WHEN NOT kept THEN 'filtered' END AS outcome
  FROM fates
)
SELECT input_id, source, uri, id, outcome,
       CASE WHEN outcome = 'duplicate' THEN CASE WHEN n > 1 THEN id ELSE representative END END AS representative,
       CASE WHEN outcome = 'duplicate' THEN CASE WHEN n > 1 THEN 'exact' ELSE kind END END AS kind,
       CASE WHEN outcome = 'duplicate' THEN CASE WHEN n > 1 THEN 0.0 ELSE distance END END AS distance,
       CASE WHEN outcome = 'filtered' THEN rule END AS rule,
       CASE WHEN outcome = 'filtered' THEN value END AS value,
       CASE WHEN outcome = 'failed' THEN failure END AS failure,
       CASE WHEN outcome = 'failed' THEN message END AS message
FROM judged
UNION ALL
SELECT input_id, source, uri, NULL AS id, 'failed' AS outcome, NULL AS representative, NULL AS kind, NULL AS distance,
       NULL AS rule, NULL AS value, failure, message
FROM failures
ORDER BY input_id
"""


def build(engine: TableEngine, tables: Mapping[str, pa.Table]) -> pa.Table:
    """contracts.LEDGER from ``samples``, ``failures``, ``groups``, ``decisions`` and ``broken`` (id, failure, message of
    samples that a later stage could not read), ordered by input_id."""
    found = engine.query(_SQL, tables).select(LEDGER.names)
    nullable = pa.schema([f.with_nullable(True) for f in LEDGER])
    return found.cast(nullable)


def balance(ledger: pa.Table, inputs: int, released: pa.ChunkedArray[Any]) -> None:
    """Check that ``inputs = kept + duplicate + filtered + failed`` and that the kept are the ``released``.
    Raises BalanceError that names what is wrong, with examples."""
    wrong = [
        *_amount(ledger, inputs),
        *_examples("inputs stand twice in the ledger", _twice(ledger["input_id"])),
        *_examples("inputs have no outcome", _texts(ledger.filter(pc.is_null(ledger["outcome"]))["uri"])),
        *_released(ledger, released),
        *_dangling(ledger),
    ]
    if wrong:
        raise BalanceError("the ledger does not balance: " + "; ".join(wrong))


def counts(ledger: pa.Table) -> dict[str, dict[str, int]]:
    """How many inputs by outcome, and within them by duplicate kind, rule and failure class."""
    columns = {"outcome": OUTCOMES, "kind": (), "rule": (), "failure": ()}
    found: dict[str, dict[str, int]] = {}
    for column, always in columns.items():
        counted = Counter(v for v in ledger[column].to_pylist() if v is not None)
        found[column] = {**dict.fromkeys(always, 0), **dict(sorted(counted.items()))}
    return found


def _amount(ledger: pa.Table, inputs: int) -> list[str]:
    return [] if ledger.num_rows == inputs else [f"{inputs:,} inputs came in, {ledger.num_rows:,} stand in the ledger"]


def _twice(column: pa.ChunkedArray[Any]) -> list[str]:
    return sorted(v for v, n in Counter(_texts(column)).items() if n > 1)


def _texts(column: pa.ChunkedArray[Any]) -> list[str]:
    return [str(v) for v in column.to_pylist() if v is not None]


def _released(ledger: pa.Table, released: pa.ChunkedArray[Any]) -> list[str]:
    rows = zip(ledger["id"].to_pylist(), ledger["outcome"].to_pylist(), strict=True)
    kept = {str(id_) for id_, outcome in rows if outcome == "kept"}
    there = set(_texts(released))
    return [
        *_examples("samples were kept but are not in the release", sorted(kept - there)),
        *_examples("samples are in the release but were not kept", sorted(there - kept)),
        *_examples("samples stand twice in the release", _twice(released)),
    ]


def _dangling(ledger: pa.Table) -> list[str]:
    known, pointed = set(_texts(ledger["id"])), set(_texts(ledger["representative"]))
    return _examples("representatives are not among the samples", sorted(pointed - known))


def _examples(what: str, found: list[str]) -> list[str]:
    return [f"{len(found):,} {what} ({', '.join(found[:3])}{', …' if len(found) > 3 else ''})"] if found else []
