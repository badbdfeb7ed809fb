"""A perceptual distance of pictures: LPIPS (Zhang et al. 2018) on EfficientNet-lite0, its layers unweighted.

After each change of resolution the network's channels are brought to unit length at every position; the distance is the
squared difference, summed over channels, averaged over positions and the five stages. 0 for equal pictures, 2 at most for
channels that are never negative. Figures compare with one another, not with LPIPS.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dataengine.models import efficientnet
from dataengine.models.lite0 import WEIGHTS
from dataengine.storage.pinned_packages import EFFICIENTNET_LITE0

#: Blocks before a stride, and the last: 1/2, 1/4, 1/8, 1/16 and 1/32 of the side.
_STAGES = (0, 2, 4, 10, 15)


class Perceptual:
    """The network with its weights on ``device``."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._network = efficientnet.load(EFFICIENTNET_LITE0.read(WEIGHTS), device)

    @torch.inference_mode()
    def distance(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
        """Of two pictures ``(H, W, 3)`` of one size."""
        pairs = zip(*(self._stages(picture) for picture in (a, b)), strict=True)
        return float(torch.stack([((x - y) ** 2).sum(1).mean() for x, y in pairs]).mean())

    def _stages(self, picture: NDArray[np.uint8]) -> list[Tensor]:
        x = torch.tensor(picture).to(self._device).permute(2, 0, 1)[None]
        outputs = self._network.blocks((x.float() - 127) / 128)
        return [functional.normalize(outputs[n], dim=1) for n in _STAGES]
