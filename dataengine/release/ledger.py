"""Builds the ledger, one outcome for each input, and checks that it balances: no input is lost or counted twice.

All of it is portable SQL over frames: the driver sees counts, and three examples of each error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dataengine.contracts import LEDGER
from dataengine.errors import BalanceError

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

OUTCOMES = ("kept", "duplicate", "filtered", "failed")
#: Rows of ``tally``: how many inputs of a source had this outcome.
Tally = Sequence[Mapping[str, str | int | None]]

_FILE = re.compile(r"ledger(/[0-9a-f]+)?\.parquet")
#: Examples that an error names.
EXAMPLES = 3
#: Columns whose values are counted.
COUNTED = ("outcome", "kind", "rule", "failure")

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
       CASE WHEN outcome = 'duplicate' THEN CASE WHEN n > 1 THEN CAST(0 AS DOUBLE) ELSE distance END END AS distance,
       CASE WHEN outcome = 'filtered' THEN rule END AS rule,
       CASE WHEN outcome = 'filtered' THEN value END AS value,
       CASE WHEN outcome = 'failed' THEN failure END AS failure,
       CASE WHEN outcome = 'failed' THEN message END AS message
FROM judged
UNION ALL
SELECT input_id, source, uri, NULL AS id, 'failed' AS outcome, NULL AS representative, NULL AS kind, NULL AS distance,
       NULL AS rule, NULL AS value, failure, message
FROM failures
"""
_TALLY = """
SELECT source, outcome, kind, rule, failure, CAST(count(*) AS BIGINT) AS n FROM ledger
GROUP BY source, outcome, kind, rule, failure ORDER BY source, outcome, kind, rule, failure
"""
#: Errors that a ledger may have. The last four are found by id in one pass over ledger, release and representatives, which a
#: cluster has to move by id but once.
_ERRORS = (
    "duplicate input ids in the ledger",
    "inputs without an outcome",
    "kept samples missing from the release",
    "released samples that were not kept",
    "duplicate sample ids in the release",
    "representatives that are not samples of the ledger",
)
_BY_ID = """
SELECT what, max(listed) AS listed, max(kept) AS kept, sum(released) AS released, max(named) AS named FROM (
  SELECT id AS what, 1 AS listed, CASE WHEN outcome = 'kept' THEN 1 ELSE 0 END AS kept, 0 AS released, 0 AS named
  FROM ledger WHERE id IS NOT NULL OR outcome = 'kept'
  UNION ALL SELECT id AS what, 0 AS listed, 0 AS kept, 1 AS released, 0 AS named FROM released
  UNION ALL SELECT representative AS what, 0 AS listed, 0 AS kept, 0 AS released, 1 AS named
            FROM ledger WHERE representative IS NOT NULL
) AS mentioned GROUP BY what
"""
_CASES = f"""
SELECT 0 AS wrong, input_id AS what FROM (SELECT input_id, count(*) AS n FROM ledger GROUP BY input_id) AS t WHERE n > 1
UNION ALL SELECT 1 AS wrong, uri AS what FROM ledger WHERE outcome IS NULL
UNION ALL SELECT e.wrong, s.what FROM (
  SELECT * FROM ({_BY_ID}) AS all_ids WHERE (kept = 1 AND released = 0) OR (kept = 0 AND released > 0) OR released > 1
                                         OR (named = 1 AND listed = 0)
) AS s CROSS JOIN (
  SELECT 2 AS wrong UNION ALL SELECT 3 AS wrong UNION ALL SELECT 4 AS wrong UNION ALL SELECT 5 AS wrong
) AS e
WHERE (e.wrong = 2 AND s.kept = 1 AND s.released = 0) OR (e.wrong = 3 AND s.kept = 0 AND s.released > 0)
   OR (e.wrong = 4 AND s.released > 1) OR (e.wrong = 5 AND s.named = 1 AND s.listed = 0)
"""
_WITH_EXAMPLES = f"""
SELECT wrong, what, cases FROM (
  SELECT wrong, what, CAST(row_number() OVER (PARTITION BY wrong ORDER BY what) AS BIGINT) AS n,
         CAST(count(*) OVER (PARTITION BY wrong) AS BIGINT) AS cases
  FROM ({_CASES}) AS cases_of
) AS numbered WHERE n <= {EXAMPLES} ORDER BY wrong, what
"""


def build(engine: TableEngine, frames: Mapping[str, Frame]) -> Frame:
    """contracts.LEDGER, in no order, from ``samples``, ``failures``, ``groups``, ``decisions`` and ``broken`` (id, failure,
    message of samples that a later stage could not read). ``outcome`` may be null: see ``balance``."""
    return engine.sql(f"SELECT {', '.join(LEDGER.names)} FROM ({_SQL}) AS outcomes", frames)


def tally(engine: TableEngine, ledger: Frame) -> Tally:
    """How many inputs by source, outcome, kind, rule and failure."""
    rows: Tally = engine.collect(engine.sql(_TALLY, {"ledger": ledger})).to_pylist()
    return rows


def balance(engine: TableEngine, ledger: Frame, rows: int, inputs: int, released: Frame) -> None:
    """Check that ``inputs = kept + duplicate + filtered + failed`` and that the kept are the ``released`` (id).
    ``rows``: of the ledger. Raises BalanceError that names what is wrong, with examples."""
    cases: dict[int, tuple[int, list[str]]] = {}
    for row in engine.collect(engine.sql(_WITH_EXAMPLES, {"ledger": ledger, "released": released})).to_pylist():
        _, first = cases.get(row["wrong"], (0, []))
        cases[row["wrong"]] = (row["cases"], [*first, str(row["what"])])
    if wrong := imbalance(rows, inputs, cases):
        raise BalanceError(wrong)


def imbalance(rows: int, inputs: int, cases: Mapping[int, tuple[int, list[str]]]) -> str:
    """The errors in words, "" where there are none; ``cases``: how many and the first of them, by their place in ``_ERRORS``."""
    errors = [] if rows == inputs else [f"{inputs:,} inputs were read, the ledger has {rows:,} rows"]
    for number, what in enumerate(_ERRORS):
        count, first = cases.get(number, (0, []))
        if count:
            more = ", …" if count > len(first) else ""
            errors.append(f"{count:,} {what} ({', '.join(first)}{more})")
    return "the ledger does not balance: " + "; ".join(errors) if errors else ""


def counts(rows: Tally) -> dict[str, dict[str, int]]:
    """How many inputs by outcome, and within them by duplicate kind, rule and failure class."""
    always = {"outcome": OUTCOMES}
    return {name: {**dict.fromkeys(always.get(name, ()), 0), **counted(rows, name)} for name in COUNTED}


def counted(rows: Tally, column: str) -> dict[str, int]:
    """How many inputs by the values of one column."""
    total = Counter[str]()
    for row in rows:
        if row[column] is not None:
            total[str(row[column])] += int(row["n"] or 0)
    return dict(sorted(total.items()))


def is_ledger(path: str) -> bool:
    """True for a ledger file of a release; one of many rows is split by the first digits of ``input_id``."""
    return _FILE.fullmatch(path) is not None
