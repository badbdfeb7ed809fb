"""Checks a set of sequences against its description: every file, every sequence, and what they add up to.

Formats that keep whole sequences are read back one by one; of those that keep tokens alone, index and sizes must agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from dataengine.errors import DataEngineError
from dataengine.sequence.formats import megatron, token_stream
from dataengine.sequence.formats.description import Format, SequenceShard, SetDescription
from dataengine.sequence.formats.reader import READERS, local_files
from dataengine.sequence.formats.writer import set_files
from dataengine.sequence.model import PackedSequence, Role
from dataengine.storage.store import Store

#: Faults that are named of one shard.
_MOST = 5


def check_set(store: Store, about: SetDescription) -> list[str]:
    """What is wrong with the set at ``store``, as ``shard: reason`` or ``file: reason``; reads all of it."""
    errors = [error for shard in about.shards for error in _check_shard(store, about, shard)]
    expected = set_files(msgspec.structs.replace(about, shards=sorted(about.shards)))
    for path, data in expected.items():
        try:
            if store.get(path) != data:
                errors.append(f"{path}: does not agree with the list of shards")
        except FileNotFoundError:
            errors.append(f"{path}: does not exist")
    if about.text_tokenizer and not store.exists(about.text_tokenizer):
        errors.append(f"{about.text_tokenizer}: does not exist")
    return errors


def faults(sequence: PackedSequence, about: SetDescription) -> Iterator[str]:
    """What is wrong with one sequence whose shapes are right."""
    width = 1 if sequence.tokens.ndim == 1 else sequence.tokens.shape[1]
    if width != about.width:
        yield f"{width} tokens a position, the set has {about.width}"
    summaries = int((sequence.roles == Role.SUMMARY).sum())
    if len(sequence) - summaries > about.length:
        yield f"{len(sequence) - summaries:,} positions, the set has at most {about.length:,}"
    if bool(summaries) != (about.summary is not None):
        yield f"{summaries:,} summaries in a set {'with' if about.summary else 'without'} them"
    if (sequence.tokens < 0).any() or (sequence.tokens >= about.ids).any():
        yield f"token id {int(sequence.tokens.max()):,} of {about.ids:,}"
    if sequence.roles.max(initial=0) > max(Role) or sequence.loss_mask.max(initial=0) > 1:
        yield "roles or losses that there are not"
    if (
        sequence.loss_mask[sequence.roles == Role.SUMMARY].any()
        or sequence.loss_mask[sequence.roles == Role.PADDING].any()
    ):
        yield "summaries or padding are targets"
    yield from _document_faults(sequence)


def _document_faults(sequence: PackedSequence) -> Iterator[str]:
    stops = [0, *(span.stop for span in sequence.documents)]
    if any(
        span.start != stop or span.stop <= span.start for span, stop in zip(sequence.documents, stops, strict=False)
    ):
        yield "documents do not follow one another"
    borders = stops if stops[-1] == len(sequence) else [*stops, len(sequence)]
    if not np.array_equal(sequence.cu_seqlens, borders):
        yield "borders are not those of its documents"
    if any(not 0 <= span.start < span.stop <= len(sequence) for span in sequence.media):
        yield "media lie outside"


def _check_shard(store: Store, about: SetDescription, shard: SequenceShard) -> list[str]:
    errors: list[str] = []
    counts: Counter[str] = Counter()
    try:
        with local_files(store, shard) as paths:
            for key, sequence in _sequences(about, shard, paths):
                counts += Counter(sequences=1, positions=len(sequence), documents=len(sequence.documents))
                counts += Counter(padding=sequence.padding)
                errors += [f"{key}: {fault}" for fault in faults(sequence, about)][: _MOST - len(errors)]
            if about.format not in READERS:
                counts = Counter(_tokens_only(about, shard, paths[0].parent))
    except (DataEngineError, OSError) as error:
        return [f"{shard.name}: {error}"]
    for name, stated in ((n, getattr(shard, n)) for n in ("sequences", "positions", "padding", "documents")):
        if name in counts or about.format in READERS:
            errors += (
                [f"{shard.name}: {counts[name]:,} {name}, {stated:,} are listed"] if counts[name] != stated else []
            )
    return errors


def _sequences(about: SetDescription, shard: SequenceShard, paths: list[Path]) -> Iterator[tuple[str, PackedSequence]]:
    return READERS[about.format](paths[0]) if about.format in READERS else iter(())


def _tokens_only(about: SetDescription, shard: SequenceShard, folder: Path) -> dict[str, int]:
    if about.format is Format.stream:
        return {"sequences": sum(1 for _ in token_stream.read(folder, shard.name, about.length))}
    read = [len(tokens) for tokens, _ in megatron.read(folder, shard.name)]
    losses = [len(mask) for mask, _ in megatron.read(folder, f"{shard.name}_loss_mask")]
    return {"sequences": len(read), "positions": sum(read) if read == losses else -1}
