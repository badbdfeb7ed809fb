"""Columns of image–text similarity, which ConSE and CLIP share, and the comparison with captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from dataengine.models.device import Float32
from dataengine.score.base import Columns, stored


def match_fields() -> list[pa.Field[Any]]:
    """``match``: cosine with the best caption (null without captions), ``match_caption``: which one, ``matches``: of each."""
    return [
        pa.field("match", pa.float64()),
        pa.field("match_caption", pa.int32()),
        pa.field("matches", pa.list_(pa.float64())),
    ]


def match_columns(pictures: Sequence[Float32], texts: Sequence[Float32]) -> Columns:
    """``pictures``: ``(D,)`` a sample, ``texts``: a ``(captions, D)`` array a sample, unit rows."""
    columns: Columns = {"match": [], "match_caption": [], "matches": []}
    for picture, captions in zip(pictures, texts, strict=True):
        each = [stored(c) for c in captions @ picture]
        best = max(range(len(each)), key=lambda i: (each[i], -i)) if each else None
        columns["match"].append(None if best is None else each[best])
        columns["match_caption"].append(best)
        columns["matches"].append(each)
    return columns
