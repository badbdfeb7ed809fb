"""A released ledger audited without the SQL that has written it: the rules of ``ledger`` once more, in Arrow.

A mistake in the one shows in the other; and a verifier needs no database, whose start takes longer than a small ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from dataengine.release.ledger import EXAMPLES, TOLD_APART, Tally, imbalance

pc: Any = pyarrow.compute  # whose stubs admit less than its functions do


def tally(ledger: pa.Table) -> Tally:
    """As ``ledger.tally``, each column for itself: all that ``ledger.counts`` needs."""
    rows = []
    for column in TOLD_APART:
        found = pc.value_counts(ledger[column])
        rows += [{**dict.fromkeys(TOLD_APART), column: f["values"], "n": f["counts"]} for f in found.to_pylist()]
    return rows


def unbalanced(ledger: pa.Table, inputs: int, ids: Sequence[str]) -> str:
    """What ``ledger.balance`` would raise of a ledger and the ``ids`` of the samples released, or ""."""
    released = pa.array(ids, pa.string())
    kept = pc.unique(pc.filter(ledger["id"], pc.equal(ledger["outcome"], "kept")))
    stands_for = pc.unique(pc.drop_null(ledger["representative"]))
    cases = (
        _twice(ledger["input_id"]),
        pc.filter(ledger["uri"], pc.is_null(ledger["outcome"])),
        _not_among(kept, released),
        _not_among(pc.unique(released), kept),
        _twice(released),
        _not_among(stands_for, ledger["id"]),
    )
    return imbalance(ledger.num_rows, inputs, {n: (len(found), _first(found)) for n, found in enumerate(cases)})


def _twice(values: Any) -> Any:
    counted = pc.value_counts(values)
    return pc.filter(counted.field("values"), pc.greater(counted.field("counts"), 1))


def _not_among(values: Any, known: Any) -> Any:
    return pc.filter(values, pc.invert(pc.is_in(values, value_set=known)))


def _first(found: Any) -> list[str]:
    return [str(value) for value in pc.take(found, pc.array_sort_indices(found)[:EXAMPLES]).to_pylist()]
