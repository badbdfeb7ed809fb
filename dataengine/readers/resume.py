"""Stateful reading for trainers: a cursor that gives each rank its next entry after any number of steps, for any number of ranks.

    data = Resumable(PackedShards.of("ws/releases/NAME/sequences/SET/parquet"), rank=3, ranks=8, seed=7)
    for sequence in data: ...
    state = data.state_dict()                 # with the model; equal on all ranks after equal steps
    Resumable(..., rank=1, ranks=16).load_state_dict(state)      # goes on after what 8 ranks have read

Entry g of an epoch is of rank ``g % ranks``, which is what sets balanced over ranks are ordered for. The state is a count over
all ranks, so it says nothing of how many there were. ``state_dict`` and ``load_state_dict`` are torchdata's protocol: a
``StatefulDataLoader`` saves and restores such a dataset in each of its workers.
"""

from __future__ import annotations

import bisect
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from dataengine.errors import UsageError
from dataengine.release.reader import Published, Tar, open_release
from dataengine.sequence.formats.reader import SequenceSet, open_set
from dataengine.sequence.model import PackedSequence
from dataengine.storage.workspace import digest

T = TypeVar("T")
Entry = TypeVar("Entry", covariant=True)
_VERSION = 1


class Sharded(Protocol[Entry]):
    """Entries in shards of known sizes: a set of packed sequences, or the tars of a release."""

    @property
    def identity(self) -> str:
        """What names the content: a state of other content is refused."""
        ...

    @property
    def sizes(self) -> Sequence[int]:
        """Entries of each shard."""
        ...

    def read_shard(self, number: int) -> Iterator[Entry]:
        """The entries of one shard in order."""
        ...


@dataclass(frozen=True)
class Cursor:
    """A place in the epochs of ``total`` entries: ``consumed`` of epoch ``epoch`` by all ranks together."""

    total: int
    epoch: int = 0
    consumed: int = 0

    def after(self, steps: int, ranks: int) -> Cursor:
        """The place after so many steps, in each of which every rank takes one entry. The entries of an epoch's last, incomplete
        step are left out, as in a distributed sampler that drops the last. Raises UsageError for more ranks than entries."""
        a_epoch = (self.total - self.consumed) // ranks
        if steps < a_epoch or (steps == a_epoch and self.consumed + steps * ranks < self.total):
            return replace(self, consumed=self.consumed + steps * ranks)
        whole = self.total // ranks
        if not whole:
            raise UsageError(f"{ranks} ranks, but only {self.total} entries: every rank needs one")
        more, left = divmod(steps - a_epoch, whole)
        if more and not left and self.total % ranks:  # before the entries that are left out
            return Cursor(self.total, self.epoch + more, whole * ranks)
        return Cursor(self.total, self.epoch + 1 + more, left * ranks)

    def position(self, rank: int) -> int:
        """Number in the epoch of the rank's next entry."""
        return self.consumed + rank


class Resumable(Generic[T]):
    """Entries of one rank, from where a state says, epoch after epoch: ``epochs`` of them, or without an end.

    ``seed``: the order of the shards differs from epoch to epoch; None: that of the set. In a PyTorch DataLoader each worker
    takes its part of the rank's entries. Raises UsageError for a rank that there is not.
    """

    def __init__(
        self, data: Sharded[T], *, rank: int = 0, ranks: int = 1, seed: int | None = None, epochs: int | None = 1
    ) -> None:
        if not 0 <= rank < ranks:
            raise UsageError(f"rank {rank} of {ranks}: ranks count from 0")
        self._data, self._rank, self._ranks, self._seed, self._epochs = data, rank, ranks, seed, epochs
        self.cursor = Cursor(sum(data.sizes))

    def __iter__(self) -> Iterator[T]:
        worker, workers = _worker()
        rank, ranks = self._rank * workers + worker, self._ranks * workers
        Cursor(self.cursor.total).after(1, ranks)  # refuses more ranks than entries, which would never give one
        while self._epochs is None or self.cursor.epoch < self._epochs:
            epoch = self.cursor.epoch
            for entry in self._from(self.cursor, rank, ranks):
                self.cursor = self.cursor.after(1, ranks)
                yield entry
            if self.cursor.epoch == epoch:  # what is left is less than one entry a rank
                self.cursor = Cursor(self.cursor.total, epoch + 1)

    def state_dict(self) -> dict[str, Any]:
        """After the last entry that ``__iter__`` gave. The same on all ranks after equal steps."""
        place = {"epoch": self.cursor.epoch, "consumed": self.cursor.consumed}
        return {"version": _VERSION, "identity": self._data.identity, "seed": self._seed, **place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state, of however many ranks. Raises UsageError for one of other content, order or version, ValueError for
        what is no state."""
        if not isinstance(state, dict):
            raise ValueError(f"a state is a dict of state_dict(), not {type(state).__name__}")
        own = {"version": _VERSION, "identity": self._data.identity, "seed": self._seed}
        if differing := [name for name, value in own.items() if state.get(name) != value]:
            name = differing[0]
            raise UsageError(
                f"the state was saved with {name} {state.get(name)!r}, here it is {own[name]!r}: open the same data, or start "
                "anew"
            )
        cursor = Cursor(self.cursor.total, _count(state, "epoch"), _count(state, "consumed"))
        if cursor.consumed > cursor.total:
            raise ValueError(f"the state has {cursor.consumed:,} consumed entries of {cursor.total:,}: it is damaged")
        self.cursor = cursor

    def _from(self, cursor: Cursor, rank: int, ranks: int) -> Iterator[T]:
        """Entries of the rank in the rest of an epoch; shards without one of them are not opened."""
        order = permuted(len(self._data.sizes), self._seed, cursor.epoch)
        starts = [0]
        for number in order:
            starts.append(starts[-1] + self._data.sizes[number])
        last = cursor.consumed + (cursor.total - cursor.consumed) // ranks * ranks
        wanted = range(cursor.position(rank), last, ranks)
        at = 0
        while at < len(wanted):
            shard = bisect.bisect_right(starts, wanted[at]) - 1
            inside = range(wanted[at] - starts[shard], min(starts[shard + 1], last) - starts[shard], ranks)
            yield from _picked(self._data.read_shard(order[shard]), inside)
            at += len(inside)


def _count(state: dict[str, Any], name: str) -> int:
    value = state.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(
            f"the state has {name} {value!r}, which is no count: it is damaged, or was not made by state_dict()"
        )
    return value


def _picked(entries: Iterator[T], wanted: range) -> Iterator[T]:
    """The entries with these numbers; reading ends with the last of them."""
    for number, entry in enumerate(entries):
        if number in wanted:
            yield entry
            if number == wanted[-1]:
                return


def permuted(count: int, seed: int | None, epoch: int) -> list[int]:
    """Numbers of the shards in the order of an epoch; as they are without a seed."""
    if seed is None:
        return list(range(count))
    return sorted(range(count), key=lambda n: hashlib.sha256(f"{seed}\0{epoch}\0{n}".encode()).digest())


def _worker() -> tuple[int, int]:
    """Number of this DataLoader worker, and how many there are."""
    data = sys.modules.get("torch.utils.data")
    info = data.get_worker_info() if data is not None else None
    return (info.id, info.num_workers) if info is not None else (0, 1)


@dataclass(frozen=True)
class ReleaseShards:
    """Samples (``kind`` shards) or records (cot) of a split of a release: ``(key, {extension: bytes})``."""

    release: Published
    tars: tuple[Tar, ...]

    @classmethod
    def of(cls, url: str, split: str = "train", kind: str = "shards") -> ReleaseShards:
        """Raises as ``open_release``; UsageError for a split without shards."""
        release = open_release(url)
        tars = tuple(release.shards(split) if kind == "shards" else release.cot(split))
        if not tars:
            raise UsageError(f"{url}: split `{split}` has no {kind}; the release has {', '.join(release.splits)}")
        return cls(release, tars)

    @property
    def identity(self) -> str:
        return digest([tar.sha256 for tar in self.tars])

    @property
    def sizes(self) -> list[int]:
        return [tar.entries for tar in self.tars]

    def read_shard(self, number: int) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Raises RunError as ``Published.read``."""
        yield from self.release.read(self.tars[number])


@dataclass(frozen=True)
class PackedShards:
    """Sequences of a set, in a format that keeps all of them (webdataset, energon, parquet, datasets)."""

    stored: SequenceSet

    @classmethod
    def of(cls, url: str) -> PackedShards:
        """Raises as ``open_set``."""
        return cls(open_set(url))

    @property
    def identity(self) -> str:
        return digest([file.sha256 for shard in self.stored.about.shards for file in shard.files])

    @property
    def sizes(self) -> list[int]:
        return [shard.sequences for shard in self.stored.about.shards]

    def read_shard(self, number: int) -> Iterator[PackedSequence]:
        """Raises RunError for a file that is missing or another than listed."""
        yield from self.stored.read(self.stored.about.shards[number])
