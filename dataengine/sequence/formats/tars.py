"""WebDataset tars of ``.npy`` members, and what Megatron-Energon wants beside them to read the same tars.

Energon's ``prepare`` would write the same with a random id in it; here the bytes depend on the shards alone. ``index.sqlite``, by
which samples are found by key, is not needed to train and not written.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dataengine.sequence.formats.arrays import from_members, members_of
from dataengine.sequence.formats.description import SequenceShard
from dataengine.sequence.model import PackedSequence
from dataengine.shards.read import read_shard
from dataengine.storage.tar import BLOCK, TarWriter
from dataengine.storage.workspace import canonical_json

_DATASET = b"__module__: megatron.energon\n__class__: CrudeWebdataset\n"


def write(folder: Path, name: str, rows: Iterable[tuple[str, PackedSequence]], index: bool = False) -> list[str]:
    """Write ``NAME.tar`` and, where an ``index`` is wanted, ``NAME.tar.idx``; names of the files."""
    starts: list[int] = []
    with Path(folder, f"{name}.tar").open("wb") as out:
        tar = TarWriter(out)
        for key, sequence in rows:
            places = [tar.add(f"{key}.{extension}", data) for extension, data in members_of(sequence)]
            starts.append(places[0].offset - BLOCK)
            end = places[-1].offset + -(-places[-1].size // BLOCK) * BLOCK
        tar.finish()
    if not index:
        return [f"{name}.tar"]
    offsets = [*starts, end if starts else 0]
    Path(folder, f"{name}.tar.idx").write_bytes(struct.pack(f"<{len(offsets)}Q", *offsets))
    return [f"{name}.tar", f"{name}.tar.idx"]


def read(path: Path) -> Iterator[tuple[str, PackedSequence]]:
    """Key and sequence of each sample. Raises RunError for a damaged tar or sample."""
    for key, members in read_shard(path):
        yield key, from_members(members, f"{path.name}: {key}")


def energon_metadata(shards: Sequence[SequenceShard], split: str, version: str = "7.4.1") -> Mapping[str, bytes]:
    """Files of ``.nv-meta`` for a set of these shards: what ``energon prepare`` of that version writes for crude samples."""
    counts = {f"{shard.name}.tar": shard.sequences for shard in shards}
    lines = "".join(f"  - {name}\n" for name in counts)
    splits = f"split_parts:\n  {split}:\n{lines}exclude: []\n"
    return {
        ".nv-meta/.info.json": canonical_json({"energon_version": version, "shard_counts": counts}),
        ".nv-meta/dataset.yaml": _DATASET,
        ".nv-meta/split.yaml": splits.encode(),
    }
