"""Takes documents out of packed sequences: what is left keeps its order, its positions and its sequence, and the rest is padding.

Only the files that have such a document are written again, in every format of the set, from one of its formats that keeps whole
sequences. A sequence of which nothing is left goes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute

from dataengine.release.manifest_sections import ReleaseFile
from dataengine.release.manifest_sequences import SequenceSet as Section
from dataengine.release.reader import Published
from dataengine.sequence.formats.description import SetDescription, settings_of
from dataengine.sequence.formats.reader import SequenceSet
from dataengine.sequence.formats.writer import set_files, write_shard
from dataengine.sequence.ledger_stage import SEQUENCE_LEDGER
from dataengine.sequence.model import DocumentSpan, PackedSequence, Role
from dataengine.sequence.positions import text_positions
from dataengine.sequence.summary.packed import with_summaries, without_summaries
from dataengine.storage.workspace import parquet
from dataengine.takedown.effects import Effects, SequenceFolder, has
from dataengine.takedown.written import Put, to_parquet

pc: Any = pyarrow.compute  # whose stubs admit less than its functions do

TAKEN_DOWN = "taken down"


@dataclass
class Change:
    """Of one set: what came to its sequences, tokens and positions of padding."""

    sequences: int = 0
    tokens: int = 0
    padding: int = 0
    changed: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)


@dataclass
class Rewritten:
    """Files that were written, paths of the earlier release that are not carried over, and changes by set."""

    files: list[ReleaseFile] = field(default_factory=list)
    replaced: set[str] = field(default_factory=set)
    changes: dict[str, Change] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    """Folders of sets that are left out: formats of tokens alone, of which the release has no other."""


def rewrite(release: Published, effects: Effects, put: Put) -> Rewritten:
    """Write what changes of all sets by ``put`` (path, content)."""
    result = Rewritten()
    paths = [file.path for file in release.manifest.files]
    for folder in effects.sets:
        if folder.base in effects.unreadable:
            result.dropped.add(folder.base)
            result.replaced |= {path for path in paths if path.startswith(f"{folder.base}/")}
        elif folder.read is not None and (touched := effects.sequences.get(folder.about.name)):
            _set(folder, folder.read, touched, effects.gone, put, result)
    for name in sorted(effects.sequences):
        for path in (path for path in paths if path.startswith(f"sequences/{name}/ledger")):
            data = release.store.get(path)
            if table := _ledger(data, effects.gone, result.changes.setdefault(name, Change())):
                result.files.append(put(path, table))
                result.replaced.add(path)
    for name in {path.split("/")[1] for path in result.dropped} - effects.sequences.keys():
        result.replaced |= {path for path in paths if path.startswith(f"sequences/{name}/")}
    return result


def _set(
    folder: SequenceFolder, read: SequenceSet, touched: Any, gone: frozenset[str], put: Put, result: Rewritten
) -> None:
    about, first = folder.about, folder.about.name not in result.changes
    change = result.changes.setdefault(about.name, Change())
    by_name = {shard.name: shard for shard in read.about.shards}
    shards = []
    for shard in about.shards:
        if shard.name not in touched:
            shards.append(shard)
            continue
        result.replaced |= {f"{folder.base}/{file.path}" for file in shard.files}
        with tempfile.TemporaryDirectory() as place:
            rows = _without(read.read(by_name[shard.name]), gone, about, change if first else Change())
            written = write_shard(about, Path(place), shard.name, rows)
            if written.sequences:
                shards.append(written)
                result.files += [put(f"{folder.base}/{file.path}", Path(place, file.path)) for file in written.files]
    whole = msgspec.structs.replace(about, shards=sorted(shards))
    for path, data in set_files(whole).items():
        result.files.append(put(f"{folder.base}/{path}", data))
        result.replaced.add(f"{folder.base}/{path}")


def _without(
    sequences: Iterator[PackedSequence], gone: frozenset[str], about: SetDescription, change: Change
) -> Iterator[PackedSequence]:
    """Sequences of a file as the format of ``about`` has them."""
    settings = settings_of(about)
    for stored in sequences:
        if not has(stored, gone):
            yield stored
            continue
        summarised = settings is not None and bool((stored.roles == Role.SUMMARY).any())
        plain = without_summaries(stored) if summarised else stored
        rest = excised(plain, gone, about.end_of_text, about.eob)
        before = _tokens(plain)
        change.changed += 1
        change.tokens += (_tokens(rest) if rest else 0) - before
        change.padding += (rest.padding if rest else 0) - plain.padding
        change.sequences -= rest is None
        if rest is not None:
            yield with_summaries(rest, settings, about.eob) if summarised and settings is not None else rest


def _tokens(sequence: PackedSequence) -> int:
    return sum(span.stop - span.start for span in sequence.documents)


def excised(sequence: PackedSequence, gone: frozenset[str], end_of_text: int, eob: int) -> PackedSequence | None:
    """The sequence, of the same length, without documents of these ids or with pictures of these samples; None where nothing is
    left."""
    shown = [span.start for span in sequence.media if span.sample in gone]
    kept = [
        span
        for span in sequence.documents
        if span.id not in gone and not any(span.start <= start < span.stop for start in shown)
    ]
    if not kept:
        return None
    moved, start = list[DocumentSpan](), 0
    for span in kept:
        moved.append(replace(span, start=start, stop=start + span.stop - span.start))
        start = moved[-1].stop
    missing = len(sequence) - start
    borders = [0, *(span.stop for span in moved), *([len(sequence)] if missing else [])]

    def joined(array: Any, padding: Any, axis: int = 0) -> Any:
        parts = [np.take(array, range(span.start, span.stop), axis) for span in kept]
        return np.concatenate([*parts, padding.astype(array.dtype)], axis=axis)

    positions = text_positions(missing)
    axes = sequence.positions.ndim
    return PackedSequence(
        joined(sequence.tokens, _padding(sequence, missing, end_of_text, eob)),
        joined(sequence.roles, np.full(missing, Role.PADDING)),
        joined(sequence.loss_mask, np.zeros(missing)),
        joined(sequence.positions, np.stack([positions] * 3) if axes > 1 else positions, axes - 1),
        np.array(borders, np.int32),
        tuple(moved),
        tuple(
            replace(media, start=media.start + new.start - old.start, stop=media.stop + new.start - old.start)
            for old, new in zip(kept, moved, strict=True)
            for media in sequence.media
            if old.start <= media.start < old.stop
        ),
    )


def _padding(sequence: PackedSequence, count: int, end_of_text: int, eob: int) -> Any:
    if sequence.tokens.ndim == 1:
        return np.full(count, end_of_text)
    rows = np.full((count, sequence.tokens.shape[1]), eob)
    rows[:, 0] = end_of_text
    return rows


def _ledger(data: bytes, gone: frozenset[str], change: Change) -> bytes:
    """A set's ledger in which these documents were taken down; b"" where it has none of them."""
    table = parquet(data, SEQUENCE_LEDGER.names)
    named: Any = pc.is_in(table["id"], value_set=pa.array(sorted(gone), pa.string()))
    if not pc.any(named).as_py():
        return b""
    rows = table.to_pylist()
    for row, goes in zip(rows, named.to_pylist(), strict=True):
        if goes:
            change.outcomes[row["outcome"]] = change.outcomes.get(row["outcome"], 0) - 1
            change.outcomes[TAKEN_DOWN] = change.outcomes.get(TAKEN_DOWN, 0) + 1
            row |= {"outcome": TAKEN_DOWN, "reason": "", "occurrences": 0, "tokens": 0}
    return to_parquet(pa.Table.from_pylist(rows, SEQUENCE_LEDGER))


def sections(sets: Sequence[Section], rewritten: Rewritten) -> list[Section]:
    """The manifest's sections of the sets that are left."""
    left = []
    for one in sets:
        dropped = {base.rpartition("/")[2] for base in rewritten.dropped if base.split("/")[1] == one.name}
        formats = [name for name in one.formats if name not in dropped]
        change = rewritten.changes.get(one.name, Change())
        outcomes = {
            name: one.outcomes.get(name, 0) + change.outcomes.get(name, 0) for name in {*one.outcomes, *change.outcomes}
        }
        if formats:
            left.append(
                msgspec.structs.replace(
                    one,
                    formats=formats,
                    sequences=one.sequences + change.sequences,
                    tokens=one.tokens + change.tokens,
                    padding=one.padding + change.padding,
                    outcomes={name: n for name, n in sorted(outcomes.items()) if n},
                )
            )
    return left
