"""EfficientNet-lite0 (Tan and Le 2019, the "lite" variant: no squeeze-and-excite, ReLU6), in the checkpoint's own names."""

from __future__ import annotations

import io

import torch
from torch import Tensor, nn
from torch.nn import functional

#: repeats, kernel, stride, expansion, channels in, channels out
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
_CLASSES = 1000


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding: what cannot be split evenly goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        (k, _), (s, _) = self.kernel_size, self.stride
        down, right = (max((-(-n // s) - 1) * s + k - n, 0) for n in x.shape[-2:])
        padded = functional.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return functional.conv2d(padded, self.weight, None, self.stride, 0, 1, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, kernel: int, stride: int, expansion: int, inside: int, outside: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.expands = expansion > 1
        self.skips = stride == 1 and inside == outside
        if self.expands:
            self._expand_conv = nn.Conv2d(inside, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = nn.Conv2d(wide, outside, 1, bias=False)
        self._bn2 = _norm(outside)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        out: Tensor = x + y if self.skips else y
        return out


class EfficientNetLite0(nn.Module):
    """``(B, 3, 224, 224)`` float in (x - 127) / 128 → ``(B, 1000)`` ImageNet-1k logits."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, 2, bias=False)
        self._bn0 = _norm(32)
        blocks = []
        for repeats, kernel, stride, expansion, inside, outside in _STAGES:
            for n in range(repeats):
                blocks.append(Block(kernel, stride if n == 0 else 1, expansion, inside if n == 0 else outside, outside))
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self._bn1 = _norm(1280)
        self._fc = nn.Linear(1280, _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self._fc(self.pooled(x))
        return logits

    def pooled(self, x: Tensor) -> Tensor:
        """``(B, 1280)``: what the last layer classifies."""
        y = self.blocks(x)[-1]
        features: Tensor = functional.relu6(self._bn1(self._conv_head(y))).mean((2, 3))
        return features

    def blocks(self, x: Tensor) -> list[Tensor]:
        """``(B, C, h, w)`` output of each block, for pictures of any size."""
        y, outputs = functional.relu6(self._bn0(self._conv_stem(x))), []
        for block in self._blocks:
            y = block(y)
            outputs.append(y)
        return outputs


def load(weights: bytes, device: str) -> EfficientNetLite0:
    """The network with a checkpoint's weights, ready for inference. No code in the file is run (``weights_only``)."""
    model = EfficientNetLite0()
    model.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    return model.eval().to(device).to(memory_format=torch.channels_last)
