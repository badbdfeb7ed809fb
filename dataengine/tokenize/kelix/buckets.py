"""Length-bucketed batching: pictures of similar token counts in one padded batch with one mask, to fill a GPU.

A batch pads its pictures to the longest of them. Sorted by length and cut where padding would pass the bound, batches
waste at most ``1 - 1 / (1 + waste)`` of the patches they compute.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.pixels import TOKEN, patches
from dataengine.tokenize.kelix.quantiser import Coder
from dataengine.tokenize.kelix.vision import MERGE, Place

#: Tokens of a batch, padding included.
TOKENS = 16_384


def batches(tokens: Sequence[int], most: int, waste: float = 0.1) -> list[list[int]]:
    """Group samples with these token counts: indices, in batches of at most ``most`` tokens with padding (a longer sample is
    alone) and at most a share of ``waste`` padding."""
    order = sorted(range(len(tokens)), key=lambda i: (tokens[i], i))
    groups: list[list[int]] = []
    held, real = list[int](), 0
    for i in order:
        padded = tokens[i] * (len(held) + 1)
        if held and (padded > most or padded * (1 - waste) > real + tokens[i]):
            groups.append(held)
            held, real = [], 0
        held.append(i)
        real += tokens[i]
    return [*groups, held] if held else groups


def padding(tokens: Sequence[int], groups: Sequence[Sequence[int]]) -> float:
    """Share of computed tokens that are padding."""
    computed = sum(max(tokens[i] for i in group) * len(group) for group in groups)
    return 1 - sum(tokens) / computed if computed else 0.0


@torch.inference_mode()
def encode(network: Network, coder: Coder, pictures: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.int64]]:
    """Encode pictures ``(28 h, 28 w, 3)`` of any sizes in one batch: ``(T, N)`` codes of each."""
    sizes = [(p.shape[0] // TOKEN, p.shape[1] // TOKEN) for p in pictures]
    counts = [h * w for h, w in sizes]
    device, longest = str(network.device), max(counts) * MERGE**2
    each = [patches(p[None], device, network.dtype)[0] for p in pictures]
    places = [network.vision.place(h, w) for h, w in sizes]
    place = Place(
        torch.stack([_padded(p.learned[0], longest) for p in places]),
        torch.stack([_padded(p.cos[0, 0], longest)[None] for p in places]),
        torch.stack([_padded(p.sin[0, 0], longest)[None] for p in places]),
    )
    real = torch.arange(longest, device=network.device)[None] < torch.tensor(counts, device=network.device)[:, None] * 4
    x = network.vision(torch.stack([_padded(p, longest) for p in each]), place, real[:, None, None])
    kept = torch.cat([x[i, :count] for i, count in enumerate(counts)])
    return np.split(coder(kept).cpu().numpy(), np.cumsum(counts)[:-1])


def _padded(rows: Tensor, length: int) -> Tensor:
    """``(L, D)`` → ``(length, D)`` with zeros."""
    return torch.nn.functional.pad(rows, (0, 0, 0, length - len(rows)))
