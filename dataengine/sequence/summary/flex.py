"""Visibility of the summary layout for PyTorch's FlexAttention: its ``mask_mod``, and its block mask without the dense one.

``create_block_mask`` looks at every pair of positions, 21 billion for 128 K tokens; ``block_lists`` counts by chunk. In the
order of the sequence a kernel can skip no earlier block: each has some summaries. With ``grouped_order``, text first and then all
summaries, it skips most; attention does not care for the order of positions, as long as each keeps its position id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.sequence.summary.visibility import Visibility

#: Positions of a side of a block; FlexAttention's default.
BLOCK = 128
#: (L',) the position of the sequence at each place that a kernel sees.
Order = NDArray[np.int64]


def grouped_order(seen: Visibility) -> Order:
    """All text in order, then all summaries: ``x[order]`` is what attention is given, ``y[np.argsort(order)]`` undoes it."""
    order: Order = np.argsort(seen.is_summary, kind="stable")
    return order


def mask_mod(seen: Visibility, device: Any = "cpu", order: Order | None = None) -> Callable[[Any, Any, Any, Any], Any]:
    """``mask_mod(batch, head, q, kv)`` for ``torch.nn.attention.flex_attention``: whether the position at place q sees the one at
    place kv; places are positions, or those of ``order``."""
    import torch

    places = np.arange(seen.length) if order is None else order
    position_of = torch.from_numpy(places).to(device)
    chunk_of = torch.from_numpy(seen.chunk_of[places]).to(device)
    is_summary = torch.from_numpy(seen.is_summary[places]).to(device)
    near_of = torch.from_numpy(seen.near).to(device)
    first_of = torch.from_numpy(seen.first).to(device)

    def visible(batch: Any, head: Any, q: Any, kv: Any) -> Any:
        c, d = chunk_of[q], chunk_of[kv]
        own = (c == d) & (position_of[kv] <= position_of[q])
        near = ~is_summary[kv] & (d < c) & (d >= near_of[c])
        far = is_summary[kv] & (d < near_of[c]) & (d >= first_of[c])
        return own | (~is_summary[q] & (near | far))

    return visible


@dataclass(frozen=True, eq=False)
class BlockLists:
    """By block of queries: (B,) number of blocks of keys in which some pairs are visible, and (B, B) which these are, padded
    with 0; the same of blocks in which all pairs are. ``block``: positions of a side."""

    block: int
    partial_count: NDArray[np.int32]
    partial: NDArray[np.int32]
    full_count: NDArray[np.int32]
    full: NDArray[np.int32]

    @property
    def computed(self) -> float:
        """Share of all blocks that a kernel computes."""
        return float(self.partial_count.sum() + self.full_count.sum()) / len(self.full_count) ** 2


def block_lists(seen: Visibility, block: int = BLOCK, order: Order | None = None) -> BlockLists:
    """Blocks of ``block`` × ``block`` places that are seen in part and in whole. Memory: blocks squared."""
    places = np.arange(seen.length) if order is None else order
    pairs = np.stack([_pairs(seen, places, low, block) for low in range(0, seen.length, block)])
    whole = pairs == block * block
    return BlockLists(block, *_listed((pairs > 0) & ~whole), *_listed(whole))


def block_mask(seen: Visibility, device: Any = "cpu", block: int = BLOCK, order: Order | None = None) -> Any:
    """A ``BlockMask`` of FlexAttention for this visibility, made of ``block_lists`` and ``mask_mod``."""
    import torch
    from torch.nn.attention.flex_attention import BlockMask

    lists = block_lists(seen, block, order)
    parts = (lists.partial_count, lists.partial, lists.full_count, lists.full)
    counts, blocks, full_counts, full_blocks = (torch.from_numpy(part)[None, None].to(device) for part in parts)
    return BlockMask.from_kv_blocks(
        counts,
        blocks,
        full_counts,
        full_blocks,
        BLOCK_SIZE=block,
        mask_mod=mask_mod(seen, device, order),
        seq_lengths=(seen.length, seen.length),
    )


def _pairs(seen: Visibility, places: Order, low: int, block: int) -> NDArray[np.int64]:
    """Visible pairs of the queries at ``low`` and after with each block of keys."""
    queries = places[low : low + block]
    chunks = seen.chunk_of[queries]
    texts = np.bincount(chunks[~seen.is_summary[queries]], minlength=len(seen.start))
    text, summary = np.zeros(len(seen.start) + 1, np.int64), np.zeros(len(seen.start) + 1, np.int64)
    for c in np.flatnonzero(texts).tolist():
        text[seen.near[c]] += texts[c]
        text[c] -= texts[c]
        summary[seen.first[c]] += texts[c]
        summary[seen.near[c]] -= texts[c]
    by_chunk = np.stack([text, summary], axis=1).cumsum(axis=0)[:-1]
    lengths = np.stack([seen.text_end - seen.start, seen.end - seen.text_end], axis=1)
    keys = np.repeat(by_chunk.ravel(), lengths.ravel())
    for q, c in zip(queries.tolist(), chunks.tolist(), strict=True):
        keys[seen.start[c] : q + 1] += 1
    padded = np.zeros(-(-seen.length // block) * block, np.int64)
    padded[: seen.length] = keys[places]
    pairs: NDArray[np.int64] = padded.reshape(-1, block).sum(axis=1)
    return pairs


def _listed(blocks: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Number of true columns in each row, and which, padded with 0."""
    order = np.argsort(~blocks, axis=1, kind="stable").astype(np.int32)
    counts = blocks.sum(axis=1, dtype=np.int32)
    order[np.arange(blocks.shape[1])[None] >= counts[:, None]] = 0
    return counts, order
