"""A small transformer for rows of next-block prediction, with or without the summary layout: examples/train_tiny.py trains it.

As in the Kelix report (arXiv 2602.09843): a row's embedding is the sum of its tokens', a causal transformer with rotary positions
reads rows, and a small causal decoder writes the next row token by token. Each layer sees what its mask lets it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Sizes:
    """``ids``: of text and codes; ``width``: tokens of a row; ``eob``: end of block, which is no part of a row's embedding."""

    ids: int
    width: int
    eob: int
    dim: int = 128
    heads: int = 4
    layers: int = 4


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inputs, self.output = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None, rotation: Tensor | None) -> Tensor:
        """(B, L, D), with ``mask`` (L, L) or, where there is none, causal."""
        batch, length, dim = x.shape
        q, k, v = self.inputs(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if rotation is not None:
            q, k = rotated(q, rotation), rotated(k, rotation)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.output(y.transpose(1, 2).reshape(batch, length, dim))


def rotated(x: Tensor, rotation: Tensor) -> Tensor:
    """RoPE: pairs of channels of (B, H, L, C) as complex numbers times ``rotation`` (L, C / 2)."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * rotation).flatten(-2).to(x.dtype)


def rotation_of(positions: Tensor, channels: int, base: float = 10_000.0) -> Tensor:
    frequencies = base ** (-torch.arange(0, channels, 2) / channels)
    angles = positions[:, None].float() * frequencies[None]
    return torch.polar(torch.ones_like(angles), angles)


class Block(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention, self.norms = Attention(dim, heads), nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor, mask: Tensor | None = None, rotation: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norms[0](x), mask, rotation)
        return x + self.mlp(self.norms[1](x))


class TinyModel(nn.Module):
    """Text, codes and an embedding of their own for summary tokens."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.ids, sizes.dim)
        self.summary = nn.Parameter(torch.zeros(sizes.dim))
        self.layers = nn.ModuleList(Block(sizes.dim, sizes.heads) for _ in range(sizes.layers))
        self.norm, self.decoder = nn.LayerNorm(sizes.dim), Block(sizes.dim, sizes.heads)
        self.steps = nn.Parameter(torch.zeros(sizes.width, sizes.dim))
        self.last, self.head = nn.LayerNorm(sizes.dim), nn.Linear(sizes.dim, sizes.ids)
        for weight in (
            self.embedding.weight,
            self.summary,
            self.steps,
        ):  # as large as the states that they are added to
            nn.init.normal_(weight, std=0.5)
        nn.init.normal_(self.head.weight, std=0.02)

    def states(self, rows: Tensor, positions: Tensor, summary: Tensor, masks: list[Tensor]) -> Tensor:
        """(L, D) state of each row (L, W); ``masks`` (L, L) of the layers, used in turn; ``summary`` (L,) bool."""
        before_end = (rows == self.sizes.eob).cumsum(1) == 0
        x = (self.embedding(rows) * before_end[..., None]).sum(1)
        x = torch.where(summary[:, None], self.summary, x)[None]
        rotation = rotation_of(positions, self.sizes.dim // self.sizes.heads)
        for number, layer in enumerate(self.layers):
            x = layer(x, masks[number % len(masks)], rotation)
        return self.norm(x)[0]

    def logits(self, states: Tensor, targets: Tensor) -> Tensor:
        """(M, W, ids): token j of the next row, from the state before it (M, D) and the row's tokens before j (M, W)."""
        before = self.embedding(targets[:, :-1])
        x = torch.cat([states[:, None], states[:, None] + before], 1) + self.steps
        return self.head(self.last(self.decoder(x)))

    @torch.no_grad()
    def sample(
        self, state: Tensor, allowed: list[tuple[int, int]], temperature: float, random: torch.Generator
    ) -> list[int]:
        """A row: token j is drawn from the ids [low, high) that are ``allowed`` there."""
        row = torch.zeros(1, self.sizes.width, dtype=torch.long)
        for step, (low, high) in enumerate(allowed):
            logits = self.logits(state[None], row)[0, step, low:high] / temperature
            row[0, step] = low + int(torch.multinomial(logits.softmax(0), 1, generator=random))
        return row[0, : len(allowed)].tolist()
