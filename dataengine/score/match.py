"""Image–text match: what the embedded default (ConSE) and CLIP share, the columns and the comparison with captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.score.base import Columns, stored

_F32 = NDArray[np.float32]


def match_fields(dim: int) -> list[pa.Field[Any]]:
    """``match``: cosine with the best caption (null without captions), ``match_caption``: which one, ``matches``: of
    each, ``embedding``: of the picture or the mean of a video's frames, unit length."""
    return [
        pa.field("match", pa.float64()),
        pa.field("match_caption", pa.int32()),
        pa.field("matches", pa.list_(pa.float64())),
        pa.field("embedding", pa.list_(pa.float16(), dim)),
    ]


def match_columns(images: Sequence[_F32], texts: Sequence[_F32]) -> Columns:
    """``images``: a ``(frames, D)`` array a sample, ``texts``: a ``(captions, D)`` array a sample, unit rows."""
    columns: Columns = {"match": [], "match_caption": [], "matches": [], "embedding": []}
    for frames, captions in zip(images, texts, strict=True):
        pooled = frames.mean(0)
        pooled = pooled / max(float(np.linalg.norm(pooled)), 1e-12)
        each = [stored(c) for c in captions @ pooled]
        best = max(range(len(each)), key=lambda i: (each[i], -i)) if each else None
        columns["match"].append(None if best is None else each[best])
        columns["match_caption"].append(best)
        columns["matches"].append(each)
        columns["embedding"].append(pooled.astype(np.float16))
    return columns


def unit(rows: _F32) -> _F32:
    """Rows at unit length."""
    scaled: _F32 = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return scaled
