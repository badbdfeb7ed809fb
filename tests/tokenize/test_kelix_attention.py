"""Attention of a pack equals that with a mask of blocks, and what is kept between batches changes no code."""

from __future__ import annotations

import pytest
import torch
from support import tiny_kelix
from torch import Tensor
from torch.nn import functional

from dataengine.tokenize.kelix import buckets
from dataengine.tokenize.kelix.attention import attend, by_borders, packed
from dataengine.tokenize.kelix.quantiser import Coder, nearest

SPANS = [[4], [4, 4, 4], [4, 8, 8, 4], [12, 4, 20]]


def drawn(spans: list[int]) -> list[Tensor]:
    torch.manual_seed(sum(spans))
    return list(torch.randn(3, 1, 2, sum(spans), 8, dtype=torch.float64).unbind(0))


def masked(q: Tensor, k: Tensor, v: Tensor, spans: list[int]) -> Tensor:
    mask = torch.block_diag(*(torch.ones(n, n) for n in spans)).bool()
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


@pytest.mark.parametrize("spans", SPANS)
def test_pictures_of_a_pack_attend_to_themselves_alone(spans: list[int]) -> None:
    q, k, v = drawn(spans)
    assert torch.allclose(attend(q, k, v, spans), masked(q, k, v, spans), atol=1e-12)


@pytest.mark.parametrize("spans", SPANS)
def test_a_kernel_for_variable_lengths_gets_the_borders_of_the_pictures(spans: list[int]) -> None:
    """The kernel of CUDA takes what this one takes: (L, heads, d), where the pictures begin and end, and the longest."""

    def kernel(q: Tensor, k: Tensor, v: Tensor, at: Tensor, same: Tensor, most: int, also: int) -> Tensor:
        assert at.dtype == torch.int32 and at.tolist() == same.tolist() and at[-1] == len(q)
        assert most == also == int(at.diff().max())
        pieces = [slice(a, b) for a, b in zip(at[:-1].tolist(), at[1:].tolist(), strict=True)]
        each = [[t[p].transpose(0, 1) for t in (q, k, v)] for p in pieces]
        return torch.cat([functional.scaled_dot_product_attention(*one).transpose(0, 1) for one in each])

    q, k, v = drawn(spans)
    assert torch.allclose(by_borders(q, k, v, spans, kernel), masked(q, k, v, spans), atol=1e-12)


@pytest.mark.parametrize("spans", SPANS)
def test_tokens_of_a_text_see_those_before_them_in_the_same_text(spans: list[int]) -> None:
    q, k, v = drawn(spans)
    mask = torch.block_diag(*(torch.ones(n, n) for n in spans)).bool().tril()
    expected = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    assert torch.allclose(attend(q, k, v, spans, causal=True), expected, atol=1e-12)
    shared, _ = packed(None, q, k[:, :1], v[:, :1], spans=spans)
    one = functional.scaled_dot_product_attention(q, k[:, :1].expand_as(q), v[:, :1].expand_as(q), attn_mask=mask)
    assert torch.allclose(shared, one.transpose(1, 2), atol=1e-12)


def test_under_autocast_positions_do_not_bring_float32_back() -> None:
    q, k, v = (t.float() for t in drawn([4, 8]))
    with torch.autocast("cpu", torch.bfloat16):
        assert attend(q, k, v.bfloat16(), [4, 8]).dtype == torch.bfloat16


def test_gradients_reach_every_picture_of_a_pack() -> None:
    q, k, v = (t.requires_grad_() for t in drawn([4, 8, 8]))
    attend(q, k, v, [4, 8, 8]).square().sum().backward()
    assert q.grad is not None and (q.grad.abs().sum((0, 1, 3)) > 0).all()


def test_kept_positions_are_those_of_the_tower_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    tower = tiny_kelix.small().network.vision
    monkeypatch.setattr(buckets, "_PLACED", 60)
    places = buckets.Places(tower)
    for h, w in [(2, 3), (1, 4), (2, 3), (3, 3), (2, 3), (4, 4), (1, 4)]:
        for ours, theirs in zip(places(h, w), tower.place(h, w), strict=True):
            assert torch.equal(ours, theirs)
        assert sum(p.learned.shape[1] for p in places._held.values()) <= max(60, 4 * h * w)


def test_the_coder_finds_the_nearest_entries_in_pieces_of_any_size() -> None:
    quantiser = tiny_kelix.small().network.quantiser
    coder, x = Coder(quantiser), torch.randn(50, 48)
    with torch.no_grad():
        expected = [nearest(z, b.entries()) for z, b in zip(quantiser.codes(x), quantiser.codebooks(), strict=True)]
        assert torch.equal(coder(x), torch.stack(expected, -1))
        coder._rows = 7
        assert (coder(x) == torch.stack(expected, -1)).float().mean() > 0.99
