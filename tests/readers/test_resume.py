"""A trainer goes on where it was: any number of ranks, any number of steps, each entry once an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import UsageError
from dataengine.readers.resume import Cursor, ReleaseShards, Resumable, permuted


@dataclass
class Counted:
    """Shards of numbers; ``opened``: which were read."""

    sizes: tuple[int, ...]
    identity: str = "it"

    def __post_init__(self) -> None:
        self.opened: list[int] = []

    def read_shard(self, number: int) -> Iterator[int]:
        self.opened.append(number)
        start = sum(self.sizes[:number])
        yield from range(start, start + self.sizes[number])

    def order(self, seed: int | None, epoch: int) -> list[int]:
        return [n for shard in permuted(len(self.sizes), seed, epoch) for n in self.read_shard(shard)]


SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=6).map(tuple).filter(lambda sizes: sum(sizes) >= 8)
PHASES = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 8)), min_size=1, max_size=4)


@given(sizes=SIZES, phases=PHASES, seed=st.sampled_from([None, 3]))
def test_phases_of_any_ranks_read_the_epochs_in_order(
    sizes: tuple[int, ...], phases: list[tuple[int, int]], seed: int | None
) -> None:
    data = Counted(sizes)
    state: dict[str, Any] | None = None
    place = Cursor(sum(sizes))
    for steps, ranks in phases:
        states, read = [], []
        for rank in range(ranks):
            one = Resumable(data, rank=rank, ranks=ranks, seed=seed, epochs=None)
            if state is not None:
                one.load_state_dict(state)
            read.append(list(islice(iter(one), steps)))
            states.append(one.state_dict())
        assert all(other == states[0] for other in states), "the same on all ranks"
        expected = []
        for _ in range(steps):
            if place.total - place.consumed < ranks:
                place = Cursor(place.total, place.epoch + 1)
            expected.append(data.order(seed, place.epoch)[place.consumed : place.consumed + ranks])
            place = place.after(1, ranks)
        assert [list(step) for step in zip(*read, strict=True)] == expected
        state = states[0]
        if steps:
            assert (state["epoch"], state["consumed"]) == (place.epoch, place.consumed)


@given(total=st.integers(8, 60), first=st.integers(0, 40), more=st.integers(0, 40), ranks=st.integers(1, 8))
def test_steps_add_up(total: int, first: int, more: int, ranks: int) -> None:
    cursor = Cursor(total)
    by_one = cursor
    for _ in range(first + more):
        by_one = by_one.after(1, ranks)
    assert cursor.after(first, ranks).after(more, ranks) == cursor.after(first + more, ranks) == by_one


def test_shards_without_an_entry_are_not_opened() -> None:
    data = Counted((4, 4, 4, 4))
    one = Resumable(data)
    one.load_state_dict({**one.state_dict(), "consumed": 9})
    assert list(one) == [9, 10, 11, 12, 13, 14, 15] and data.opened == [2, 3]


def test_every_epoch_has_an_order_of_its_own() -> None:
    data = Counted((1,) * 9)
    read = list(Resumable(data, seed=5, epochs=3))
    epochs = [read[n : n + 9] for n in (0, 9, 18)]
    assert all(sorted(epoch) == list(range(9)) for epoch in epochs) and len({tuple(epoch) for epoch in epochs}) == 3


@pytest.mark.parametrize(
    ("change", "message"), [({"identity": "x"}, "identity"), ({"seed": 1}, "seed"), ({"version": 9}, "version")]
)
def test_states_of_something_else_are_refused(change: dict[str, Any], message: str) -> None:
    one = Resumable(Counted((4, 4)))
    with pytest.raises(UsageError, match=f"saved with {message}"):
        one.load_state_dict({**one.state_dict(), **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": None}, "epoch None, which is no count"),
        ({"consumed": "3"}, "consumed '3', which is no count"),
        ({"consumed": -1}, "consumed -1"),
        ({"epoch": True}, "epoch True"),
        ({"consumed": 9}, "9 consumed entries of 8: it is damaged"),
    ],
)
def test_damaged_states_are_refused_and_change_nothing(change: dict[str, Any], message: str) -> None:
    one = Resumable(Counted((4, 4)))
    state = {key: value for key, value in {**one.state_dict(), **change}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        one.load_state_dict(state)
    with pytest.raises(ValueError, match="not list"):
        one.load_state_dict([state])  # type: ignore[arg-type]
    assert list(one) == list(Resumable(Counted((4, 4))))


def test_more_ranks_than_entries_are_refused() -> None:
    with pytest.raises(UsageError, match="5 ranks, but only 4 entries"):
        next(iter(Resumable(Counted((2, 2)), rank=4, ranks=5, epochs=None)))
    with pytest.raises(UsageError, match="rank 2 of 2"):
        Resumable(Counted((2, 2)), rank=2, ranks=2)


def test_a_stateful_loader_goes_on_after_any_batch() -> None:
    from torchdata.stateful_dataloader import StatefulDataLoader

    def loader() -> Any:
        return StatefulDataLoader(Wrapped(Resumable(Counted((7, 5, 9)), ranks=1)), batch_size=2, num_workers=0)

    whole = [batch.tolist() for batch in loader()]
    first = loader()
    head = [batch.tolist() for batch in islice(iter(first), 4)]
    second = loader()
    second.load_state_dict(first.state_dict())
    assert head + [batch.tolist() for batch in second] == whole


def Wrapped(data: Resumable[int]) -> Any:  # noqa: N802
    """As a dataset of torch, which a loader asks for."""
    from torch.utils.data import IterableDataset

    class Dataset(IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[int]:
            return iter(data)

        def state_dict(self) -> dict[str, Any]:
            return data.state_dict()

        def load_state_dict(self, state: dict[str, Any]) -> None:
            data.load_state_dict(state)

    return Dataset()


@pytest.mark.slow
def test_plain_shards_of_a_release(small: Path) -> None:
    shards = ReleaseShards.of(str(small))
    every = [key for key, _ in Resumable(shards)]
    halves = [[key for key, _ in Resumable(shards, rank=rank, ranks=2)] for rank in (0, 1)]
    assert len(set(every)) == len(every) == sum(shards.sizes) > 3
    assert [key for pair in zip(*halves, strict=True) for key in pair] == every[: len(every) // 2 * 2]
    with pytest.raises(UsageError, match="split `none` has no shards"):
        ReleaseShards.of(str(small), "none")
