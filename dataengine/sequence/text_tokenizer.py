"""Text tokenizers of Hugging Face for sequences: special tokens by purpose, batches of texts, and a small BPE trained here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from dataengine.config.sequence import TextTokenizerConfig
from dataengine.errors import UsageError
from dataengine.sequence.special import NAMES, name_of, vocabulary
from dataengine.tokenize.text import WORDS
from dataengine.tokenize.vocabulary import Vocabulary

_LISTED = 16
"""Missing tokens that a message names."""
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "Ċ", "\n")


@dataclass(frozen=True)
class Resolved:
    """What a recipe makes of a tokenizer: ids by purpose, those that were appended (but for semantic ids), and the id of the
    first code."""

    special: dict[str, int]
    appended: tuple[str, ...]
    first_code: int


def parse(data: bytes, where: str) -> Tokenizer:
    """A tokenizer.json. Raises UsageError for anything else."""
    try:
        return Tokenizer.from_str(data.decode())
    except Exception as error:  # the package raises bare exceptions for whatever is wrong with the file
        raise UsageError(f"{where} is not a tokenizer.json of Hugging Face's `tokenizers`: {error}") from None


def resolve(
    tokenizer: Tokenizer, config: TextTokenizerConfig, purposes: Sequence[str], codes: int, where: str
) -> Resolved:
    """Ids of the special tokens for these purposes, and the first id of ``codes`` codes. Raises UsageError for tokens that are
    missing, ids that text has too, and codes that collide with text."""
    if unknown := sorted(config.special_tokens.keys() - NAMES.keys()):
        raise UsageError(f"sequence.tokenizer.special_tokens: `{unknown[0]}` is none of {', '.join(NAMES)}")
    size = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    added = {id_ for id_, token in tokenizer.get_added_tokens_decoder().items() if isinstance(token, AddedToken)}
    special: dict[str, int] = {}
    missing = []
    for purpose in purposes:
        stated = config.special_tokens.get(purpose, name_of(purpose))
        id_ = stated if isinstance(stated, int) else tokenizer.token_to_id(stated)
        if id_ is None:
            missing.append(purpose)
        elif id_ < size and id_ not in added and tokenizer.id_to_token(id_) is not None:
            raise UsageError(
                f"sequence.tokenizer: {purpose} has id {id_}, which is the text token {tokenizer.id_to_token(id_)!r} of {where}"
            )
        else:
            special[purpose] = id_
    if missing and config.missing == "error" and (config.path is not None or missing[0] in NAMES):
        named = [f"{name_of(p)} ({p})" if p in NAMES else p for p in missing]
        listed = ", ".join(named if len(named) <= _LISTED else [*named[:_LISTED], f"and {len(named) - _LISTED:,} more"])
        raise UsageError(
            f"{where} has no token {listed}: name them in sequence.tokenizer.special_tokens, by token or id, or set "
            "`missing: append` for new ids after its last one"
        )
    last = max([size, *(id_ + 1 for id_ in special.values())])
    special |= {purpose: last + n for n, purpose in enumerate(missing)}
    if len(set(special.values())) != len(special):
        raise UsageError(f"sequence.tokenizer.special_tokens: two have the same id: {special}")
    end = last + len(missing)
    first = end if config.first_code is None else config.first_code
    if first < end and codes:
        raise UsageError(
            f"sequence.tokenizer.first_code: codes from id {first:,} collide with the {end:,} ids of {where}; take {end:,} or "
            "more"
        )
    if first + codes > 2**31:
        raise UsageError(f"sequence.tokenizer.first_code: ids up to {first + codes:,} do not fit 32 bits")
    return Resolved(special, tuple(p for p in missing if p in NAMES), first)


class TextTokenizer:
    """Batches of plain texts to ids and back. Picklable where ``Tokenizer`` is."""

    def __init__(self, data: bytes, special: Mapping[str, int], first_code: int) -> None:
        self._plain, self._parsing = parse(data, "the tokenizer"), parse(data, "the tokenizer")
        self._plain.encode_special_tokens = True
        self._plain.no_truncation()
        self._plain.no_padding()
        self.special = dict(special)
        self.first_code = first_code
        self._short = lru_cache(1 << 14)(self._encode)
        self._templates = lru_cache(1 << 10)(self._parse)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text; names of special tokens in it are plain text."""
        return [encoding.ids for encoding in self._plain.encode_batch_fast(list(texts), add_special_tokens=False)]

    def encode(self, text: str) -> list[int]:
        """Ids of a short text, remembered."""
        return list(self._short(text))

    def encode_template(self, text: str) -> list[int]:
        """Ids of text of a chat template, in which names of special tokens are tokens."""
        return list(self._templates(text))

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._plain.decode(list(ids), skip_special_tokens=False))

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._plain.encode(text, add_special_tokens=False).ids)

    def _parse(self, text: str) -> tuple[int, ...]:
        return tuple(self._parsing.encode(text, add_special_tokens=False).ids)

    @cached_property
    def special_ids(self) -> NDArray[np.int32]:
        return np.array(sorted(self.special.values()), np.int32)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """As next-block rows take it."""
        line = self.encode("\n")
        return vocabulary(self.special, self.first_code, tuple(self.encode("assistant\n")), line[-1] if line else 0)

    @cached_property
    def sentence_ends(self) -> NDArray[np.bool_]:
        """Of each id below the codes whether a sentence or line ends with its token."""
        out = np.zeros(self.first_code, np.bool_)
        ends = [id_ for token, id_ in self._plain.get_vocab().items() if token.endswith(_SENTENCE_ENDS)]
        out[[id_ for id_ in ends if id_ < self.first_code]] = True
        return out


def train(texts: Iterable[str], vocab_size: int) -> bytes:
    """tokenizer.json of a byte-level BPE with the special tokens of all layouts; the same bytes for the same texts in the same
    order. Decoding gives every text back exactly."""
    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(WORDS), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=[AddedToken(name, special=True) for name in NAMES.values()],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    settled: dict[str, Any] = json.loads(tokenizer.to_str())
    return json.dumps(settled, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
