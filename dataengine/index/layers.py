"""Nodes of the tree, layer by layer: the mean of all vectors below each (MISS, arXiv 2508.14515).

The binary tree's layers are kept at every ``log2(fan_out)``-th depth, counted from the leaves, so that a node has ``fan_out``
children.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


def depths(depth: int, fan_out: int) -> list[int]:
    """Depths that are kept, the leaves' last; the root, which is in every beam, is not among them unless it is the only node."""
    step = fan_out.bit_length() - 1
    return sorted(range(depth, 0, -step)) or [depth]


def means(sums: Int64, sizes: Int64, above: int, kept: list[int]) -> tuple[Float32, Int64]:
    """Nodes of a subtree whose root lies at depth ``above``: those of the layers of ``kept`` that are not above it, one after
    another, each in the order of its nodes, in units of the vectors' length; and the sum of all its vectors. ``sums`` and
    ``sizes`` are of the lowest nodes. A node without vectors is zero."""
    layers = []
    for depth in range(above + len(sizes).bit_length() - 1, above - 1, -1):
        if depth in kept:
            layers.append((sums / np.maximum(sizes, 1)[:, None]).astype(np.float32))
        if depth > above:
            sums, sizes = sums.reshape(-1, 2, sums.shape[1]).sum(1), sizes.reshape(-1, 2).sum(1)
    return np.concatenate([np.zeros((0, sums.shape[1]), np.float32), *layers[::-1]]), sums[0]


def split(nodes: Any, above: int, kept: list[int]) -> dict[int, Any]:
    """The nodes that ``means`` gave, by depth."""
    out, start = {}, 0
    for depth in kept:
        if depth >= above and start < len(nodes):
            out[depth] = nodes[start : start + (1 << (depth - above))]
            start += len(out[depth])
    return out
