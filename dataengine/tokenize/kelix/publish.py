"""Writes a tokenizer under the published names: alone, or in place of the one in a whole published model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from dataengine.models import safetensors_writer
from dataengine.models.safetensors_writer import Spec, nbytes
from dataengine.models.sharded import CONFIG, INDEX, ShardedModel
from dataengine.storage.store import Store
from dataengine.tokenize.checkpoint import spec_of
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.names import PREFIX, links
from dataengine.tokenize.kelix.published import located
from dataengine.tokenize.kelix.tokenizer import raw

#: Bytes of a shard.
SHARD = 4 << 30

Tensors = Mapping[str, NDArray[Any]]
_T = TypeVar("_T")


class _Pieces:
    """Published tensors of a checkpoint, each made when it is asked for."""

    def __init__(self, config: KelixConfig, tensors: Tensors) -> None:
        self._tensors = tensors
        self.links = links(config)
        self._books = [link for link in self.links if link.kind == "rows"]
        self._at = {part: (link, n) for link in self.links for n, part in enumerate(link.theirs)}

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def spec(self, name: str) -> Spec:
        link, _ = self._at[name]
        return spec_of(self._tensors[link.ours])[0], link.shape

    def get(self, name: str) -> bytes:
        """The tensor's bytes: a table is the centres of all codebooks, queries, keys and values are parts of one matrix."""
        link, n = self._at[name]
        if link.kind == "rows":
            return b"".join(self._tensors[book.ours].tobytes() for book in self._books)
        return np.split(self._tensors[link.ours], len(link.theirs))[n].tobytes()


def publish(store: Store, config: KelixConfig, tensors: Tensors, prefix: str = PREFIX, shard: int = SHARD) -> list[str]:
    """Write the tokenizer alone, in shards of at most ``shard`` bytes (a larger tensor has one of its own) and their index. The
    shards' names."""
    pieces = _Pieces(config, tensors)
    specs = {f"{prefix}{part}": pieces.spec(part) for part in pieces}
    groups = _groups(specs, shard)
    files = {f"model-{n:05d}-of-{len(groups):05d}.safetensors": group for n, group in enumerate(groups, 1)}
    for file, names in files.items():
        _put(
            store,
            file,
            {n: specs[n] for n in names},
            lambda name: pieces.get(name.removeprefix(prefix)),
            {"format": "pt"},
        )
    _put_index(store, {name: file for file, names in files.items() for name in names}, sum(map(nbytes, specs.values())))
    return list(files)


def replace(
    store: Store, config: KelixConfig, tensors: Tensors, model: ShardedModel, prefix: str = PREFIX
) -> list[str]:
    """Write a whole ``model`` again, shard by shard, with this tokenizer's tensors in place of its own. Raises UsageError for a
    model that has another tokenizer's."""
    pieces = _Pieces(config, tensors)
    names = located(model, pieces.links, prefix, tuple(model))
    part_of = {full: part for part, full in names.full.items()}

    def spec(name: str) -> Spec:
        return pieces.spec(part_of[name]) if name in part_of else (model.kind(name), model.shape(name))

    def get(name: str) -> bytes:
        return pieces.get(part_of[name]) if name in part_of else raw(model.get(name))

    listed: dict[str, str] = {}
    total = 0
    for file, held in model.shards.items():
        specs = {name: spec(name) for name in held}
        _put(store, file, specs, get, model.metadata(file))
        listed |= dict.fromkeys(held, file)
        total += sum(map(nbytes, specs.values()))
    if len(model.shards) > 1:
        _put_index(store, listed, total)
    if (settings := model.config()) is not None:
        store.put(CONFIG, json.dumps(settings, indent=2).encode())
    return list(model.shards)


def put_file(store: Store, key: str, write: Callable[[BinaryIO], _T]) -> _T:
    """Write an object by way of a temporary file, for what is larger than memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "object")
        with path.open("wb") as out:
            result = write(out)
        store.put(key, path)
    return result


def _put(
    store: Store, file: str, specs: Mapping[str, Spec], get: Callable[[str], bytes], metadata: Mapping[str, str]
) -> None:
    put_file(store, file, lambda out: safetensors_writer.write(out, specs, get, metadata))


def _put_index(store: Store, files: Mapping[str, str], total: int) -> None:
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(files.items()))}
    store.put(INDEX, json.dumps(index, indent=2).encode())


def _groups(specs: Mapping[str, Spec], most: int) -> list[list[str]]:
    groups: list[list[str]] = []
    held = 0
    for name, spec in specs.items():
        if not groups or held + nbytes(spec) > most:
            groups.append([])
            held = 0
        groups[-1].append(name)
        held += nbytes(spec)
    return groups
