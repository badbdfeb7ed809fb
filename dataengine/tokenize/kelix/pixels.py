"""Converts frames to the network's patches and back: 14 px patches in blocks of four, tokens of 28 px in raster order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataengine.models.batched import uploaded
from dataengine.tokenize.kelix.vision import MERGE, PATCH, PATCH_VALUES

TOKEN = MERGE * PATCH


def patches(frames: NDArray[np.uint8], device: str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    """``(B, 28 h, 28 w, 3)`` RGB → ``(B, 4 h w, 588)`` in -1..1: mean and deviation 0.5, as Keye's processors have it."""
    return scaled(levels(frames, device).to(torch.float32)).to(dtype)


def levels(frames: NDArray[np.uint8], device: str = "cpu") -> Tensor:
    """``(B, 28 h, 28 w, 3)`` RGB → ``(B, 4 h w, 588)`` uint8."""
    b, height, width, _ = frames.shape
    h, w = height // TOKEN, width // TOKEN
    shape, order = (b, h, MERGE, PATCH, w, MERGE, PATCH, 3), (0, 1, 4, 2, 5, 7, 3, 6)
    if device == "cpu":  # where numpy takes three quarters of torch's time
        moved = np.ascontiguousarray(frames.reshape(shape).transpose(order))
        return torch.from_numpy(moved.reshape(b, h * w * MERGE**2, PATCH_VALUES))
    return uploaded(frames, device).view(shape).permute(order).reshape(b, h * w * MERGE**2, PATCH_VALUES)


def scaled(values: Tensor) -> Tensor:
    """Bring float32 levels of 0..255 to -1..1, in place."""
    return values.div_(127.5).sub_(1)


def frames(values: Tensor, h: int, w: int) -> NDArray[np.uint8]:
    """Inverse of ``patches``: ``(B, h w, 2352)`` or ``(B, 4 h w, 588)`` → ``(B, 28 h, 28 w, 3)``."""
    blocks = values.float().reshape(-1, h, w, MERGE, MERGE, 3, PATCH, PATCH).permute(0, 1, 3, 6, 2, 4, 7, 5)
    levels = ((blocks.reshape(-1, h * TOKEN, w * TOKEN, 3) + 1) * 127.5).round().clamp(0, 255)
    return levels.to(torch.uint8).cpu().numpy()
