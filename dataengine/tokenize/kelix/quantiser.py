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

_MIXED = 0.01
"""Spread of a reducer's first weights."""
_TINY = 1e-7
#: Distances of tokens to entries that are held at once.
_HELD = 1 << 23


class Quantised(NamedTuple):
    """``indices (..., N)``, ``fused (..., F)`` with straight-through gradients, and ``loss``, L_VQ of the report."""

    indices: Tensor
    fused: Tensor
    loss: Tensor


class Codebook(nn.Module):
    """``centres (K, C)`` are a buffer; ``entries()`` are their normalised projections ``(K, d)``. With a reducer the centres are
    all of the quantiser's, and what is projected are learned mixtures of them."""

    def __init__(self, config: Quantiser, centre_dim: int) -> None:
        super().__init__()
        self.l2 = config.norm == "l2"
        self.centres: Tensor
        held, dim = config.entries * (config.codebooks if config.voc_reducer else 1), config.code_dim
        self.register_buffer("centres", torch.randn(held, centre_dim))
        self.reduce = nn.Parameter(torch.randn(held, config.entries) * _MIXED) if config.voc_reducer else None
        self.project = nn.Linear(centre_dim, dim)
        make = nn.LayerNorm if config.norm == "layer" else lambda _: nn.Identity()
        self.entry_norm, self.code_norm = make(dim), make(dim)

    def entries(self) -> Tensor:
        bases = self.centres if self.reduce is None else self.reduce.T @ self.centres
        projected: Tensor = self.entry_norm(self.project(bases))
        return functional.normalize(projected, dim=-1) if self.l2 else projected

    def code(self, z: Tensor) -> Tensor:
        """Normalised queries ``(P, d)``, to be compared with the entries."""
        normed: Tensor = self.code_norm(z)
        return functional.normalize(normed, dim=-1) if self.l2 else normed


def nearest(z: Tensor, entries: Tensor) -> Tensor:
    """``(P,)`` index of the nearest entry, in float32; the first of equals."""
    return _scores(z, entries).argmin(1)


def drawn(z: Tensor, entries: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    """``(P,)`` index of an entry drawn with probability ``softmax(-distance² / temperature)``, by adding Gumbel noise."""
    scores = _scores(z, entries)
    uniform = torch.rand(scores.shape, generator=generator, device=generator.device if generator else scores.device)
    noise = -torch.log(-torch.log(uniform.clamp(_TINY, 1 - _TINY)))
    return (noise.to(scores.device) - scores / temperature).argmax(1)


def _scores(z: Tensor, entries: Tensor) -> Tensor:
    """``(P, K)`` squared distances less what is the same for all entries."""
    z, entries = z.float(), entries.float()
    return torch.addmm((entries**2).sum(1), z, entries.T, alpha=-2)


class ParallelQuantiser(nn.Module):
    """``(P, features)`` → N codes a token."""

    def __init__(self, config: Quantiser, features: int, centre_dim: int) -> None:
        super().__init__()
        self.config = config
        self.align = nn.Linear(features, config.align) if config.align else nn.Identity()
        self.encoder = nn.Linear(config.align or features, config.codebooks * config.code_dim)
        self.books = nn.ModuleList(Codebook(config, centre_dim) for _ in range(config.codebooks))
        self.up = nn.ModuleList(nn.Linear(config.code_dim, config.fused, bias=False) for _ in range(config.codebooks))

    def codebooks(self) -> list[Codebook]:
        return [book for book in self.books if isinstance(book, Codebook)]

    def codes(self, x: Tensor) -> list[Tensor]:
        """Normalised vectors ``(P, d)``, one a codebook, before they are quantised."""
        parts = self.encoder(self.align(x)).chunk(self.config.codebooks, dim=-1)
        return [book.code(z) for book, z in zip(self.codebooks(), parts, strict=True)]

    def forward(
        self, x: Tensor, temperature: float | None = None, generator: torch.Generator | None = None
    ) -> Quantised:
        """With a ``temperature`` entries are drawn, otherwise the nearest are taken."""
        indices, fused, loss = [], torch.zeros((), device=x.device), torch.zeros((), device=x.device)
        for z, book, up in zip(self.codes(x), self.codebooks(), self.up, strict=True):
            entries = book.entries()
            near, held = z.detach(), entries.detach()
            index = nearest(near, held) if temperature is None else drawn(near, held, temperature, generator)
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
        shares = [centres] * self.config.codebooks if self.config.voc_reducer else centres.chunk(self.config.codebooks)
        for i, (book, own) in enumerate(zip(self.codebooks(), shares, strict=True)):
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
            self.entries = [book.entries().float() for book in quantiser.codebooks()]
            self._squares = [(entries**2).sum(1) for entries in self.entries]
        self._rows = max(1024, _HELD // quantiser.config.entries)

    def __call__(self, x: Tensor) -> Tensor:
        """``(P, features)`` → ``(P, N)`` int64: what ``nearest`` gives, within bounds of memory."""
        return torch.cat([self._nearest(rows) for rows in torch.split(x, self._rows)])

    def _nearest(self, x: Tensor) -> Tensor:
        each = zip(self.quantiser.codes(x), self.entries, self._squares, strict=True)
        return torch.stack([_least(torch.addmm(s, z.float(), e.T, alpha=-2)) for z, e, s in each], dim=-1)


def _least(scores: Tensor) -> Tensor:
    """``scores.argmin(1)``: on a CPU by numpy, which takes an eighth of torch's time."""
    return scores.argmin(1) if scores.is_cuda else torch.from_numpy(scores.numpy().argmin(1))
