"""Batches of pictures of any sizes without padding: one after the other in a pack, each attending to itself alone.

Linear layers see one long row of patches; attention takes pictures of one length together (``attention.py``), so a batch is
sorted by length. What a picture costs then hardly depends on its neighbours, only on how full the device is.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.pixels import TOKEN, levels, scaled
from dataengine.tokenize.kelix.quantiser import Coder
from dataengine.tokenize.kelix.vision import MERGE, PATCH_VALUES, Place, VisionTower

#: Tokens of a batch by kind of device, where ``benchmarks/codes.py --only buckets`` measured the least time a token: a CPU's
#: caches hold few activations, a GPU is to be filled. Fixed, because near ties may fall another way in another batch.
TOKENS = {"cpu": 1024, "cuda": 16_384}
#: Patches whose position embeddings are kept.
_PLACED = 1 << 15


class Places(threading.local):
    """Position embeddings of grids, the last used ones kept: a corpus has few sizes, and a video one or two. Each thread has its
    own, for it computes on a stream of its own."""

    def __init__(self, tower: VisionTower) -> None:
        self._tower = tower
        self._held: OrderedDict[tuple[int, int], Place] = OrderedDict()
        self._patches = 0

    def __call__(self, h: int, w: int) -> Place:
        """``tower.place(h, w)``."""
        place = self._held.pop((h, w), None)
        if place is None:
            place = self._tower.place(h, w)
            self._patches += place.learned.shape[1]
        self._held[h, w] = place
        while self._patches > _PLACED and len(self._held) > 1:
            _, old = self._held.popitem(last=False)
            self._patches -= old.learned.shape[1]
        return place


def most_tokens(network: Network) -> int:
    """Tokens of a batch on the network's device."""
    return TOKENS.get(network.device.type, TOKENS["cuda"])


def batches(tokens: Sequence[int], most: int) -> list[list[int]]:
    """Group samples with these token counts, the shortest first: indices, in batches of at most ``most`` tokens (a longer sample
    is alone)."""
    groups: list[list[int]] = []
    held = 0
    for i in sorted(range(len(tokens)), key=lambda i: (tokens[i], i)):
        if not groups or held + tokens[i] > most:
            groups.append([])
            held = 0
        groups[-1].append(i)
        held += tokens[i]
    return groups


@torch.inference_mode()
def encode(
    network: Network, coder: Coder, places: Places, pictures: Sequence[NDArray[np.uint8]]
) -> list[NDArray[np.int64]]:
    """Encode pictures ``(28 h, 28 w, 3)`` of any sizes in one batch: ``(T, N)`` codes of each."""
    sizes = [(p.shape[0] // TOKEN, p.shape[1] // TOKEN) for p in pictures]
    counts = [h * w for h, w in sizes]
    spans = [MERGE**2 * count for count in counts]
    packed = torch.empty(1, sum(spans), PATCH_VALUES, device=network.device)
    for part, picture in zip(torch.split(packed, spans, dim=1), pictures, strict=True):
        part.copy_(levels(picture[None], str(network.device)))
    x = network.vision(scaled(packed).to(network.dtype), joined([places(h, w) for h, w in sizes]), spans=spans)
    return np.split(coder(x[0]).cpu().numpy(), np.cumsum(counts)[:-1])


def joined(places: Sequence[Place]) -> Place:
    """Position embeddings of a pack."""
    return Place(
        torch.cat([p.learned for p in places], dim=1),
        torch.cat([p.cos for p in places], dim=2),
        torch.cat([p.sin for p in places], dim=2),
    )
