"""Small tables of samples for the tests of dedup: only what matters is given, the rest is filled in."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dataengine.contracts import SAMPLES, UNIQUE

_FILL: dict[str, Any] = {
    "sha256": "0" * 64,
    "bytes": 1000,
    "kind": "image",
    "format": "jpeg",
    "ext": "jpg",
    "width": 640,
    "height": 480,
    "orientation": 1,
    "mode": "RGB",
    "frames": 1,
    "audio": False,
    "frame_hashes": [],
    "hash_version": "test",
    "captions": [],
    "media": "media/0.tar",
    "offset": 0,
    "mentions": 1,
    "source": "s",
    "uri": "u",
}


def _rows(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{n: row.get(n, _FILL.get(n)) for n in schema.names} for row in rows], schema=schema)


def unique(*rows: dict[str, Any]) -> pa.Table:
    """contracts.UNIQUE; each row at least an ``id``. Hashes may be given unsigned."""
    signed = [
        {**row, "phash": to_int64(row.get("phash")), "frame_hashes": [to_int64(h) for h in row.get("frame_hashes", [])]}
        for row in rows
    ]
    return _rows(UNIQUE, signed)


def samples(*rows: dict[str, Any]) -> pa.Table:
    """contracts.SAMPLES; each row at least ``id``, ``source`` and ``uri``."""
    return _rows(SAMPLES, [{"input_id": f"{r['source']}/{r['uri']}", **r} for r in rows])


def caption(text: str, source: str = "s", uri: str = "u") -> dict[str, str]:
    return {"text": text, "source": source, "uri": uri}


def to_int64(value: int | None) -> int | None:
    return value - (1 << 64) if value is not None and value >= 1 << 63 else value
