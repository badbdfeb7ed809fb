"""The summary layout: what is inserted, where it counts, and that it comes out again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.packed_sequences import packed, same

from dataengine.errors import UsageError
from dataengine.sequence.model import Role
from dataengine.sequence.summary.chunks import run_breaks
from dataengine.sequence.summary.insert import IGNORED, insert, next_token_labels, remove, spread
from dataengine.sequence.summary.packed import chunks_of, labels_of, with_summaries, without_summaries
from dataengine.sequence.summary.settings import Documents, SummaryPositions, SummarySettings, TextPositions
from dataengine.text.layer_windows import parse_windows


def text(length: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Tokens 100, 101, …, positions 0, 1, …, one document."""
    count = np.arange(length, dtype=np.int32)
    return count + 100, count, np.array([0, length], np.int32)


def test_a_summary_follows_every_chunk_and_a_short_last_one() -> None:
    done = insert(*text(11), SummarySettings(chunk=4, independent=False))
    assert done.tokens.tolist() == [100, 101, 102, 103, 151936, 104, 105, 106, 107, 151936, 108, 109, 110, 151936]
    assert done.positions.tolist() == [0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8, 9, 10, 10]
    assert done.cu_seqlens.tolist() == [0, 14]


@pytest.mark.parametrize(
    ("mode", "tokens", "expected"),
    [
        (SummaryPositions.right, 1, [[7], [10]]),
        (SummaryPositions.right, 2, [[3, 7], [8, 10]]),
        (SummaryPositions.right, 4, [[1, 3, 5, 7], [8, 8, 9, 10]]),
        (SummaryPositions.left, 1, [[0], [8]]),
        (SummaryPositions.left, 2, [[0, 3], [8, 8]]),
        (SummaryPositions.zeros, 2, [[0, 0], [0, 0]]),
    ],
)
def test_positions_of_summaries(mode: SummaryPositions, tokens: int, expected: list[list[int]]) -> None:
    """Of a full chunk of 8 and a last one of 3, which begins at 8; the published code has it begin at 3."""
    done = insert(*text(11), SummarySettings(tokens=tokens, summary_positions=mode))
    assert done.positions[done.summary].reshape(2, tokens).tolist() == expected
    assert done.positions[~done.summary].tolist() == list(range(11))


def test_positions_of_text_within_chunks_and_of_three_axes() -> None:
    tokens, positions, borders = text(10)
    inner = insert(tokens, positions, borders, SummarySettings(text_positions=TextPositions.inner_chunk))
    assert inner.positions.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 7, 0, 1, 9]
    axes = insert(tokens, np.stack([positions, positions * 2, positions * 3]), borders, SummarySettings())
    assert axes.positions[:, axes.summary].tolist() == [[7, 9], [14, 18], [21, 27]]


def test_borders_of_documents_move_as_published() -> None:
    tokens, positions, _ = text(32)
    borders = np.array([0, 3, 8, 12, 24, 32], np.int32)
    moved = insert(tokens, positions, borders, SummarySettings()).cu_seqlens
    assert moved.tolist() == (borders + borders // 8).tolist()


def test_labels_step_over_the_summary() -> None:
    """The last token of a chunk has the next chunk's first as its label, and no summary has any."""
    tokens, positions, borders = text(10)
    mask = np.ones(10, np.uint8)
    labels = next_token_labels(tokens, mask)
    assert labels.tolist() == [*range(101, 110), IGNORED]
    done = insert(tokens, positions, borders, SummarySettings(chunk=4))
    wide = spread(labels, done.summary, IGNORED)
    assert wide.tolist() == [101, 102, 103, 104, -100, 105, 106, 107, 108, -100, 109, -100, -100]


def test_labels_stay_within_documents_where_they_are_named() -> None:
    tokens, _, _ = text(6)
    borders = np.array([0, 2, 6], np.int32)
    assert next_token_labels(tokens, np.ones(6, np.uint8), borders).tolist() == [101, -100, 103, 104, 105, -100]
    rows = np.stack([tokens, tokens + 50], axis=1)
    masked = next_token_labels(rows, np.array([1, 1, 1, 0, 1, 1], np.uint8), borders)
    assert masked.tolist() == [[101, 151], [-100, -100], [-100, -100], [104, 154], [105, 155], [-100, -100]]


def test_chunks_end_with_documents_and_visual_blocks_on_request() -> None:
    tokens, positions, _ = text(20)
    borders = np.array([0, 5, 20], np.int32)
    visual = np.zeros(20, bool)
    visual[8:17] = True
    within = SummarySettings(chunk=4, documents=Documents.within, align_visual=True)
    done = insert(tokens, positions, borders, within, visual=visual)
    assert done.borders.tolist() == [0, 4, 5, 8, 12, 16, 17, 20]
    assert done.documents.tolist() == [0, 0, 1, 1, 1, 1, 1]
    with pytest.raises(ValueError, match="nothing says which tokens are visual"):
        insert(tokens, positions, borders, within)


@given(st.data(), st.integers(1, 70), st.integers(1, 9), st.integers(1, 3), st.integers(1, 4))
def test_what_is_inserted_comes_out_again(data: Any, length: int, chunk: int, summaries: int, width: int) -> None:
    draw = data.draw
    shape = (length,) if width == 1 else (length, width)
    tokens = np.random.default_rng(length).integers(0, 1000, shape).astype(np.int32)
    cuts = draw(st.sets(st.integers(1, length)))
    borders = np.array([0, *sorted(cuts | {length})], np.int32)
    visual = np.array(draw(st.lists(st.booleans(), min_size=length, max_size=length)))
    settings = SummarySettings(
        chunk=chunk, tokens=summaries, documents=draw(st.sampled_from(Documents)), align_visual=draw(st.booleans())
    )
    positions = np.arange(length, dtype=np.int32)
    done = insert(tokens, positions, borders, settings, visual=visual, fill=7)
    assert np.array_equal(remove(done.tokens, done.summary), tokens)
    assert np.array_equal(done.positions[~done.summary], positions)
    assert np.array_equal(remove(spread(tokens, done.summary, 7), done.summary), tokens)
    lengths = np.diff(done.borders)
    assert lengths.min() >= 1 and lengths.max() <= chunk and done.borders[-1] == length
    assert len(done.tokens) == length + len(lengths) * summaries and done.summary[-1]
    starts = set(done.borders.tolist())
    if settings.documents is Documents.within:
        assert starts >= set(borders.tolist())
    if settings.align_visual:
        assert starts >= set(run_breaks(visual).tolist())
    else:
        assert settings.documents is Documents.within or len(done.tokens) == length + -(-length // chunk) * summaries
    at = done.cu_seqlens[:-1]  # a document still begins with its own first token
    assert np.array_equal(done.tokens[at], tokens[borders[:-1]]) and done.cu_seqlens[-1] == len(done.tokens)


@pytest.mark.parametrize(
    ("pattern", "windows"),
    [
        ("([128]*3+[1024]*1)*6", [128, 128, 128, 1024] * 6),
        ("([4096]*1+[128]*3)*9", [4096, 128, 128, 128] * 9),
        ("[1,2]*2+[3]", [1, 2, 1, 2, 3]),
        (" ( [ 0 ] ) * 2 ", [0, 0]),
        (128, [128]),
    ],
)
def test_windows_by_layer(pattern: str | int, windows: list[int]) -> None:
    assert parse_windows(pattern) == windows


@pytest.mark.parametrize(
    "pattern",
    ["", "[]", "[128", "128*3", "[128]*-1", "[1]*2000", "([1]*64)*64", "[1]+", "import os", "(" * 400, "[1]*0"],
)
def test_other_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="window pattern"):
        parse_windows(pattern)


@pytest.mark.parametrize("field", [{"chunk": 0}, {"tokens": 0}, {"begin": -1}])
def test_impossible_settings_are_refused(field: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="must be at least"):
        SummarySettings(**field)  # type: ignore[arg-type]


@given(st.integers(0, 500), st.sampled_from([(1, 1), (9, 1), (1, 3)]), st.integers(1, 9), st.integers(1, 2), st.data())
def test_packed_sequences_keep_documents_and_labels_through_summaries(
    seed: int, shape: tuple[int, int], chunk: int, summaries: int, data: Any
) -> None:
    width, axes = shape
    one = packed(seed, 50, width=width, axes=axes, padding=seed % 4)
    kept = data.draw(st.sampled_from(Documents))
    layout = SummarySettings(chunk=chunk, tokens=summaries, documents=kept, align_visual=data.draw(st.booleans()))
    wide = with_summaries(one, layout, fill=7)
    assert same(without_summaries(wide), one)
    summary = wide.roles == Role.SUMMARY
    assert not wide.loss_mask[summary].any() and wide.padding >= one.padding
    for narrow, moved in zip(one.pieces(), wide.pieces(), strict=True):
        text = moved[1][~summary[moved[0].start : moved[0].stop]]
        assert narrow[0].id == moved[0].id and np.array_equal(text, narrow[1])
    assert np.array_equal(labels_of(wide)[~summary], labels_of(one)) and (labels_of(wide)[summary] == IGNORED).all()
    chunks = chunks_of(wide, layout)
    direct = insert(one.tokens, one.positions, one.cu_seqlens, layout, visual=one.roles == Role.CODE, fill=7)
    assert np.array_equal(chunks.borders, direct.borders) and np.array_equal(chunks.documents, direct.documents)


def test_summaries_are_put_in_once_and_looked_for_where_they_are() -> None:
    one = packed(3)
    wide = with_summaries(one, SummarySettings())
    with pytest.raises(ValueError, match="has summary tokens already"):
        with_summaries(wide, SummarySettings())
    with pytest.raises(ValueError, match="has no summary layout"):
        chunks_of(one, SummarySettings())
