"""Trains a projection by InfoNCE (van den Oord et al. 2018), as items are aligned in QARM (arXiv 2411.11739): in a batch, the
other half of a pair is to be nearer than the halves of all other pairs, both ways.

The projection starts where it changes no distance (or as few as its width allows), and weight decay pulls it back there. Halves
of pairs of one group are no negatives of each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dataengine.config.index_codes import AlignConfig
from dataengine.errors import RunError

if TYPE_CHECKING:
    import torch

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Pairs:
    """``(n, d)`` vectors of both halves, the ``weight`` and the ``group`` of each pair, ``(n,)``."""

    a: Float32
    b: Float32
    weight: Float32
    group: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: NDArray[Any]) -> Pairs:
        return Pairs(self.a[rows], self.b[rows], self.weight[rows], self.group[rows])


@dataclass
class State:
    """What a training that was killed goes on from: epochs that are done, arrays of the same shape (what the projection has
    changed, and the two moments of Adam), and the loss of each epoch."""

    epoch: int
    change: Float32
    first: Float32
    second: Float32
    losses: list[float]


def start(vectors: Float32, dim: int) -> Float32:
    """``(dim, d)``: the identity, or the ``dim`` directions of largest variance where that is less than d; zeros beyond d."""
    width = vectors.shape[1]
    if dim >= width:
        return np.eye(dim, width, dtype=np.float32)
    exact = vectors.astype(np.float64)
    _, directions = np.linalg.eigh(exact.T @ exact)
    largest = directions[:, ::-1][:, :dim].T
    signs = np.sign(largest[np.arange(dim), np.abs(largest).argmax(axis=1)])
    return np.asarray(largest * signs[:, None], np.float32)


def train(
    pairs: Pairs,
    config: AlignConfig,
    seed: int,
    device: str,
    state: State | None = None,
    save: Callable[[State], None] = lambda state: None,
) -> tuple[Float32, list[float]]:
    """``(dim, d)`` weights, and the loss of each epoch, of at least two pairs. ``save`` is called after every epoch; with the
    ``state`` that it was given, training goes on to the same result. Raises RunError where it diverges."""
    import torch

    dim = config.dim or pairs.a.shape[1]
    base = torch.from_numpy(start(np.concatenate([pairs.a, pairs.b]), dim)).to(device)
    if state is None:
        zeros = np.zeros(base.shape, np.float32)
        state = State(0, zeros, zeros, zeros, [])
    change, first, second = (torch.tensor(x, device=device) for x in (state.change, state.first, state.second))
    held = [torch.from_numpy(x).to(device) for x in (pairs.a, pairs.b, _shares(pairs.weight), pairs.group)]
    batches, losses = _batches(len(pairs), config.batch), list(state.losses)
    step = state.epoch * len(batches)
    for epoch in range(state.epoch, config.epochs):
        order = np.argsort(np.random.PCG64([seed, epoch]).random_raw(len(pairs)), kind="stable")
        total = 0.0
        for rows in batches:
            some = [x[torch.from_numpy(order[rows]).to(device)] for x in held]
            step += 1
            leaf = change.detach().requires_grad_()
            value = loss(base + leaf, some[0], some[1], some[2], some[3], config.temperature)
            (gradient,) = torch.autograd.grad(value, [leaf])
            change, first, second = _adamw(change, gradient, first, second, step, config)
            total += float(value.detach()) / len(batches)
        losses.append(round(total, 6))
        if not math.isfinite(total) or not bool(torch.isfinite(change).all()):
            raise RunError(
                f"index.align: the training has no finite loss any more in epoch {epoch + 1}: set a smaller `learning_rate` "
                "or a larger `temperature`"
            )
        save(State(epoch + 1, _array(change), _array(first), _array(second), list(losses)))
    return _array(base + change), losses


def loss(
    weight: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    importance: torch.Tensor,
    group: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """InfoNCE of a batch, both ways, the mean by the pairs' ``importance``."""
    import torch
    from torch.nn import functional

    x, y = (functional.normalize(functional.linear(side, weight), dim=1) for side in (a, b))
    scores = x @ y.T / temperature
    own = torch.eye(len(a), dtype=torch.bool, device=a.device)
    scores = scores.masked_fill((group[:, None] == group[None]) & ~own, float("-inf"))
    labels = torch.arange(len(a), device=a.device)
    both = functional.cross_entropy(scores, labels, reduction="none")
    both = both + functional.cross_entropy(scores.T, labels, reduction="none")
    return (both * importance).sum() / (2 * importance.sum())


def _shares(weight: Float32) -> Float32:
    """Weights as shares of the largest, so that no sum of them is infinite or zero."""
    return np.asarray(np.maximum(weight / weight.max(), 1e-30), np.float32)


def _batches(count: int, size: int) -> list[slice]:
    """Of equal size, as far as they go; one of a single pair would have no negative."""
    number = max(1, count // size)
    borders = np.linspace(0, count, number + 1).astype(int)
    return [slice(int(borders[n]), int(borders[n + 1])) for n in range(number)]


def _adamw(change: Any, gradient: Any, first: Any, second: Any, step: int, config: AlignConfig) -> tuple[Any, Any, Any]:
    """A step of AdamW (Loshchilov and Hutter 2019) with the usual moments."""
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * gradient**2
    direction = (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
    return change - config.learning_rate * (direction + config.weight_decay * change), first, second


def _array(tensor: Any) -> Float32:
    array: Float32 = tensor.detach().cpu().numpy()
    return array
