"""Technical quality from pixels alone (blur, entropy, brightness, contrast, saturation), at one size for all pictures.

Of a video every score is the mean over its frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from dataengine.media.image.pixels import Pixels
from dataengine.score.base import Columns, stored

#: Longer side at which everything is measured.
_SIDE = 512
_NAMES = ("aspect", "blur", "entropy", "brightness", "contrast", "saturation")


class Technical:
    """aspect = width / height; blur = variance of the Laplacian (Pech-Pacheco et al. 2000; low is blurred); entropy of the
    grey histogram in bits; brightness and saturation as means and contrast as standard deviation, in 0..1; caption_words
    of the longest caption."""

    name = "technical"
    version = "1"
    fields = [*(pa.field(n, pa.float64()) for n in _NAMES), pa.field("caption_words", pa.int32())]  # noqa: RUF012
    frames = 4
    min_side: int | None = None

    def validate(self) -> None: ...
    def setup(self, device: str, threads: int) -> None: ...

    def prepare(self, frames: Sequence[Pixels]) -> dict[str, float]:
        """Means over the frames, rounded."""
        measured = [_measure(frame) for frame in frames]
        return {name: stored(float(np.mean([m[name] for m in measured]))) for name in _NAMES}

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        columns: Columns = {name: [p[name] for p in prepared] for name in _NAMES}
        columns["caption_words"] = [max((len(c.split()) for c in texts), default=0) for texts in captions]
        return columns


def _measure(frame: Pixels) -> dict[str, float]:
    height, width = frame.shape[:2]
    small = frame
    if max(height, width) > _SIDE:
        size = (max(1, round(width * _SIDE / max(height, width))), max(1, round(height * _SIDE / max(height, width))))
        small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    share = np.bincount(gray.ravel(), minlength=256) / gray.size
    seen = share[share > 0]
    return {
        "aspect": width / height,
        "blur": float(cv2.Laplacian(gray, cv2.CV_64F).var()),
        "entropy": float(-(seen * np.log2(seen)).sum()),
        "brightness": float(gray.mean()) / 255,
        "contrast": float(gray.std()) / 255,
        "saturation": float(cv2.cvtColor(small, cv2.COLOR_RGB2HSV)[:, :, 1].mean()) / 255,
    }
