"""A small trained tokenizer."""

from __future__ import annotations

import pytest
from support.sequences import SIZES

from dataengine.config.sequence import TextTokenizerConfig
from dataengine.sequence.special import NAMES
from dataengine.sequence.text_tokenizer import TextTokenizer, parse, resolve, train


@pytest.fixture(scope="session")
def trained() -> bytes:
    """tokenizer.json of a BPE with the special tokens of all layouts."""
    return train([f"the temple {n} stands by a lake. Its roof is red!\n" for n in range(200)], 600)


@pytest.fixture(scope="session")
def words(trained: bytes) -> TextTokenizer:
    resolved = resolve(parse(trained, "it"), TextTokenizerConfig(), list(NAMES), sum(SIZES), "it")
    return TextTokenizer(trained, resolved.special, resolved.first_code)
