"""Reads a published model in safetensors, one file or many with an index, one tensor at a time; no code of it is run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dataengine.errors import UsageError
from dataengine.models.checkpoint import local
from dataengine.storage.store import Store

INDEX, SINGLE, CONFIG = "model.safetensors.index.json", "model.safetensors", "config.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_MOST_JSON = 64 << 20
_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class ShardedModel:
    """The tensors of a model by name. ``url`` is a folder or s3:// prefix, an index or a .safetensors file.

    A tensor is read from its file's mapping when it is asked for, so memory holds what the caller keeps. Raises UsageError
    for pickles, an index that disagrees with its shards, missing or damaged shards.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._folder, listed = _listing(self.url)
        self._open: dict[str, Any] = {}
        self.shards = _disjoint(
            self.url, {file: self._names(file) for file in sorted(set(listed.values()) or [_file(url)])}
        )
        self._file = {name: file for file, names in self.shards.items() for name in names}
        if listed:
            self._check(listed)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file)

    def __contains__(self, name: object) -> bool:
        return name in self._file

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._slice(name).get_shape())

    def dtype(self, name: str) -> torch.dtype:
        """Raises UsageError for anything but float64, float32, float16 and bfloat16."""
        kind = self.kind(name)
        if kind not in _DTYPES:
            raise UsageError(
                f"model {self.url}: tensor {name} is stored as {kind}; only {', '.join(_DTYPES)} are converted"
            )
        return _DTYPES[kind]

    def kind(self, name: str) -> str:
        """The format's name of a tensor's type."""
        return str(self._slice(name).get_dtype())

    def get(self, name: str) -> Tensor:
        tensor: Tensor = self._shard(self._file[name]).get_tensor(name)
        return tensor

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """``get(name)[start:stop]``, without reading the rest."""
        part: Tensor = self._slice(name)[start:stop]
        return part

    def metadata(self, file: str) -> dict[str, str]:
        """Metadata of one shard."""
        return self._shard(file).metadata() or {}

    def config(self) -> dict[str, Any] | None:
        """The model's config.json; None where there is none. Raises UsageError for a damaged one."""
        return _json_of(self._folder, CONFIG)

    def _names(self, file: str) -> list[str]:
        return sorted(self._shard(file).keys())

    def _slice(self, name: str) -> Any:
        return self._shard(self._file[name]).get_slice(name)

    def _shard(self, file: str) -> Any:
        if file not in self._open:
            try:
                self._open[file] = safe_open(local(f"{self._folder}/{file}"), framework="pt")
            except (SafetensorError, OSError) as error:
                raise UsageError(
                    f"model {self.url}: {file} is not a readable safetensors file ({error}); fetch it again"
                ) from None
        return self._open[file]

    def _check(self, listed: Mapping[str, str]) -> None:
        absent = sorted(name for name, file in listed.items() if name not in self.shards[file])
        unlisted = sorted(self._file.keys() - listed.keys())
        if absent:
            raise UsageError(
                f"model {self.url}: {INDEX} places {some(absent)} in {listed[absent[0]]}, which lacks it; fetch both again"
            )
        if unlisted:
            raise UsageError(
                f"model {self.url}: {self._file[unlisted[0]]} holds {some(unlisted)}, which {INDEX} does not name"
            )


def some(names: list[str], most: int = 4) -> str:
    """The first of a list of names and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _file(url: str) -> str:
    return url.rpartition("/")[2] if url.endswith(".safetensors") else SINGLE


def _listing(url: str) -> tuple[str, dict[str, str]]:
    """The folder, and of an indexed model the file of each tensor. Raises UsageError."""
    if url.endswith(_PICKLES):
        raise UsageError(f"model {url}: pickle files can run code and are not read; convert it to safetensors first")
    if url.endswith(".safetensors"):
        return url.rpartition("/")[0] or ".", {}
    folder, name = (url.rpartition("/")[0] or ".", url.rpartition("/")[2]) if url.endswith(".json") else (url, INDEX)
    index = _json_of(folder, name)
    if index is not None:
        return folder, _weight_map(f"{folder}/{name}", index)
    if name != INDEX or not Store(folder).exists(SINGLE):
        raise UsageError(_nothing(folder))
    return folder, {}


def _weight_map(where: str, index: Mapping[str, Any]) -> dict[str, str]:
    listed = index.get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(file, str) for file in listed.values()):
        raise UsageError(f"{where}: no weight_map from tensor to file")
    outside = sorted({f for f in listed.values() if PurePosixPath(f).name != f or not f.endswith(".safetensors")})
    if outside:
        raise UsageError(f"{where}: {outside[0]!r} is not the name of a .safetensors file beside the index")
    return listed


def _disjoint(url: str, shards: dict[str, list[str]]) -> dict[str, list[str]]:
    seen: dict[str, str] = {}
    for file, names in shards.items():
        for name in names:
            if seen.setdefault(name, file) != file:
                raise UsageError(f"model {url}: {name} is in {seen[name]} and in {file}")
    return shards


def _json_of(folder: str, name: str) -> dict[str, Any] | None:
    store = Store(folder)
    entry = store.head(name)
    if entry is None:
        return None
    if entry.size > _MOST_JSON:
        raise UsageError(f"{folder}/{name}: {entry.size:,} bytes, more than {_MOST_JSON:,}")
    try:
        value = json.loads(store.get(name))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UsageError(f"{folder}/{name}: not a JSON object; fetch it again")
    return value


def _nothing(folder: str) -> str:
    if "://" not in folder and Path(folder).is_dir():
        pickles = sorted(p.name for p in Path(folder).iterdir() if p.name.endswith(_PICKLES))
        if pickles:
            return (
                f"model {folder}: only pickle files ({some(pickles)}), which can run code and are not read; "
                "convert them to safetensors first"
            )
    return f"model {folder}: neither {INDEX} nor {SINGLE} is there"
