"""Reading what an export wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def rows_of(out: Path) -> list[dict[str, Any]]:
    """Rows of all files in order, with their JSON read."""
    rows = [row for path in sorted(out.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return [{k: v if k in ("uuid", "source") else json.loads(v) for k, v in row.items()} for row in rows]
