"""Qwen's text tokenizer without a hub: the ranks that Alibaba's client package carries, merged in Python.

Its ids are those of Qwen2 and Qwen3 below 151,643. To try rows and to test them; a trainer uses the tokenizer of its model.
Names of special tokens in a text are plain text to it. A word's cost grows with the square of its length.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import pairwise

from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from dataengine.storage.pinned_packages import Package

DASHSCOPE = Package(
    "dashscope",
    "2.0.2",
    "dashscope-2.0.2-py3-none-any.whl",
    "0602d1800f7433bdb7953560986eaf5146454ed3988636c0a91963ba24e74258",
    "Apache-2.0",
)
_RANKS = "dashscope/resources/qwen.tiktoken"
#: Qwen's pre-tokenisation pattern: contractions, words, single digits, punctuation, line breaks, spaces.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class QwenText:
    """``encode`` and ``decode``; the ranks are fetched on first use. Raises RunError where they cannot be."""

    def __init__(self) -> None:
        self._split = Split(Regex(WORDS), "isolated")
        self._word = lru_cache(1 << 16)(self._merged)

    @cached_property
    def _ranks(self) -> dict[bytes, int]:
        lines = (line.split() for line in DASHSCOPE.read(_RANKS).splitlines())
        return {base64.b64decode(token): int(rank) for token, rank in lines}

    @cached_property
    def _bytes(self) -> dict[int, bytes]:
        return {rank: token for token, rank in self._ranks.items()}

    def encode(self, text: str) -> list[int]:
        """Ids of the text in Unicode's composed form (NFC)."""
        words = self._split.pre_tokenize_str(unicodedata.normalize("NFC", text))
        return [i for word, _ in words for i in self._word(word)]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids. Raises KeyError for ids outside the text vocabulary."""
        return b"".join(self._bytes[i] for i in ids).decode(errors="replace")

    def _merged(self, word: str) -> tuple[int, ...]:
        """Byte-pair encoding: the pair with the lowest rank is joined until none has one."""
        parts = [bytes([b]) for b in word.encode()]
        while len(parts) > 1:
            ranked = [self._ranks.get(a + b, len(self._ranks)) for a, b in pairwise(parts)]
            best = min(ranked)
            if best == len(self._ranks):
                break
            at = ranked.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self._ranks[part] for part in parts)
