"""Texts for encoders: ordinary ones as they are, hostile ones bounded before the tokenizer sees them."""

from __future__ import annotations

import open_clip
import pytest

from dataengine.models.text_limit import LONGEST, capped


@pytest.mark.parametrize("text", ["", "a  dog\n", "word " * (LONGEST // 5), "é" * LONGEST])
def test_a_text_within_the_limit_is_unchanged(text: str) -> None:
    assert capped(text) == text


def test_tokens_of_a_long_text_are_those_of_the_whole() -> None:
    tokenize = open_clip.get_tokenizer("ViT-B-32")
    text = "A dog &amp; a cat,   side by side.\n" * 300
    assert len(text) > LONGEST and (tokenize([capped(text)]) == tokenize([text])).all()


@pytest.mark.parametrize("text", ["x" * 40_000, " " * 1_000_000 + "x", "a" + " " * 30_000 + "b", "\u4e00" * 200_000])
def test_a_hostile_text_is_cut_before_it_is_tokenized(text: str) -> None:
    assert len(capped(text)) <= LONGEST
    assert open_clip.get_tokenizer("ViT-B-32")([capped(text)]).shape == (1, 77)
