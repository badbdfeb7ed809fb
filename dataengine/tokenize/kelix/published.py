"""Converts the tokenizer of a published Kelix model to a checkpoint and back, one tensor in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from dataengine.errors import UsageError
from dataengine.models.sharded import ShardedModel, some
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.names import PREFIX, Link, links, meaning
from dataengine.tokenize.kelix.tokenizer import as_array, raw

#: Rows of a table that are compared at once.
_ROWS = 4096


@dataclass(frozen=True)
class Names:
    """Where each tensor of the tokenizer is in a model, by its name without ``prefix``; what the other keys are."""

    full: Mapping[str, str]
    foreign: Mapping[str, int]
    shared: Sequence[str]
    """Tables of centres that are stored once, under another codebook's name."""


class Published(Mapping[str, "NDArray[Any]"]):
    """Tensors of the network of ``config``, read from a published model when they are asked for, in the type they have there.

    Raises UsageError naming what is missing, unknown, of another shape, or a table of centres that differs from the others.
    """

    def __init__(
        self, model: ShardedModel, config: KelixConfig, prefix: str = PREFIX, ignore: Sequence[str] = ()
    ) -> None:
        self.model = model
        self._links = {link.ours: link for link in links(config)}
        self.names = located(model, list(self._links.values()), prefix, tuple(ignore))
        self._check_tables()

    def __iter__(self) -> Iterator[str]:
        return iter(self._links)

    def __len__(self) -> int:
        return len(self._links)

    def __getitem__(self, name: str) -> NDArray[Any]:
        link = self._links[name]
        theirs = [self.names.full[part] for part in link.theirs]
        if link.kind == "rows":
            return as_array(self.model.rows(theirs[0], link.first, link.first + link.own[0]))
        tensors = [self.model.get(part) for part in theirs]
        return as_array(torch.cat(tensors) if link.kind == "joined" else tensors[0].reshape(link.own))

    def _check_tables(self) -> None:
        """Every codebook keeps rows of its own table: which of several differing tables is meant would be a guess."""
        tables = [self.names.full[link.theirs[0]] for link in self._links.values() if link.kind == "rows"]
        if not tables:
            return
        first = tables[0]
        for other in sorted(set(tables) - {first}):
            for start in range(0, self.model.shape(first)[0], _ROWS):
                if not same(*(self.model.rows(name, start, start + _ROWS) for name in (first, other))):
                    raise UsageError(
                        f"model {self.model.url}: {other} differs from {first} in rows {start:,} to {start + _ROWS:,}; "
                        "the codebooks are to share one table of centres"
                    )


def same(a: Tensor, b: Tensor) -> bool:
    """Are two tensors the same bits in the same type and shape?"""
    return a.dtype == b.dtype and a.shape == b.shape and raw(a) == raw(b)


def located(model: ShardedModel, wanted: Sequence[Link], prefix: str, ignore: tuple[str, ...]) -> Names:
    """Find the tokenizer's tensors in a model, below ``prefix`` or without it. Raises UsageError."""
    whole = any(name.startswith(prefix) for name in model)
    at = {part: link for link in wanted for part in link.theirs}
    full = {part: f"{prefix}{part}" if whole else part for part in at}
    tables = [part for part, link in at.items() if link.kind == "rows"]
    stored = [part for part in tables if full[part] in model]
    shared = [part for part in tables if stored and part not in stored]
    full |= dict.fromkeys(shared, full[stored[0]])
    used = set(full.values())
    meanings = {name: meaning(name, prefix, ignore) for name in model if name not in used}
    faults = {
        "missing": sorted(name for name in used if name not in model),
        "unknown": sorted(name for name, what in meanings.items() if what is None),
        "of another shape": [
            _shapes(full[part], model, link) for part, link in at.items() if _misfit(full[part], model, link)
        ],
    }
    if any(faults.values()):
        parts = [f"{what}: {some(names)}" for what, names in faults.items() if names]
        raise UsageError(f"model {model.url} does not fit the configuration; {'; '.join(parts)}")
    for name in sorted(used):
        model.dtype(name)
    return Names(full, Counter(what for what in meanings.values() if what), shared)


def _misfit(name: str, model: ShardedModel, link: Link) -> bool:
    return name in model and model.shape(name) != link.shape


def _shapes(name: str, model: ShardedModel, link: Link) -> str:
    return f"{name} {list(model.shape(name))} instead of {list(link.shape)}"
