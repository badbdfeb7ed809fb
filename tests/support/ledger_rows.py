"""Rows of a ledger, made up."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dataengine.contracts import LEDGER


def ledger(*rows: dict[str, Any]) -> pa.Table:
    nullable = pa.schema([f.with_nullable(True) for f in LEDGER])
    told = [{"input_id": f"{n:032x}", "source": "s", "uri": f"{n}.jpg", **row} for n, row in enumerate(rows)]
    return pa.Table.from_pylist(told, nullable)


def dup(id_: str, of: str, distance: float, kind: str = "perceptual") -> dict[str, Any]:
    return {"id": id_, "outcome": "duplicate", "representative": of, "kind": kind, "distance": distance}
