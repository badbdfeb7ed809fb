"""Attention of several samples in one pack, each to itself alone: no padding and no mask of the whole pack is computed.

On CUDA in half precision one FlashAttention kernel takes all lengths at once; elsewhere neighbours of equal length are one
batch of scaled dot-product attention. Both compute the same sums in another order, so codes differ in near ties at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

#: ``(query, key, value (L, heads, d), borders, borders, longest, longest)``.
Kernel = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int, int], Any]
_HALF = (torch.bfloat16, torch.float16)
_TO_THE_LEFT = (-1, 0)
"""The window of causal attention in a kernel for variable lengths."""


def attend(q: Tensor, k: Tensor, v: Tensor, spans: Sequence[int], causal: bool = False) -> Tensor:
    """``(1, heads, L, d)`` of samples of these lengths, one after the other → the same shape. Under autocast the type is that of
    ``v``: rotary positions are float32, and so are ``q`` and ``k`` after them."""
    if torch.is_autocast_enabled(v.device.type):
        q, k = q.to(v.dtype), k.to(v.dtype)
    if q.is_cuda and q.dtype in _HALF:
        from torch.nn.attention.varlen import varlen_attn

        return by_borders(q, k, v, spans, partial(varlen_attn, window_size=_TO_THE_LEFT) if causal else varlen_attn)
    return by_length(q, k, v, spans, causal)


def by_length(q: Tensor, k: Tensor, v: Tensor, spans: Sequence[int], causal: bool = False) -> Tensor:
    """Runs of samples of one length in a call each."""
    _, heads, _, d = q.shape
    at, parts = 0, []
    for length, run in groupby(spans):
        count = sum(1 for _ in run)
        piece = slice(at, at := at + count * length)
        a, b, c = (t[0, :, piece].view(heads, count, length, d).transpose(0, 1) for t in (q, k, v))
        seen = functional.scaled_dot_product_attention(a, b, c, is_causal=causal)
        parts.append(seen.transpose(0, 1).reshape(1, heads, count * length, d))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def by_borders(q: Tensor, k: Tensor, v: Tensor, spans: Sequence[int], kernel: Kernel) -> Tensor:
    """All samples in one call of a kernel for variable lengths."""
    borders, longest = _borders(tuple(spans), q.device), max(spans)
    a, b, c = (t[0].transpose(0, 1).contiguous() for t in (q, k, v))
    seen: Tensor = kernel(a, b, c, borders, borders, longest, longest)
    return seen.transpose(0, 1)[None]


def packed(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    *,
    spans: Sequence[int],
    **_: Any,
) -> tuple[Tensor, None]:
    """``attend`` as ``transformers`` calls an attention function: causal, ``key`` and ``value`` with fewer heads where several
    heads of ``query`` share one. Returns ``(1, L, heads, d)``."""
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = (t.repeat_interleave(shared, dim=1) for t in (key, value))
    return attend(query, key, value, spans, causal=True).transpose(1, 2), None


@lru_cache(maxsize=8)
def _borders(spans: tuple[int, ...], device: torch.device) -> Tensor:
    """Made once for all layers of a tower: copying it to a device waits for what that computes."""
    starts = torch.tensor([0, *spans], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    return starts.to(device)
