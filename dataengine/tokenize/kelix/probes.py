"""Small networks that are trained to read a tokenizer's codes, beside equal ones that read its continuous features: a pixel
decoder, and what predicts captions: a language model of bytes, or the recipe's causal one behind a layer that is trained (the
claim of the report, arXiv 2602.09843, in small).

They are trained on crops of the samples that the tokenizer was fitted on and judged on held-out ones. All see the same crops
and start from the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dataengine.errors import RunError
from dataengine.tokenize.kelix import pixels
from dataengine.tokenize.kelix.config import NextToken, Reconstruct
from dataengine.tokenize.kelix.crops import Crops
from dataengine.tokenize.kelix.objective import Decoder, NextByte
from dataengine.tokenize.kelix.vectors import WAYS, Vectoriser, Vectors

if TYPE_CHECKING:
    from dataengine.tokenize.kelix.caption_reader import FrozenLM

_WIDTH, _RATE, _CLIP = 192, 2e-3, 1.0
_DECODER = Reconstruct(layers=2, heads=4, mlp=384)
_LANGUAGE = NextToken(hidden=128, layers=2, heads=4, mlp=256, length=128)
#: The language model without a picture: what captions give away about themselves.
BLIND = "nothing"
READERS = (*WAYS, BLIND)


class SmallDecoder(nn.Module):
    """Vectors ``(B, T, F)`` of a grid, standardised by running statistics → pixels ``(B, T, 2352)`` in -1..1."""

    def __init__(self, fused: int) -> None:
        super().__init__()
        self.norm, self.adapt = nn.BatchNorm1d(fused, affine=False), nn.Linear(fused, _WIDTH)
        self.decoder = Decoder(_DECODER, _WIDTH)

    def forward(self, vectors: Tensor, h: int, w: int) -> Tensor:
        scaled = self.norm(vectors.flatten(0, 1)).view_as(vectors)
        decoded: Tensor = self.decoder(self.adapt(scaled), h, w)
        return decoded


class Reader(nn.Module):
    """A language model of bytes after standardised vectors ``(B, T, F)``; nats a byte of the captions."""

    def __init__(self, fused: int) -> None:
        super().__init__()
        self.norm, self.model = nn.BatchNorm1d(fused, affine=False), NextByte(_LANGUAGE, fused)

    def forward(self, vectors: Tensor, captions: Sequence[str]) -> Tensor:
        scaled = self.norm(vectors.flatten(0, 1)).view_as(vectors)
        nats: Tensor = self.model(scaled, scaled, scaled, 0, 0, captions)
        return nats


class Probes:
    """One decoder a way and, where there are captions, one language model a reader: of bytes, or ``lm`` for all."""

    def __init__(self, vectoriser: Vectoriser, captions: bool, seed: int, lm: FrozenLM | None = None) -> None:
        self.lm = lm
        self._vectoriser, fused = vectoriser, vectoriser.network.config.quantiser.fused
        device = vectoriser.network.device
        self.decoders = {way: _seeded(seed, lambda: SmallDecoder(fused)).to(device) for way in WAYS}
        readers = READERS if captions else ()
        self.readers = {reader: _seeded(seed, lambda: _reader(fused, lm)).to(device) for reader in readers}

    def train(self, crops: Crops, steps: int) -> None:
        """Train all at once. Raises RunError where a loss is not finite."""
        nets = [*self.decoders.values(), *self.readers.values()]
        optimiser = torch.optim.AdamW([p for net in nets for p in net.parameters()], lr=_RATE)
        for step in range(steps):
            frames, captions = crops.batch(step)
            loss = self._loss(frames, captions)
            if not torch.isfinite(loss):
                raise RunError(
                    f"the probes' loss is {float(loss.detach())} at step {step}: are the tokenizer's weights finite?"
                )
            for group in optimiser.param_groups:
                group["lr"] = _RATE * (0.05 + 0.95 * (1 + math.cos(math.pi * step / steps)) / 2)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            for net in nets:
                nn.utils.clip_grad_norm_(net.parameters(), _CLIP)
            optimiser.step()
        for net in nets:
            net.eval()

    @torch.inference_mode()
    def decoded(self, vectors: Vectors, h: int, w: int) -> dict[str, NDArray[np.uint8]]:
        """``(B, 28 h, 28 w, 3)`` by each decoder."""
        return {way: pixels.frames(net(vectors.of(way), h, w), h, w) for way, net in self.decoders.items()}

    @torch.inference_mode()
    def nats(self, vectors: Vectors, caption: str) -> dict[str, float]:
        """Nats a byte (a token of ``lm``) of one picture's caption, by each reader."""
        return {name: float(net(_read(vectors, name), [caption])) for name, net in self.readers.items()}

    def predicted(self, caption: str) -> int:
        """Bytes (tokens of ``lm``) of a caption that a reader predicts, its end included."""
        return self.lm.tokens(caption) if self.lm else min(len(caption.encode()), _LANGUAGE.length) + 1

    def _loss(self, frames: NDArray[np.uint8], captions: Sequence[str]) -> Tensor:
        h, w = frames.shape[1] // pixels.TOKEN, frames.shape[2] // pixels.TOKEN
        vectors = self._vectoriser(frames)
        target = pixels.patches(frames, str(vectors.codes.device)).reshape(len(frames), h * w, -1)
        losses = [functional.mse_loss(net(vectors.of(way), h, w), target) for way, net in self.decoders.items()]
        losses += [net(_read(vectors, name), captions) for name, net in self.readers.items()]
        return torch.stack(losses).sum()


def _reader(fused: int, lm: FrozenLM | None) -> nn.Module:
    from dataengine.tokenize.kelix.caption_reader import CausalReader

    return Reader(fused) if lm is None else CausalReader(fused, lm)


def _read(vectors: Vectors, reader: str) -> Tensor:
    return torch.zeros_like(vectors.codes) if reader == BLIND else vectors.of(reader)


def _seeded(seed: int, make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
