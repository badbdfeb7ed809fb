"""A small trained tokenizer, a release and texts."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.sequence_release import write_release
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


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_release(tmp_path_factory.mktemp("release")))


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("texts")
    rows = [{"text": f"Text number {n}. It speaks of lakes. And of roofs!", "w": 1 + n % 2} for n in range(40)]
    bad: list[Any] = [{"text": "   "}, {"other": 1}, {"text": rows[0]["text"]}, {"text": "less", "w": -1}]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, *bad]) + "{broken\n")
    pq.write_table(pa.table({"text": ["no number"], "w": [float("nan")]}), folder / "b.parquet")
    return str(folder)
