"""Parallel SimVQ codebooks: frozen centres, a trained projection each, the nearest by squared distance.

Kelix (arXiv 2602.09843), quantiser section; SimVQ: Zhu et al. 2024 (arXiv 2411.02038). There is no moving average: the
projections learn, the centres stay, so no entry is left behind for good.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from dataengine.tokenize.kelix.config import Quantiser


class Quantised(NamedTuple):
    """``indices (..., N)``, ``fused (..., F)`` with straight-through gradients, and ``loss``, L_VQ of the report."""

    indices: Tensor
    fused: Tensor
    loss: Tensor


class Codebook(nn.Module):
    """``centres (K, C)`` are a buffer; ``entries()`` are their normalised projections ``(K, d)``."""

    def __init__(self, config: Quantiser, centre_dim: int) -> None:
        super().__init__()
        self.l2 = config.norm == "l2"
        self.centres: Tensor
        self.register_buffer("centres", torch.randn(config.entries, centre_dim))
        self.project = nn.Linear(centre_dim, config.dim)
        make = nn.LayerNorm if config.norm == "layer" else lambda _: nn.Identity()
        self.entry_norm, self.code_norm = make(config.dim), make(config.dim)

    def entries(self) -> Tensor:
        projected: Tensor = self.entry_norm(self.project(self.centres))
        return functional.normalize(projected, dim=-1) if self.l2 else projected

    def code(self, z: Tensor) -> Tensor:
        """Normalised queries ``(P, d)``, to be compared with the entries."""
        normed: Tensor = self.code_norm(z)
        return functional.normalize(normed, dim=-1) if self.l2 else normed


def nearest(z: Tensor, entries: Tensor) -> Tensor:
    """``(P,)`` index of the nearest entry, in float32; the first of equals."""
    z, entries = z.float(), entries.float()
    return torch.addmm((entries**2).sum(1), z, entries.T, alpha=-2).argmin(1)


class ParallelQuantiser(nn.Module):
    """``(P, features)`` → N codes a token."""

    def __init__(self, config: Quantiser, features: int, centre_dim: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = nn.Linear(features, config.codebooks * config.dim)
        self.books = nn.ModuleList(Codebook(config, centre_dim) for _ in range(config.codebooks))
        self.up = nn.ModuleList(nn.Linear(config.dim, config.fused, bias=False) for _ in range(config.codebooks))

    def codebooks(self) -> list[Codebook]:
        return [book for book in self.books if isinstance(book, Codebook)]

    def codes(self, x: Tensor) -> list[Tensor]:
        """Normalised vectors ``(P, d)``, one a codebook, before they are quantised."""
        parts = self.encoder(x).chunk(self.config.codebooks, dim=-1)
        return [book.code(z) for book, z in zip(self.codebooks(), parts, strict=True)]

    def forward(self, x: Tensor) -> Quantised:
        indices, fused, loss = [], torch.zeros((), device=x.device), torch.zeros((), device=x.device)
        for z, book, up in zip(self.codes(x), self.codebooks(), self.up, strict=True):
            entries = book.entries()
            index = nearest(z.detach(), entries.detach())
            e = entries[index]
            loss = loss + self.config.codebook_weight * functional.mse_loss(e.float(), z.detach().float())
            loss = loss + self.config.beta * functional.mse_loss(z.float(), e.detach().float())
            fused = fused + up(z + (e - z).detach())
            indices.append(index)
        return Quantised(torch.stack(indices, dim=-1), self._scaled(fused), loss / self.config.codebooks)

    def continuous(self, x: Tensor) -> Tensor:
        """Fuse without quantising: ``(P, fused)``."""
        return self._scaled(torch.stack([up(z) for z, up in zip(self.codes(x), self.up, strict=True)]).sum(0))

    def look_up(self, indices: Tensor) -> Tensor:
        """Fuse the entries of codes: ``(P, N)`` → ``(P, fused)``."""
        each = [
            up(book.entries()[column])
            for column, book, up in zip(indices.unbind(-1), self.codebooks(), self.up, strict=True)
        ]
        return self._scaled(torch.stack(each).sum(0))

    @torch.no_grad()
    def start(self, centres: Tensor) -> None:
        """Initialise with ``(N * K, C)`` centres of features, K to each codebook. A projection starts as the encoder's part
        for that codebook, so that an entry starts where the code of its centre lies (where the sizes allow it)."""
        parts = self.encoder.weight.chunk(self.config.codebooks)
        for i, (book, own) in enumerate(zip(self.codebooks(), centres.chunk(self.config.codebooks), strict=True)):
            book.centres.copy_(own)
            if book.project.weight.shape == parts[i].shape:
                book.project.weight.copy_(parts[i])
                book.project.bias.copy_(self.encoder.bias.chunk(self.config.codebooks)[i])
                book.entry_norm.load_state_dict(book.code_norm.state_dict())

    def _scaled(self, fused: Tensor) -> Tensor:
        return fused / self.config.codebooks if self.config.fusion == "mean" else fused


class Coder:
    """Inference only, with the entries computed once: tokenizes a corpus."""

    def __init__(self, quantiser: ParallelQuantiser) -> None:
        self.quantiser = quantiser
        with torch.no_grad():
            self.entries = [book.entries() for book in quantiser.codebooks()]

    def __call__(self, x: Tensor) -> Tensor:
        """``(P, features)`` → ``(P, N)`` int64."""
        indices = [nearest(z, e) for z, e in zip(self.quantiser.codes(x), self.entries, strict=True)]
        return torch.stack(indices, dim=-1)
