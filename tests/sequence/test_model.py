from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from dataengine.errors import RunError
from dataengine.sequence.model import SEQUENCES, DocumentSpan, MediaSpan, PackedSequence, Role, from_row, to_row


def sequence(width: int = 1, axes: int = 1) -> PackedSequence:
    """Two documents of 3 and 4 positions, then 1 of padding."""
    tokens = np.arange(8 * width, dtype=np.int32).reshape((8,) if width == 1 else (8, width))
    positions = np.array([0, 1, 2, 0, 1, 2, 3, 0], np.int32)
    return PackedSequence(
        tokens,
        np.array([Role.TEXT] * 3 + [Role.MEDIA] * 4 + [Role.PADDING], np.uint8),
        np.array([0, 1, 1, 0, 1, 1, 1, 0], np.uint8),
        positions if axes == 1 else np.stack([positions] * 3),
        np.array([0, 3, 7, 8], np.int32),
        (DocumentSpan("a", "books", 0, 3), DocumentSpan("b", "clips", 3, 7, part=1, occurrence=2)),
        (MediaSpan("b", "b.mp4", 4, 6, (1, 1, 2), 0.5),),
    )


@pytest.mark.parametrize("width", [1, 9])
@pytest.mark.parametrize("axes", [1, 3])
def test_a_row_of_the_table_gives_the_sequence_back(width: int, axes: int) -> None:
    packed = sequence(width, axes)
    [row] = pa.Table.from_pylist([to_row(packed, 7.5)], SEQUENCES).to_pylist()
    again = from_row(row)
    for name in ("tokens", "roles", "loss_mask", "positions", "cu_seqlens"):
        assert np.array_equal(getattr(again, name), getattr(packed, name)), name
        assert getattr(again, name).dtype == getattr(packed, name).dtype
    assert (again.documents, again.media) == (packed.documents, packed.media)
    assert again.padding == 1 and again.document_index.tolist() == [0, 0, 0, 1, 1, 1, 1, -1]
    assert [(span.id, len(tokens)) for span, tokens in again.pieces()] == [("a", 3), ("b", 4)]


def test_a_damaged_row_is_refused() -> None:
    with pytest.raises(RunError, match="does not have its stated shape"):
        from_row({**to_row(sequence()), "tokens": b"1234"})


@pytest.mark.parametrize("borders", [[0, 3, 3, 8], [1, 8], [0, 7]])
def test_borders_rise_from_0_to_the_length(borders: list[int]) -> None:
    with pytest.raises(ValueError, match="borders of documents rise"):
        replace(sequence(), cu_seqlens=np.array(borders, np.int32))
