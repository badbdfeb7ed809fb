"""Visibility of the summary layout for PyTorch's FlexAttention: its ``mask_mod``, and its block mask without the dense one.

``create_block_mask`` looks at every pair of positions, 21 billion for 128 K tokens; ``block_lists`` counts by chunk.
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


def mask_mod(seen: Visibility, device: Any = "cpu") -> Callable[[Any, Any, Any, Any], Any]:
    """``mask_mod(batch, head, q, kv)`` for ``torch.nn.attention.flex_attention``: whether position q sees position kv."""
    import torch

    chunk_of = torch.from_numpy(seen.chunk_of).to(device)
    is_summary = torch.from_numpy(seen.is_summary).to(device)
    near_of = torch.from_numpy(seen.near).to(device)
    first_of = torch.from_numpy(seen.first).to(device)

    def visible(batch: Any, head: Any, q: Any, kv: Any) -> Any:
        c, d = chunk_of[q], chunk_of[kv]
        own = (c == d) & (kv <= q)
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


def block_lists(seen: Visibility, block: int = BLOCK) -> BlockLists:
    """Blocks of ``block`` × ``block`` positions that are seen in part and in whole. Memory: blocks squared."""
    pairs = np.stack([_pairs(seen, low, block) for low in range(0, seen.length, block)])
    whole = pairs == block * block
    return BlockLists(block, *_listed((pairs > 0) & ~whole), *_listed(whole))


def block_mask(seen: Visibility, device: Any = "cpu", block: int = BLOCK) -> Any:
    """A ``BlockMask`` of FlexAttention for this visibility, made of ``block_lists`` and ``mask_mod``."""
    import torch
    from torch.nn.attention.flex_attention import BlockMask

    lists = block_lists(seen, block)
    parts = (lists.partial_count, lists.partial, lists.full_count, lists.full)
    counts, blocks, full_counts, full_blocks = (torch.from_numpy(part)[None, None].to(device) for part in parts)
    return BlockMask.from_kv_blocks(
        counts,
        blocks,
        full_counts,
        full_blocks,
        BLOCK_SIZE=block,
        mask_mod=mask_mod(seen, device),
        seq_lengths=(seen.length, seen.length),
    )


def _pairs(seen: Visibility, low: int, block: int) -> NDArray[np.int64]:
    """Visible pairs of the queries from ``low`` on with each block of keys."""
    high = min(low + block, seen.length)
    first, last = (int(c) for c in np.searchsorted(seen.end, (low, high - 1), side="right"))
    text, summary = np.zeros(last + 2, np.int64), np.zeros(last + 2, np.int64)
    for c in range(first, last + 1):
        queries = max(0, min(high, int(seen.text_end[c])) - max(low, int(seen.start[c])))
        text[seen.near[c]] += queries
        text[c] -= queries
        summary[seen.first[c]] += queries
        summary[seen.near[c]] -= queries
    by_chunk = np.stack([text, summary], axis=1).cumsum(axis=0)[: last + 1]
    lengths = np.stack([seen.text_end - seen.start, seen.end - seen.text_end], axis=1)[: last + 1]
    keys = np.zeros(-(-seen.length // block) * block, np.int64)
    keys[: int(seen.end[last])] = np.repeat(by_chunk.ravel(), lengths.ravel())
    for q, c in zip(range(low, high), seen.chunk_of[low:high].tolist(), strict=True):
        keys[seen.start[c] : q + 1] += 1
    pairs: NDArray[np.int64] = keys.reshape(-1, block).sum(axis=1)
    return pairs


def _listed(blocks: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Number of true columns in each row, and which, padded with 0."""
    order = np.argsort(~blocks, axis=1, kind="stable").astype(np.int32)
    counts = blocks.sum(axis=1, dtype=np.int32)
    order[np.arange(blocks.shape[1])[None] >= counts[:, None]] = 0
    return counts, order
