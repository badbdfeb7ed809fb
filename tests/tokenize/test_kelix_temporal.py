"""The video variant: which frames share tokens, whose times they have, and that frames alone stay the default."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import tiny_kelix

from dataengine.errors import UsageError
from dataengine.tokenize.base import FAST, SLOW, Codes, Timeline
from dataengine.tokenize.codec import from_row, to_row
from dataengine.tokenize.factory import configure
from dataengine.tokenize.kelix import pixels
from dataengine.tokenize.kelix.config import KelixConfig, Temporal
from dataengine.tokenize.kelix.quantiser import Coder
from dataengine.tokenize.kelix.temporal import groups
from dataengine.tokenize.kelix.tokenizer import KelixTokenizer

LINE = Timeline((SLOW, SLOW, SLOW, FAST, FAST, SLOW), (0.0, 0.5, 1.0, 1.5, 2.0, 2.5), (1, 2))


def encoded(merge: str | None) -> Codes:
    small = tiny_kelix.small()
    temporal = Temporal.model_validate({"merge": merge}) if merge else None
    tokenizer = KelixTokenizer(small.config.model_copy(update={"temporal": temporal}), small.network)
    [codes] = tokenizer.encode([tokenizer.prepare(frames(), LINE)])
    return codes


def frames() -> list[np.ndarray]:
    photos = tiny_kelix.photos()
    slow = [photos[n][:56, :84] for n in (0, 1, 2, 3)]
    return [slow[0], slow[1], slow[2], photos[1][:28, :56], photos[2][:28, :56], slow[3]]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([SLOW] * 4, [[0, 1], [2, 3]]),
        ([SLOW] * 3, [[0, 1], [2]]),
        ([SLOW, FAST, SLOW], [[0], [1], [2]]),
        (LINE.kinds, [[0, 1], [2], [3, 4], [5]]),
    ],
)
def test_neighbours_of_one_kind_share_tokens(kinds: list[int], expected: list[list[int]]) -> None:
    assert groups(kinds, 2) == expected


@pytest.mark.parametrize("merge", ["before", "avg"])
def test_merged_frames_have_the_time_of_their_first(merge: str) -> None:
    codes = encoded(merge)
    assert codes.timeline == Timeline((SLOW, SLOW, FAST, SLOW), (0.0, 1.0, 1.5, 2.5), (1, 2))
    assert codes.grid == (4, 2, 3) and codes.frame_tokens == [6, 6, 2, 6]
    assert from_row(to_row("id", "tokenizer", codes)) == codes


def test_a_frame_that_merges_with_none_has_the_codes_it_has_alone() -> None:
    alone, merged = encoded(None), encoded("avg")
    assert alone.grid == (6, 2, 3)
    assert merged.tokens[6:12].tolist() == alone.tokens[12:18].tolist()


@pytest.mark.parametrize("merge", ["before", "avg"])
def test_what_is_averaged(merge: str) -> None:
    network = tiny_kelix.small().network
    with torch.no_grad():
        x = network.vision.encoded(pixels.patches(np.stack(frames()[:2])), network.vision.place(2, 3))
        tokens = network.vision.projected(x.mean(0, keepdim=True)) if merge == "before" else network.vision.projected(x)
        expected = Coder(network.quantiser)(tokens.mean(0))
    assert encoded(merge).tokens[:6].tolist() == expected.tolist()


def test_the_variant_is_part_of_the_id_and_its_absence_is_not() -> None:
    plain = tiny_kelix.small().config
    assert "temporal" not in plain.model_dump()
    merged = plain.model_copy(update={"temporal": Temporal(merge="avg")})
    assert KelixConfig.model_validate(merged.model_dump(mode="json")) == merged
    assert KelixTokenizer(merged, tiny_kelix.small().network).id != tiny_kelix.small().id
    with pytest.raises(UsageError, match=r"temporal\.merge"):
        configure({"name": "kelix", "temporal": {"merge": "after"}})
