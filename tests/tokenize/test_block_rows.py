"""Rows of next-block prediction against the numbers of the Kelix report, with Qwen's own text tokenizer."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataengine.media.video.sampling import FAST, SLOW
from dataengine.tokenize.base import Codes, Timeline
from dataengine.tokenize.pack import IGNORED, Sample, assistant_turns, chat, document, labels_of, pack, weights_of
from dataengine.tokenize.rows import codes_of, global_ids, is_visual, rows_of
from dataengine.tokenize.text import QwenText
from dataengine.tokenize.vocabulary import Layout, Vocabulary

QWEN = QwenText()
KELIX = Layout((8192,) * 8, QWEN.encode)
EOB, START, END, ROW, ROW_END = 151_681, 151_652, 151_653, 151_682, 151_683
FRAME, FAST_START, FAST_END = 151_675, 151_676, 151_677


def picture(h: int, w: int, layout: Layout = KELIX, seed: int = 0) -> Codes:
    return Codes(_tokens(h * w, layout.codebook_sizes, seed, np.uint16), (1, h, w))


def _tokens(n: int, sizes: tuple[int, ...], seed: int, dtype: Any) -> Any:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, n, np.uint64) for size in sizes], axis=1).astype(dtype)


@st.composite
def layouts(draw: st.DrawFn, dtype: Any) -> Layout:
    largest = int(np.iinfo(dtype).max) + 1
    sizes = draw(st.lists(st.integers(1, largest), min_size=1, max_size=9))
    return Layout(tuple(sizes), QWEN.encode, Vocabulary(first_row=draw(st.sampled_from([0, 1]))))


@st.composite
def coded(draw: st.DrawFn) -> tuple[Layout, Codes]:
    """Any layout and codes that fit it; what rows do not tell is as ``codes_of`` says it is."""
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.uint32]))
    layout = draw(layouts(dtype))
    t, h, w = draw(st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)))
    line = None
    if draw(st.booleans()):
        kinds = draw(st.tuples(*[st.sampled_from([SLOW, FAST])] * t))
        small = draw(st.tuples(st.integers(1, 4), st.integers(1, 4))) if FAST in kinds else (h, w)
        h, w = (h, w) if SLOW in kinds else small
        times = draw(st.tuples(*[st.integers(0, 10**6).map(lambda n: n / 10)] * t))
        line = Timeline(kinds, times, small)
    count = sum(a * b for a, b in line.grids((t, h, w))) if line else t * h * w
    return layout, Codes(_tokens(count, layout.codebook_sizes, draw(st.integers(0, 9)), dtype), (t, h, w), line)


@settings(max_examples=200)
@given(coded(), coded(), st.text(max_size=20))
def test_codes_come_back_from_rows(one: tuple[Layout, Codes], other: tuple[Layout, Codes], text: str) -> None:
    layout, codes = one
    dtype = codes.tokens.dtype
    again = Codes(codes.tokens[::-1].copy(), codes.grid, codes.timeline)
    rows = rows_of([text, codes, text, again], layout)
    assert rows.shape[1] == len(layout.codebook_sizes) + 1 and rows.max() < layout.size
    assert codes_of(rows, layout, QWEN.decode, dtype) == [codes, again]
    if other[0].codebook_sizes != layout.codebook_sizes and len(other[0].codebook_sizes) != len(layout.codebook_sizes):
        with pytest.raises(ValueError, match="codebooks"):
            rows_of([other[1]], layout)


@given(st.text(max_size=200))
def test_the_text_tokenizer_is_reversible_and_never_special(text: str) -> None:
    ids = QWEN.encode(text)
    assert QWEN.decode(ids) == unicodedata.normalize("NFC", text) and all(0 <= i < 151_643 for i in ids)


def test_the_text_tokenizer_has_qwens_ids() -> None:
    """The Kelix code's start pattern, and digits one by one."""
    assert QWEN.encode("assistant\n") == [77_091, 198]
    assert QWEN.encode("10,18") == [16, 15, 11, 16, 23]
    assert len(QWEN.encode("<|im_end|>")) > 1


def test_an_image_of_504_pixels_has_442_positions() -> None:
    """The report: 324 image tokens and 118 for position. Row markers from 1 would make 443."""
    codes = picture(18, 18)
    assert len(rows_of([codes], KELIX)) == 324 + 118
    from_one = Layout(KELIX.codebook_sizes, QWEN.encode, Vocabulary(first_row=1))
    assert len(rows_of([codes], from_one)) == 443


def test_a_picture_row_by_row() -> None:
    codes = Codes(np.array([[0, 0], [1, 2], [3, 4], [5, 6]], np.uint8), (1, 2, 2))
    layout = Layout((10, 20), QWEN.encode)
    a, b = 151_936, 151_946
    text = [[START], [ROW, 15, 11, 17, ROW_END], [ROW, 16, 11, 17, ROW_END], [END]]
    visual = [[[a, b], [a + 1, b + 2]], [[a + 3, b + 4], [a + 5, b + 6]]]
    expected = [[t, EOB, EOB] for t in text[0] + text[1]] + [[*c, EOB] for c in visual[0]]
    expected += [[t, EOB, EOB] for t in text[2]] + [[*c, EOB] for c in visual[1]] + [[END, EOB, EOB]]
    assert rows_of([codes], layout).tolist() == expected


def test_global_ids_are_vocab_size_plus_i_k_plus_c() -> None:
    codes = picture(3, 5)
    expected = 151_936 + np.arange(8) * 8192 + codes.tokens.astype(np.int64)
    assert (global_ids(codes, KELIX) == expected).all() and KELIX.size == 217_472
    assert Layout((4, 300, 7), QWEN.encode).offsets.tolist() == [151_936, 151_940, 152_240]


def test_frames_of_a_video_have_their_seconds_and_fast_ones_their_marks() -> None:
    line = Timeline((SLOW, FAST), (0.0, 10.54), (1, 1))
    codes = Codes(np.array([[7], [8], [9]], np.uint8), (2, 1, 2), line)
    rows = rows_of([codes], Layout((16,), QWEN.encode))
    v = 151_936
    slow = [FRAME, *QWEN.encode("0.0"), ROW, *QWEN.encode("0,2"), ROW_END, v + 7, v + 8]
    fast = [FRAME, *QWEN.encode("10.5"), FAST_START, ROW, *QWEN.encode("0,1"), ROW_END, v + 9, FAST_END]
    assert rows[:, 0].tolist() == [START, *slow, *fast, END]
    plain = Layout((16,), QWEN.encode, frame_markers=False)
    found = rows_of([codes], plain)
    assert found[:, 0].tolist() == [
        START,
        *slow[:4],
        v + 7,
        v + 8,
        FRAME,
        *QWEN.encode("10.5"),
        FAST_START,
        v + 9,
        FAST_END,
        END,
    ]
    with pytest.raises(ValueError, match="a frame without codes"):
        codes_of(found, plain, QWEN.decode)
    with pytest.raises(ValueError, match="decode is needed"):
        codes_of(rows, Layout((16,), QWEN.encode))


@pytest.mark.parametrize("spoil", ["row", "marker", "code", "end", "order"])
def test_damaged_rows_are_refused(spoil: str) -> None:
    rows = rows_of([picture(2, 3)], KELIX)
    first_code = int(np.flatnonzero(is_visual(rows, KELIX))[0])
    if spoil == "row":
        rows = np.delete(rows, first_code, axis=0)
    elif spoil == "marker":
        rows[2, 0] += 1
    elif spoil == "code":
        rows[first_code, 1] += 8192
    elif spoil == "end":
        rows = rows[:-1]
    else:
        rows = np.concatenate([rows[-1:], rows[:-1]])
    with pytest.raises(ValueError, match=r"grid|codebook|take turns"):
        codes_of(rows, KELIX)


def test_what_does_not_fit_the_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="past the end"):
        rows_of([Codes(np.array([[8]], np.uint8), (1, 1, 1))], Layout((8,), QWEN.encode))
    for wrong in ([151_936], [EOB], [-1]):
        with pytest.raises(ValueError, match="not the id of a text token"):
            rows_of([wrong], KELIX)
    with pytest.raises(ValueError, match="has the special token"):
        rows_of(["<|im_end|>"], Layout((8,), lambda text: [151_645]))
    with pytest.raises(ValueError, match="different"):
        Vocabulary(frame=151_682)
    with pytest.raises(ValueError, match="from 0 or 1"):
        Vocabulary(first_row=2)


def test_labels_are_the_next_row_up_to_its_first_end_of_block() -> None:
    sample = document(["a cat", picture(1, 2)], KELIX, vision_loss=True)
    labels = labels_of(sample, KELIX)
    for position, row in enumerate(sample.rows[1:-1]):
        kept = 9 if row[0] >= 151_936 else 2
        assert labels[position].tolist() == [*row[:kept], *[IGNORED] * (9 - kept)]
    assert (labels[-2:] == IGNORED).all(), "neither <|endoftext|> nor what follows it"


def test_a_row_of_text_and_a_row_of_codes_weigh_the_same() -> None:
    labels = labels_of(document(["a cat", picture(2, 2)], KELIX, vision_loss=True), KELIX)
    weights = weights_of(labels, KELIX)
    text, visual = weights[labels[:, 0] == START][0], weights[is_visual(labels, KELIX)][0]
    assert text.tolist() == [2.75, 2.75, *[0.0] * 7]
    assert visual == pytest.approx([0.6111111] * 9)
    assert weights.sum(axis=1)[labels[:, 0] != IGNORED] == pytest.approx(5.5)


def test_without_vision_loss_only_the_text_around_a_picture_has_labels() -> None:
    sample = document(["a", picture(2, 2), "b"], KELIX)
    assert sample.rows[sample.loss, 0].tolist() == [*QWEN.encode("a"), *QWEN.encode("b")]
    assert document([picture(2, 2)], KELIX, vision_loss=True).loss.sum() == 2 + 4 + 2 * 5


def test_a_chat_has_loss_on_the_assistants_turns_alone() -> None:
    turns = [
        ("user", [picture(1, 1), "What?"]),
        ("assistant", ["A cat."]),
        ("user", ["Sure?"]),
        ("assistant", ["Yes."]),
    ]
    sample = chat(turns, KELIX)
    expected = [*QWEN.encode("A cat."), 151_645, 198, *QWEN.encode("Yes."), 151_645, 198]
    assert sample.rows[sample.loss, 0].tolist() == expected
    begin = "You are a helpful assistant."
    assert sample.rows[:9, 0].tolist() == [151_644, *QWEN.encode(f"system\n{begin}")]
    assert sample.rows[-1, 0] == 151_643
    drawn = [("user", ["Draw"]), ("assistant", [picture(2, 2)])]
    assert chat(drawn, KELIX, system=None).loss.sum() == 2
    assert chat(drawn, KELIX, system=None, vision_loss=True).loss.sum() == len(rows_of([picture(2, 2)], KELIX)) + 2
    assert chat([("system", ["S"]), *drawn], KELIX).rows[1:4, 0].tolist() == QWEN.encode("system\nS")


def test_an_assistants_turn_that_does_not_end_has_loss_to_the_last_row() -> None:
    rows = rows_of([[151_644, 77_091, 198], "Yes", [151_644, 77_091]], KELIX)
    assert assistant_turns(rows, KELIX.vocabulary).tolist() == [False] * 3 + [True] * 3


@given(st.lists(st.integers(1, 24), min_size=1, max_size=30))
def test_packs_hold_all_samples_in_order_and_no_label_crosses(lengths: list[int]) -> None:
    samples = [Sample(rows_of([[i + 1] * n], KELIX), np.ones(n, np.bool_)) for i, n in enumerate(lengths)]
    seen: list[int] = []
    for packed in pack(samples, KELIX, 24):
        borders = packed.cu_seqlens
        assert len(packed.rows) % 8 == 0 and len(packed.rows) <= 24
        assert borders[0] == 0 and borders[-1] == len(packed.rows) and borders.dtype == np.int32
        for number, (a, b) in enumerate(pairwise(borders)):
            assert packed.positions[a:b].tolist() == list(range(b - a))
            index = set(packed.sample_idx[a:b].tolist())
            if index == {-1}:
                assert b == len(packed.rows) and b - a < 8 and (packed.labels[a:b] == IGNORED).all()
                assert (packed.rows[a:b, 0] == 151_643).all()
                continue
            assert index == {number}
            [name] = set(packed.rows[a:b, 0].tolist())
            assert set(packed.labels[a : b - 1, 0].tolist()) <= {name} and (packed.labels[b - 1] == IGNORED).all()
            assert lengths[name - 1] == b - a
            seen.append(name)
        assert ((packed.weights > 0) == (packed.labels != IGNORED)).all()
    assert seen == list(range(1, len(lengths) + 1))


def test_a_pack_takes_no_sample_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="sample 1 has 25 rows"):
        list(pack([document(["a"], KELIX), document([[5] * 24], KELIX)], KELIX, 24))
    with pytest.raises(ValueError, match="multiple"):
        list(pack([], KELIX, 25))
