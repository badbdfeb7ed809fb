"""Arrays through memory that a decode child shares with its parent."""

from __future__ import annotations

import itertools
import mmap
import os
import struct
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from dataengine.media.limits import Limits
from dataengine.media.sandbox.answers import Answer, AnswerReader, InvalidAnswerError, encode
from dataengine.media.sandbox.pool import Failed, Ok, Sandbox
from dataengine.media.sandbox.shared import SLOT_BYTES, SLOTS, Arena
from dataengine.media.sandbox.wire import Ready

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")
OBEY = "support.sandbox_functions:obey"
LIMIT = 8 << 20


@pytest.fixture
def arena() -> Iterator[Arena]:
    made = Arena.create(1 << 20)
    assert made
    yield made
    made.handed_over()
    made.close()


def written_by_child(arena: Arena, *answers: Answer) -> bytes:
    """What a child that shares ``arena`` writes to its pipe."""
    child = Arena(arena.descriptor, mmap.PROT_READ | mmap.PROT_WRITE)
    return b"".join(b"".join(encode(answer, LIMIT, child.slot(n))) for n, answer in enumerate(answers))


def received(data: bytes, arena: Arena | None) -> list[Answer]:
    reader, answers = AnswerReader(Any, LIMIT, arena), list[Answer]()
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        file.seek(0)
        while not reader.ended:
            answers += reader.read(file.fileno())
    return answers


@pytest.mark.parametrize(
    "rows",
    [
        np.arange(48, dtype=np.uint8).reshape(4, 4, 3),
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.empty((0, 3), np.int16),
        np.array(7, np.float16),
        np.arange(1 << 20, dtype=np.uint8),
    ],
)
def test_arrays_arrive_as_copies_of_their_own(rows: Any, arena: Arena) -> None:
    data = written_by_child(arena, Ok({"rows": rows, "n": 1}))
    [outcome] = received(data, arena)
    written_by_child(arena, Ok(np.full(1 << 20, 255, np.uint8)))  # the slot is used again
    assert isinstance(outcome, Ok) and outcome.value["n"] == 1 and len(data) < 200
    got = outcome.value["rows"]
    assert got.dtype == rows.dtype and np.array_equal(got, rows) and got.flags.writeable and got.flags.aligned
    assert outcome.bytes >= rows.nbytes


def test_what_does_not_fit_a_slot_goes_through_the_pipe(arena: Arena) -> None:
    rows = np.arange((1 << 20) + 1, dtype=np.uint8)
    data = written_by_child(arena, Ok(rows))
    [outcome] = received(data, arena)
    assert len(data) > 1 << 20 and isinstance(outcome, Ok) and np.array_equal(outcome.value, rows)


def test_answers_use_the_slots_in_turn(arena: Arena) -> None:
    small = [Ok(np.full(9, n, np.uint8)) for n in range(SLOTS)]
    answers = received(written_by_child(arena, *small), arena)
    assert [int(a.value[0]) for a in answers if isinstance(a, Ok)] == list(range(SLOTS))


def test_the_child_cannot_change_the_size(arena: Arena) -> None:
    """Reading what it cut off would kill the parent."""
    for size in (0, 8 << 20):
        with pytest.raises(PermissionError):
            os.ftruncate(arena.descriptor, size)


def head(body: bytes, shared: int) -> bytes:
    return struct.pack("<QQQQ", 1, len(body), len(body), shared) + body


@pytest.mark.parametrize("shared", [(1 << 20) + 1, 1 << 62])
def test_more_than_the_slot_is_refused(shared: int, arena: Arena) -> None:
    with pytest.raises(InvalidAnswerError, match="an answer of"):
        received(head(msgspec.msgpack.encode(0), shared), arena)


def test_shared_arrays_without_shared_memory_are_refused() -> None:
    with pytest.raises(InvalidAnswerError):
        received(head(msgspec.msgpack.encode(0), 16), None)


def test_an_array_beyond_what_was_copied_is_refused(arena: Arena) -> None:
    place = msgspec.msgpack.encode(("|u1", (64,), 0))
    with pytest.raises(InvalidAnswerError, match="not of its type"):
        received(head(msgspec.msgpack.encode(msgspec.msgpack.Ext(1, place)), 16), arena)
    assert received(b"".join(encode(Ready(), 100)), arena) == [Ready()]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("slot_bytes", [0, 64, SLOT_BYTES])
def test_results_do_not_depend_on_children_or_slots(workers: int, slot_bytes: int) -> None:
    """Children finish in any order, and one of them dies twice on the way."""
    items: list[tuple[str, Any]] = [("square", n) for n in range(24)]
    items[11] = ("segfault", 0)
    with Sandbox(OBEY, None, workers=workers, limits=Limits(seconds=300.0), slot_bytes=slot_bytes) as sandbox:
        outcomes = list(sandbox.map(items))
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Failed)] == [11]
    for n, outcome in enumerate(outcomes):
        if isinstance(outcome, Ok):
            assert outcome.value.shape == (n, n) and np.all(outcome.value == n)


def test_no_descriptor_is_left_behind() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in itertools.repeat(None, 2):
        with Sandbox(OBEY, None, workers=2, limits=Limits()) as sandbox:
            assert list(sandbox.map([("echo", 1)])) == [Ok([None, 1])]
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208
