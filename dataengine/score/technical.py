"""Scores of technical quality (``media.image.technical``). Of a video every score is the mean over its frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.media.image.pixels import Pixels
from dataengine.media.image.technical import measure
from dataengine.media.measures import NAMES, VERSION, Measures
from dataengine.score.base import Columns, stored


class Technical:
    """Columns of ``Measures``, and caption_words of the longest caption. Ingest may have measured a picture already."""

    name = "technical"
    version = VERSION
    fields = [*(pa.field(n, pa.float64()) for n in NAMES), pa.field("caption_words", pa.int32())]  # noqa: RUF012
    frames = 4
    min_side: int | None = None

    def validate(self) -> None: ...
    def setup(self, device: str, threads: int) -> None: ...

    def prepare(self, frames: Sequence[Pixels]) -> dict[str, float]:
        """Means over the frames, rounded."""
        return rounded([measure(frame) for frame in frames])

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        columns: Columns = {name: [p[name] for p in prepared] for name in NAMES}
        columns["caption_words"] = [max((len(c.split()) for c in texts), default=0) for texts in captions]
        return columns


def rounded(frames: Sequence[Measures]) -> dict[str, float]:
    """What is stored of measures: their means."""
    return {name: stored(float(np.mean([getattr(m, name) for m in frames]))) for name in NAMES}
