"""Audits a released ledger in Arrow, independently of the SQL that wrote it.

A mistake in the one shows in the other; and a verifier needs no database, whose start takes longer than a small ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from dataengine.release.ledger import COUNTED, EXAMPLES, Tally, imbalance

pc: Any = pyarrow.compute  # whose stubs admit less than its functions do


def tally(ledger: pa.Table) -> Tally:
    """Counts of each column's values, in the form of ``ledger.tally``; all that ``ledger.counts`` needs."""
    rows = []
    for column in COUNTED:
        counted = pc.value_counts(ledger[column])
        rows += [{**dict.fromkeys(COUNTED), column: f["values"], "n": f["counts"]} for f in counted.to_pylist()]
    return rows


def unbalanced(ledger: pa.Table, inputs: int, ids: Sequence[str]) -> str:
    """Why a ledger does not balance with the ``ids`` of the released samples, as ``ledger.balance`` says it, or ""."""
    released = pa.array(ids, pa.string())
    kept = pc.unique(pc.filter(ledger["id"], pc.equal(ledger["outcome"], "kept")))
    representatives = pc.unique(pc.drop_null(ledger["representative"]))
    cases = (
        _duplicates(ledger["input_id"]),
        pc.filter(ledger["uri"], pc.is_null(ledger["outcome"])),
        _not_among(kept, released),
        _not_among(pc.unique(released), kept),
        _duplicates(released),
        _not_among(representatives, ledger["id"]),
    )
    return imbalance(ledger.num_rows, inputs, {n: (len(values), _first(values)) for n, values in enumerate(cases)})


def _duplicates(values: Any) -> Any:
    counted = pc.value_counts(values)
    return pc.filter(counted.field("values"), pc.greater(counted.field("counts"), 1))


def _not_among(values: Any, known: Any) -> Any:
    return pc.filter(values, pc.invert(pc.is_in(values, value_set=known)))


def _first(values: Any) -> list[str]:
    return [str(value) for value in pc.take(values, pc.array_sort_indices(values)[:EXAMPLES]).to_pylist()]
