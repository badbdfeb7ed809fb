"""Position ids against the rules of Qwen2.5-VL and Keye-VL-1.5, written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.sequences import SIZES, packed_of, picture

from dataengine.config.sequence import SetConfig
from dataengine.sequence.assemble import Assembler
from dataengine.sequence.chat import end_of_text
from dataengine.sequence.document import Document
from dataengine.sequence.draft import Draft, Visual, Words
from dataengine.sequence.model import MediaSpan
from dataengine.sequence.positions import rope_3d
from dataengine.sequence.text_tokenizer import TextTokenizer

PICTURE = MediaSpan("s", "s.jpg", 2, 8, (1, 2, 3))


def test_a_picture_has_rows_and_columns_and_text_goes_on_from_the_largest() -> None:
    t, h, w = rope_3d(10, [PICTURE], by_time=True)
    assert t.tolist() == [0, 1, 2, 2, 2, 2, 2, 2, 5, 6]
    assert h.tolist() == [0, 1, 2, 2, 2, 3, 3, 3, 5, 6]
    assert w.tolist() == [0, 1, 2, 3, 4, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("by_time", [True, False])
def test_frames_of_a_video(by_time: bool) -> None:
    frames = [
        MediaSpan("s", "s.mp4", 1 + 2 * n, 3 + 2 * n, (1, 1, 2), seconds) for n, seconds in enumerate((0.0, 0.5, 2.0))
    ]
    t, h, w = rope_3d(8, frames, by_time)
    if by_time:  # one block: two steps a second
        assert t.tolist() == [0, 1, 1, 2, 2, 5, 5, 6]
        assert h.tolist() == [0, 1, 1, 1, 1, 1, 1, 6] and w.tolist() == [0, 1, 2, 1, 2, 1, 2, 6]
    else:  # each a block that goes on from the largest position
        assert t.tolist() == [0, 1, 1, 3, 3, 5, 5, 7]
        assert w.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_text_alone_counts_up() -> None:
    assert (rope_3d(5, [], True) == np.arange(5)).all()


def test_positions_begin_anew_in_each_document(words: TextTokenizer) -> None:
    drafts = [
        Draft(str(n), (Words("a red roof"), Visual("s", "s.jpg", picture(), (1, 2, 3)), end_of_text()))
        for n in range(2)
    ]
    made = [d for d in Assembler(words, "discrete", SIZES).documents(drafts) if isinstance(d, Document)]
    one = SetConfig(name="s", length=128)
    packed = packed_of(made, one, words)
    length = len(made[0].first)
    assert packed.positions.tolist() == [*range(length), *range(length), *range(128 - 2 * length)]
    assert packed.cu_seqlens.tolist() == [0, length, 2 * length, 128]
    assert packed.loss_mask[[0, length]].tolist() == [0, 0] and packed.padding == 128 - 2 * length
    assert replace(packed, cu_seqlens=packed.cu_seqlens).documents == packed.documents
