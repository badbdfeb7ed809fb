"""How files of the new release are written."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.release.manifest_sections import ReleaseFile

#: Writes a file of the new release at a path in it.
Put = Callable[[str, bytes | Path], ReleaseFile]


def to_parquet(table: pa.Table, group: int = 1 << 20) -> bytes:
    """As the workspace writes tables, in row groups of ``group`` rows."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", store_schema=True, row_group_size=group)
    return sink.getvalue()
