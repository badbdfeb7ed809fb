"""What has changed since an earlier release: samples that came, samples that went and why, and the rules behind it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.release.published import Published
from dataengine.workspace import parquet

_COLUMNS = ["id", "outcome", "kind", "rule"]


def difference(ledger: pa.Table, previous: Published) -> dict[str, Any]:
    """``added`` and ``removed`` kept samples by id, ``same`` those kept in both; ``removed_because`` counts what the removed ones
    are now: absent, duplicate: KIND, filtered: RULE, failed. ``policy_before`` and ``tokenizer_before`` are the other's."""
    before = parquet(previous.store.get("ledger.parquet"), _COLUMNS)
    old, new = _kept(before), _kept(ledger)
    gone = old.filter(pc.invert(pc.is_in(old, value_set=new)))
    same = len(old) - len(gone)
    told = previous.manifest
    return {
        "previous": {"name": told["name"], "recipe_digest": told["recipe_digest"], "version": told.get("version", "")},
        "added": len(new) - same,
        "removed": len(gone),
        "same": same,
        "removed_because": dict(sorted(_now(ledger, gone).items())),
        "policy_before": told["policy"],
        "tokenizer_before": (told["tokenizer"] or {}).get("id", ""),
    }


def _kept(ledger: pa.Table) -> Any:
    return pc.unique(ledger.filter(pc.equal(ledger["outcome"], pa.scalar("kept")))["id"])


def _now(ledger: pa.Table, gone: Any) -> Counter[str]:
    """What the new ledger says of the ids, how often."""
    rows = ledger.select(_COLUMNS).filter(pc.is_in(ledger["id"], value_set=gone)).to_pylist()
    found: dict[str, str] = {}
    for row in sorted(rows, key=lambda r: (r["id"], r["outcome"], r["rule"] or "", r["kind"] or "")):
        why = row["rule"] if row["outcome"] == "filtered" else row["kind"]
        told = f"{row['outcome']}: {why}" if why else str(row["outcome"])
        # The same bytes twice: the second mention is a duplicate of the first, whatever became of that.
        if row["id"] not in found or found[row["id"]] == "duplicate: exact":
            found[row["id"]] = told
    return Counter({"absent": len(gone) - len(found)} if len(gone) > len(found) else {}) + Counter(found.values())
