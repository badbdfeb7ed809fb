"""Documents leave packed sequences: the rest keeps its tokens, positions, losses and pictures, and the length stays."""

from __future__ import annotations

import numpy as np
import pytest

from dataengine.sequence.model import DocumentSpan, MediaSpan, PackedSequence, Role
from dataengine.takedown.sequence_sets import excised

END, EOB = 7, 9


def sequence(
    lengths: dict[str, int], length: int, width: int = 1, axes: int = 1, media: dict[str, str] | None = None
) -> PackedSequence:
    """Documents of these lengths, one after the other, each of tokens 100 x its place + position; ``media``: sample by
    document."""
    spans, shown, start = [], [], 0
    tokens = np.full(length, END, np.int32)
    roles, loss, positions = np.zeros(length, np.uint8), np.zeros(length, np.uint8), np.zeros(length, np.int32)
    for n, (id_, size) in enumerate(lengths.items()):
        spans.append(DocumentSpan(id_, "s", start, start + size, n, 2))
        tokens[start : start + size] = 100 * (n + 1) + np.arange(size)
        positions[start : start + size] = np.arange(size)
        roles[start : start + size], loss[start + 1 : start + size] = Role.TEXT, 1
        if media and id_ in media:
            shown.append(MediaSpan(media[id_], "jpg", start + 1, start + 2, (1, 1, 1)))
        start += size
    positions[start:] = np.arange(length - start)
    borders = [0, *(span.stop for span in spans)] + ([length] if start < length else [])
    rows = tokens if width == 1 else np.stack([tokens] + [tokens + 1] * (width - 1), 1)
    whole = positions if axes == 1 else np.stack([positions] * axes)
    return PackedSequence(rows, roles, loss, whole, np.array(borders, np.int32), tuple(spans), tuple(shown))


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("length", [9, 12])
@pytest.mark.parametrize("gone", [{"a"}, {"b"}, {"c"}, {"a", "c"}, {"pic"}])
def test_what_is_left_is_as_it_was(width: int, axes: int, length: int, gone: set[str]) -> None:
    whole = sequence({"a": 2, "b": 3, "c": 4}, length, width, axes, {"b": "pic", "c": "another"})
    rest = excised(whole, frozenset(gone), END, EOB)
    assert rest is not None and len(rest) == length
    left = [id_ for id_ in "abc" if id_ not in gone and not (id_ == "b" and "pic" in gone)]
    assert [span.id for span in rest.documents] == left
    before = {span.id: span for span in whole.documents}
    for span in rest.documents:
        old, new = slice(before[span.id].start, before[span.id].stop), slice(span.start, span.stop)
        assert np.array_equal(rest.tokens[new], whole.tokens[old]) and np.array_equal(rest.roles[new], whole.roles[old])
        assert np.array_equal(rest.loss_mask[new], whole.loss_mask[old])
        assert np.array_equal(rest.positions[..., new], whole.positions[..., old])
        assert (span.part, span.occurrence) == (before[span.id].part, before[span.id].occurrence)
    stop = rest.documents[-1].stop
    assert rest.cu_seqlens.tolist() == [0, *(span.stop for span in rest.documents), length]
    assert not rest.loss_mask[stop:].any() and not rest.roles[stop:].any() and rest.padding == length - stop
    assert (rest.tokens[stop:] if width == 1 else rest.tokens[stop:, 0]).tolist() == [END] * (length - stop)
    assert width == 1 or (rest.tokens[stop:, 1:] == EOB).all()
    assert [
        (m.sample, m.start - s.start) for m in rest.media for s in rest.documents if s.start <= m.start < s.stop
    ] == [(sample, 1) for id_, sample in (("b", "pic"), ("c", "another")) if id_ in left]


def test_a_sequence_of_which_nothing_is_left() -> None:
    assert excised(sequence({"a": 2, "b": 3}, 6), frozenset({"a", "b"}), END, EOB) is None
