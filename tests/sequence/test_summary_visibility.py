"""Masks of the summary layout, however they are written, are those of the rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from dataengine.sequence.summary.flex import Order, block_lists, block_mask, grouped_order, mask_mod
from dataengine.sequence.summary.insert import Summarised, insert
from dataengine.sequence.summary.settings import Documents, SummarySettings
from dataengine.sequence.summary.visibility import Visibility, dense_mask, visibility


def sequence(length: int, summary: SummarySettings, cuts: set[int] = frozenset(), runs: int = 0) -> Summarised:  # type: ignore[assignment]
    tokens = np.arange(length, dtype=np.int32)
    borders = np.array([0, *sorted(cuts | {length})], np.int32)
    visual = np.random.default_rng(runs).random(length) < 0.5 if runs else np.zeros(length, bool)
    return insert(tokens, tokens, borders, summary, visual=visual)


def by_mod(seen: Visibility, order: Order | None = None) -> Any:
    at = torch.arange(seen.length)
    return mask_mod(seen, order=order)(0, 0, at[:, None], at[None, :]).numpy()


def by_ranges(seen: Visibility) -> Any:
    mask = np.zeros((seen.length, seen.length), bool)
    for q in range(seen.length):
        for begin, end in seen.keys_of(q):
            assert not mask[q, begin:end].any(), "ranges overlap"
            mask[q, begin:end] = True
    return mask


def by_blocks(seen: Visibility, block: int, exact: Any, order: Order | None = None) -> Any:
    """The mask that a kernel would compute: whole blocks as they are, partial ones by the exact mask."""
    lists = block_lists(seen, block, order)
    mask = np.zeros_like(exact)
    for q in range(len(lists.partial_count)):
        rows = slice(q * block, (q + 1) * block)
        for k in lists.full[q, : lists.full_count[q]]:
            mask[rows, k * block : (k + 1) * block] = True
        for k in lists.partial[q, : lists.partial_count[q]]:
            cell = exact[rows, k * block : (k + 1) * block]
            assert cell.any() and not (cell.all() and cell.shape == (block, block)), "listed in the wrong list"
            mask[rows, k * block : (k + 1) * block] = cell
    return mask


@settings(max_examples=60)
@given(st.data(), st.integers(1, 60), st.integers(1, 9), st.integers(1, 3), st.integers(0, 8), st.integers(1, 16))
def test_every_form_of_the_mask_equals_the_dense_reference(
    data: Any, length: int, chunk: int, summaries: int, window: int, block: int
) -> None:
    layout = SummarySettings(
        chunk=chunk,
        tokens=summaries,
        documents=data.draw(st.sampled_from(Documents)),
        align_visual=data.draw(st.booleans()),
    )
    one = sequence(length, layout, data.draw(st.sets(st.integers(1, length))), data.draw(st.integers(0, 3)))
    seen, exact = visibility(one, window), dense_mask(one, window)
    assert np.array_equal(by_mod(seen), exact)
    assert np.array_equal(by_ranges(seen), exact)
    assert np.array_equal(by_blocks(seen, block, exact), exact)
    order = grouped_order(seen)
    moved = exact[order][:, order]
    assert np.array_equal(by_mod(seen, order), moved) and np.array_equal(by_blocks(seen, block, moved, order), moved)
    assert seen.keys() == exact.sum() and np.array_equal(seen.is_summary, one.summary)


def test_the_published_mask() -> None:
    """Written out by hand for 4 chunks of 2 and a window of one: t t S t t S t t S t t S."""
    rows = [
        "1...........",
        "11..........",
        "111.........",
        "11.1........",
        "11.11.......",
        "...111......",
        "..1" + "11.1.....",
        "..1" + "11.11....",
        "......111...",
        "..1" + "..1" + "11.1..",
        "..1" + "..1" + "11.11.",
        "........." + "111",
    ]
    expected = np.array([[c == "1" for c in row] for row in rows])
    one = sequence(8, SummarySettings(chunk=2))
    assert np.array_equal(dense_mask(one, 1), expected) and np.array_equal(by_mod(visibility(one, 1)), expected)


def test_no_chunk_is_seen_both_ways_and_none_is_missed() -> None:
    one = sequence(61, SummarySettings(chunk=4))
    mask, seen = dense_mask(one, 3), visibility(one, 3)
    for q in np.flatnonzero(~one.summary):
        for d in range(seen.chunk_of[q]):
            text = mask[q, seen.start[d] : seen.text_end[d]]
            summary = mask[q, seen.text_end[d] : seen.end[d]]
            assert (text.all() and not summary.any()) or (summary.all() and not text.any())


def test_nothing_of_another_document_is_seen_where_they_are_kept_apart() -> None:
    one = sequence(40, SummarySettings(chunk=4, documents=Documents.within), {13, 20})
    mask = dense_mask(one, 2)
    document = one.documents[visibility(one, 2).chunk_of]
    assert not mask[document[:, None] != document[None, :]].any()


@pytest.mark.slow
def test_flex_attention_with_our_block_mask_equals_dense_attention() -> None:
    one = sequence(150, SummarySettings(chunk=8), {70})
    seen, mask = visibility(one, 4), torch.from_numpy(dense_mask(one, 4))
    assert seen.length % 32, "the last block is cut short"
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, seen.length, 16) for _ in range(3))
    exact = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    for made in (
        block_mask(seen, block=32),
        create_block_mask(mask_mod(seen), None, None, seen.length, seen.length, device="cpu", BLOCK_SIZE=32),
    ):
        torch.testing.assert_close(flex_attention(q, k, v, block_mask=made), exact, atol=1e-5, rtol=1e-5)
    order = grouped_order(seen)
    moved = (x[:, :, order] for x in (q, k, v))
    grouped = flex_attention(*moved, block_mask=block_mask(seen, block=32, order=order))[:, :, np.argsort(order)]
    torch.testing.assert_close(grouped, exact, atol=1e-5, rtol=1e-5)


def test_with_text_and_summaries_apart_most_blocks_are_skipped() -> None:
    seen = visibility(sequence(4096, SummarySettings()), 16)
    alone, grouped = block_lists(seen), block_lists(seen, order=grouped_order(seen))
    assert alone.computed > 0.5 and not alone.full_count.any()
    assert grouped.computed < 0.2 and grouped.full_count.sum() > 0
