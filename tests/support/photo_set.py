"""A set of packed sequences of photos with captions, their codes by a tokenizer fitted on them, and of plain text."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_sample_images
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from dataengine.sequence.formats.description import Format, SetDescription, Summary
from dataengine.sequence.formats.writer import write_set
from dataengine.sequence.model import DocumentSpan, PackedSequence, Role
from dataengine.sequence.summary.packed import with_summaries
from dataengine.sequence.summary.settings import SummarySettings
from dataengine.tokenize.base import Codes
from dataengine.tokenize.factory import configure
from dataengine.tokenize.product import ProductTokenizer
from dataengine.tokenize.rows import is_visual, rows_of
from dataengine.tokenize.vocabulary import Layout, Vocabulary

CAPTIONS = (
    "A temple above the trees <b>& a lake</b>.",
    "A dahlia in full bloom \u202e.",
    "Roofs and a hill.",
    "Petals.",
)
SPECIAL = (
    "end_of_text",
    "eob",
    "im_start",
    "im_end",
    "vision_start",
    "vision_end",
    "mm_pos_start",
    "mm_pos_end",
    "frame",
)
FAST = ("fast_start", "fast_end")
VOCABULARY = 512


@cache
def visual() -> tuple[ProductTokenizer, tuple[Codes, ...]]:
    """A tokenizer fitted on crops of two photos, and the crops' codes."""
    china, flower = load_sample_images().images
    crops = [china[:300, :400], flower[100:400, 100:500], china[200:, 300:], flower[150:300, 200:400]]
    config = configure({"name": "product", "entries": 64, "max_tokens": 24})
    prepared = [ProductTokenizer.preparer(config)([crop]) for crop in crops]
    fitted = ProductTokenizer.fit(config, iter([(f"{i:032x}", p) for i, p in enumerate(prepared)]))
    return fitted, tuple(fitted.encode(prepared))


@cache
def text() -> Tokenizer:
    """A byte-level BPE with the special tokens."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = ByteLevel(add_prefix_space=False), ByteLevelDecoder()
    names = [f"<|{name}|>" for name in (*SPECIAL, *FAST)]
    trainer = BpeTrainer(
        vocab_size=400, special_tokens=names, initial_alphabet=ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CAPTIONS, trainer)
    return tokenizer


def layout() -> Layout:
    ids = {name: text().token_to_id(f"<|{name}|>") for name in (*SPECIAL, *FAST)}
    return Layout(
        visual()[0].codebook_sizes,
        lambda t: text().encode(t).ids,
        Vocabulary(VOCABULARY, **ids, assistant=(1, 2), line_break=3),
    )


def photo_sequences(count: int = 4, length: int = 256, flat: bool = False) -> list[PackedSequence]:
    """``count`` sequences of a picture, its caption and padding; ``flat``: one code a position."""
    rows_layout = layout()
    return [_sequence(n, rows_layout, length, flat) for n in range(count)]


def photo_set(
    folder: Path,
    sequences: list[PackedSequence],
    summary: SummarySettings | None = None,
    release: str = "demo",
    **more: Any,
) -> Path:
    """Written as WebDataset tars of two shards, with the text tokenizer beside them and the visual one in the workspace."""
    about = described(sequences, summary, **more)
    stored = [with_summaries(s, summary, about.eob) for s in sequences] if summary else sequences
    half = (len(stored) + 1) // 2
    where = folder / "releases" / release / "sequences" / about.name / about.format.value
    write_set(about, where, {"train-00000": stored[:half], "train-00001": stored[half:]})
    (where / about.text_tokenizer).write_text(text().to_str())
    fitted = folder / "tokenizers" / visual()[0].id
    fitted.mkdir(parents=True, exist_ok=True)
    (fitted / "tokenizer.safetensors").write_bytes(visual()[0].save())
    return where


def described(sequences: list[PackedSequence], summary: SummarySettings | None, **more: Any) -> SetDescription:
    words = layout().vocabulary
    fields: dict[str, Any] = {
        "name": "photos",
        "format": Format.webdataset,
        "layout": "blocks" if sequences[0].tokens.ndim == 2 else "codes",
        "split": "train",
        "length": len(sequences[0]),
        "width": layout().width if sequences[0].tokens.ndim == 2 else 1,
        "first_code": VOCABULARY,
        "end_of_text": words.end_of_text,
        "eob": words.eob,
        "special": {name: text().token_to_id(f"<|{name}|>") for name in (*SPECIAL, *FAST)},
        "codebook_sizes": list(visual()[0].codebook_sizes),
        "tokenizer": visual()[0].id,
        "text_tokenizer": "_tokenizer.json",
        "summary": summary and Summary(**{n: getattr(summary, n) for n in Summary.__struct_fields__}),
    }
    return SetDescription(**{**fields, **more})


def _sequence(number: int, rows_layout: Layout, length: int, flat: bool) -> PackedSequence:
    codes = visual()[1][number % 4]
    rows = rows_of([codes, CAPTIONS[number % 4], [rows_layout.vocabulary.end_of_text]], rows_layout).astype(np.int32)
    roles = np.where(is_visual(rows, rows_layout), Role.CODE, Role.TEXT)
    roles[np.isin(rows[:, 0], rows_layout.vocabulary.special)] = Role.SPECIAL
    begin, end = (
        np.flatnonzero(rows[:, 0] == i)[0]
        for i in (rows_layout.vocabulary.vision_start, rows_layout.vocabulary.vision_end)
    )
    inside = slice(begin, end)
    roles[inside] = np.where(roles[inside] == Role.CODE, Role.CODE, Role.SPECIAL)
    tokens: Any = rows
    if flat:
        repeats = np.where(roles == Role.CODE, rows_layout.width - 1, 1)
        tokens = np.concatenate([r[:-1] if v == Role.CODE else r[:1] for r, v in zip(rows, roles, strict=True)])
        roles = np.repeat(roles, repeats)
    used = len(tokens)
    missing = length - used
    assert missing >= 0, f"{used} positions"
    filler = np.full((missing, *tokens.shape[1:]), rows_layout.vocabulary.eob, np.int32)
    filler.reshape(missing, -1)[:, 0] = rows_layout.vocabulary.end_of_text
    whole = np.concatenate([tokens, filler]).astype(np.int32)
    loss = np.concatenate([np.ones(used, np.uint8), np.zeros(missing, np.uint8)])
    loss[0] = loss[used - 1] = 0
    borders = [0, used, length] if missing else [0, used]
    positions = np.concatenate([np.arange(used), np.arange(missing)]).astype(np.int32)
    roles = np.concatenate([roles, np.full(missing, Role.PADDING)]).astype(np.uint8)
    span = DocumentSpan(f"{number:032x}", "captions", 0, used)
    return PackedSequence(whole, roles, loss, positions, np.array(borders, np.int32), (span,))
