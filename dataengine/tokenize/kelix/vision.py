"""Native-resolution ViT: learned positions interpolated to the grid, rotary ones in two axes, 2x2 merge.

After Kelix (arXiv 2602.09843) and Keye-VL-1.5 (arXiv 2509.01563), whose tower is SigLIP's with these changes. Patches
come in blocks of four, those of one token together, so that merging is a reshape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from dataengine.tokenize.kelix.attention import attend
from dataengine.tokenize.kelix.config import Vision

PATCH = 14
MERGE = 2
PATCH_VALUES = 3 * PATCH * PATCH
_THETA = 10_000.0


class Place(NamedTuple):
    """Position embeddings of a batch's patches: ``learned (B or 1, L, D)``, ``cos`` and ``sin (B or 1, 1, L, D / heads)``."""

    learned: Tensor
    cos: Tensor
    sin: Tensor


class Block(nn.Module):
    """Pre-norm self-attention and MLP on ``(B, L, D)``; ``mask (B, 1, 1, L)`` is False where a patch is padding."""

    def __init__(self, dim: int, heads: int, mlp: int, act: str = "gelu") -> None:
        super().__init__()
        self.heads, self.silu = heads, act == "silu"
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.fc1, self.fc2 = nn.Linear(dim, mlp), nn.Linear(mlp, dim)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
        spans: Sequence[int] | None = None,
    ) -> Tensor:
        """``spans``: lengths of the pictures of a pack, which attend to themselves alone."""
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        if spans is None:
            seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        else:
            seen = attend(q, k, v, spans)
        x = x + self.out(seen.transpose(1, 2).reshape(b, n, d))
        inner = self.fc1(self.norm2(x))
        active = functional.silu(inner) if self.silu else functional.gelu(inner, approximate="tanh")
        hidden: Tensor = x + self.fc2(active)
        return hidden


class VisionTower(nn.Module):
    """``(B, 4 T, 588)`` patches → ``(B, T, features)`` tokens."""

    def __init__(self, config: Vision) -> None:
        super().__init__()
        self.config = config
        dim = config.hidden
        self.patch = nn.Linear(PATCH_VALUES, dim)
        self.position = nn.Parameter(torch.randn(config.positions**2, dim) * 0.02)
        self.blocks = nn.ModuleList(Block(dim, config.heads, config.mlp, config.act) for _ in range(config.layers))
        self.recompute = False
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.merge_norm = nn.LayerNorm(MERGE**2 * dim, eps=1e-5)
        self.merge1 = nn.Linear(MERGE**2 * dim, MERGE**2 * dim)
        self.merge2 = nn.Linear(MERGE**2 * dim, config.features)

    def place(self, h: int, w: int) -> Place:
        """Position embeddings of a picture of ``h x w`` tokens."""
        side, dim = self.config.positions, self.config.hidden
        table = self.position.view(1, side, side, dim).permute(0, 3, 1, 2)
        size = (MERGE * h, MERGE * w)
        learned = functional.interpolate(table.float(), size=size, mode="bilinear", align_corners=False).to(table.dtype)
        rows, columns = merged_order(h, w, self.position.device)
        flat = learned.flatten(2)[:, :, rows * size[1] + columns].transpose(1, 2)
        return Place(flat, *rotary(rows, columns, dim // self.config.heads, self.position.dtype))

    def forward(
        self, patches: Tensor, place: Place, mask: Tensor | None = None, spans: Sequence[int] | None = None
    ) -> Tensor:
        """``spans``: patches of each picture of a pack ``(1, L, 588)``. With ``recompute`` the backward pass computes the blocks'
        activations again."""
        return self.projected(self.encoded(patches, place, mask, spans))

    def encoded(
        self, patches: Tensor, place: Place, mask: Tensor | None = None, spans: Sequence[int] | None = None
    ) -> Tensor:
        """``forward`` up to the projector: ``(B, 4 T, hidden)``."""
        x = self.patch(patches) + place.learned
        for block in self.blocks:
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(block, x, place.cos, place.sin, mask, False, spans, use_reentrant=False)
            else:
                x = block(x, place.cos, place.sin, mask, spans=spans)
        encoded: Tensor = self.norm(x)
        return encoded

    def projected(self, x: Tensor) -> Tensor:
        """Patches ``(B, 4 T, hidden)`` → tokens ``(B, T, features)``: four of them each."""
        merged = self.merge_norm(x.reshape(len(x), -1, MERGE**2 * self.config.hidden))
        tokens: Tensor = self.merge2(functional.gelu(self.merge1(merged)))
        return tokens


def merged_order(h: int, w: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Row and column of each patch of ``h x w`` tokens: tokens in raster order, the four patches of each together."""
    grid = torch.arange(MERGE * h * MERGE * w, device=device).view(h, MERGE, w, MERGE).transpose(1, 2).flatten()
    return grid // (MERGE * w), grid % (MERGE * w)


def rotary(rows: Tensor, columns: Tensor, dim: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """``cos`` and ``sin`` ``(1, 1, L, dim)`` of rotary positions, half of the pairs for rows and half for columns."""
    frequencies = _THETA ** (-torch.arange(0, dim // 2, 2, device=rows.device, dtype=torch.float32) / (dim // 2))
    angles = torch.cat([rows[:, None] * frequencies, columns[:, None] * frequencies], dim=1)
    both = torch.cat([angles, angles], dim=1)[None, None]
    return both.cos().to(dtype), both.sin().to(dtype)


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary embeddings to ``(B, heads, L, dim)``: pair (i, i + dim / 2) is rotated by its angle."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-b, a], dim=-1) * sin
