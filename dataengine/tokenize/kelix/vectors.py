"""What the probes of an evaluation read: codes of frames, their fused vectors, and the same features without codebooks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.quantiser import Coder

#: Whose figures are compared.
WAYS = ("codes", "features")


class Vectors(NamedTuple):
    """``indices (B, T, N)``, and ``(B, T, F)`` float32 vectors of ``codes`` and of the continuous ``features``."""

    indices: Tensor
    codes: Tensor
    features: Tensor

    def of(self, way: str) -> Tensor:
        return self.codes if way == "codes" else self.features


class Vectoriser:
    """Encodes frames ``(B, 28 h, 28 w, 3)`` for probes."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._coder = Coder(network.quantiser)

    @torch.no_grad()
    def __call__(self, frames: NDArray[np.uint8]) -> Vectors:
        x = self.network.features(frames)
        flat, quantiser = x.flatten(0, 1), self.network.quantiser
        indices = self._coder(flat)
        each = (indices, quantiser.look_up(indices).float(), quantiser.continuous(flat).float())
        return Vectors(*(t.view(*x.shape[:2], -1) for t in each))
