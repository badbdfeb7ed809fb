"""Training objectives of the codes: reconstruct pixels, features and captions (small tokenizers), or predict a caption's next
byte with a small language model, which is dropped afterwards (as in the report, arXiv 2602.09843)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dataengine.tokenize.kelix.config import NextToken, Reconstruct
from dataengine.tokenize.kelix.vision import MERGE, PATCH_VALUES, Block, rotary

_BUCKETS = 4096
_BYTES, _BEGIN, _END = 256, 256, 257


class Decoder(nn.Module):
    """Fused codes ``(B, T, F)`` of a grid → pixels ``(B, T, 2352)`` in -1..1."""

    def __init__(self, config: Reconstruct, fused: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.blocks = nn.ModuleList(Block(fused, config.heads, config.mlp) for _ in range(config.layers))
        self.norm = nn.LayerNorm(fused, eps=1e-6)
        self.head = nn.Linear(fused, MERGE**2 * PATCH_VALUES)

    def forward(self, fused: Tensor, h: int, w: int) -> Tensor:
        token = torch.arange(h * w, device=fused.device)
        cos, sin = rotary(token // w, token % w, fused.shape[-1] // self.heads, fused.dtype)
        for block in self.blocks:
            fused = block(fused, cos, sin)
        pixels: Tensor = self.head(self.norm(fused))
        return pixels


class Reconstruction(nn.Module):
    """Only ``decoder`` is kept with the tokenizer."""

    def __init__(self, config: Reconstruct, fused: int, features: int) -> None:
        super().__init__()
        self.config = config
        self.decoder = Decoder(config, fused)
        self.features = nn.Linear(fused, features)
        self.words = nn.EmbeddingBag(_BUCKETS, fused, mode="mean")
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, fused: Tensor, x: Tensor, pixels: Tensor, h: int, w: int, captions: Sequence[str]) -> Tensor:
        """``fused (B, T, F)``, ``x (B, T, features)``, ``pixels (B, T, 2352)``, one caption ("" for none) a picture."""
        loss = self.config.pixels * functional.mse_loss(self.decoder(fused, h, w), pixels)
        loss = loss + self.config.features * functional.mse_loss(self.features(fused), normal(x).detach())
        captioned = [i for i, caption in enumerate(captions) if caption]
        if self.config.captions and len(captioned) > 1:
            loss = loss + self.config.captions * self._match(fused[captioned].mean(1), [captions[i] for i in captioned])
        return loss

    def _match(self, pictures: Tensor, captions: Sequence[str]) -> Tensor:
        """Contrastive loss (Radford et al. 2021) with hashed words; equal captions count as matches of one another."""
        bags = [torch.tensor(hashed(caption), device=pictures.device) for caption in captions]
        starts = torch.tensor([0, *[len(bag) for bag in bags[:-1]]], device=pictures.device).cumsum(0)
        texts = functional.normalize(self.words(torch.cat(bags), starts), dim=-1)
        scores = functional.normalize(pictures, dim=-1) @ texts.T * self.scale.exp()
        same = torch.tensor([[a == b for b in captions] for a in captions], device=pictures.device).float()
        target = same / same.sum(1, keepdim=True)
        return (functional.cross_entropy(scores, target) + functional.cross_entropy(scores.T, target)) / 2


class NextByte(nn.Module):
    """A causal language model over [codes of the picture, bytes of the caption]; loss on the caption alone."""

    def __init__(self, config: NextToken, fused: int) -> None:
        super().__init__()
        self.config = config
        self.adapt = nn.Linear(fused, config.hidden)
        self.bytes = nn.Embedding(_BYTES + 2, config.hidden)
        self.blocks = nn.ModuleList(Block(config.hidden, config.heads, config.mlp) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.hidden, eps=1e-6)
        self.head = nn.Linear(config.hidden, _BYTES + 2)

    def forward(self, fused: Tensor, x: Tensor, pixels: Tensor, h: int, w: int, captions: Sequence[str]) -> Tensor:
        captioned = [i for i, caption in enumerate(captions) if caption]
        if not captioned:
            return fused.sum() * 0
        texts = [[_BEGIN, *captions[i].encode()[: self.config.length], _END] for i in captioned]
        length = max(map(len, texts))
        ids = torch.tensor([text + [-1] * (length - len(text)) for text in texts], device=fused.device)
        seen = torch.cat([self.adapt(fused[captioned]), self.bytes(ids[:, :-1].clamp(min=0))], dim=1)
        place = torch.arange(seen.shape[1], device=fused.device)
        cos, sin = rotary(place, place, self.config.hidden // self.config.heads, seen.dtype)
        for block in self.blocks:
            seen = block(seen, cos, sin, causal=True)
        logits = self.head(self.norm(seen[:, fused.shape[1] :]))
        return functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten(), ignore_index=-1)


def normal(x: Tensor) -> Tensor:
    """Standardise each vector to mean 0 and deviation 1, so that features are compared in direction."""
    return functional.layer_norm(x, x.shape[-1:])


def hashed(caption: str) -> list[int]:
    """Buckets of the words of a caption."""
    return [zlib.crc32(word.encode()) % _BUCKETS for word in caption.lower().split()] or [0]
