from __future__ import annotations

import io
import os
import pickle
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from dataengine.cot.core.outcomes import Kept, Outcome, Rejected, Step
from dataengine.errors import BalanceError, InputError, RunError, UsageError
from dataengine.ingest.decode_task import Decoded, OptOut, WholeFile
from dataengine.media.facts import Facts
from dataengine.media.inspect import inspect
from dataengine.media.limits import Limits
from dataengine.media.sandbox.answers import Answer, AnswerReader, InvalidAnswerError, encode
from dataengine.media.sandbox.pool import Sandbox
from dataengine.media.sandbox.wire import Broken, Failed, Ok, Ready
from dataengine.testing import picture

LIMIT = 8 << 20


@dataclass(frozen=True)
class Point:
    x: int
    rows: tuple[float, ...] = ()


@contextmanager
def sent(data: bytes) -> Iterator[int]:
    """A descriptor that gives ``data``."""
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


def received(data: bytes, type_: Any = Any) -> list[Answer]:
    reader = AnswerReader(type_, LIMIT)
    answers: list[Answer] = []
    with sent(data) as pipe:
        while not reader.ended:
            answers += reader.read(pipe)
    return answers


def through(answer: Answer, type_: Any = Any) -> Answer:
    [only] = received(b"".join(encode(answer, LIMIT)), type_)
    return only


def message(body: Any, arrays: bytes = b"", kind: int = 1) -> bytes:
    """An answer as a child would write it that keeps to no rule."""
    packed = body if isinstance(body, bytes) else msgspec.msgpack.encode(body)
    padding = bytes(-len(packed) % 16)
    return struct.pack("<QQQ8x", kind, len(packed), len(packed + padding + arrays)) + packed + padding + arrays


def array(dtype: Any, shape: Any, place: Any) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(1, msgspec.msgpack.encode((dtype, shape, place)))


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (None, Any),
        ([1, -(1 << 63), (1 << 64) - 1, 0.1, float("inf"), True, "å", b"\0", {"a": [None]}], Any),
        ((Point(3, (0.5, 1e300)), "why", False), tuple[Point, str, bool]),
        ([Rejected("s", "m", "t", Step.VERIFY, "no")], list[Outcome]),
        (OptOut("noai"), Decoded),
        ({"sampling": [b"jpeg"]}, dict[str, list[bytes]]),
    ],
)
def test_values_arrive_as_their_type(value: Any, type_: Any) -> None:
    assert through(Ok(value), type_) == Ok(value)


@pytest.mark.parametrize(
    "rows",
    [
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.array([True, False]),
        np.empty((0, 3), np.int16),
        np.array(7, np.float16),
        np.zeros((1, 300, 300), np.int64),
    ],
)
def test_arrays_arrive_uncopied_and_writable(rows: npt.NDArray[Any]) -> None:
    outcome = through(Ok({"rows": rows, "also": [rows]}))
    assert isinstance(outcome, Ok)
    for copy in (outcome.value["rows"], outcome.value["also"][0]):
        assert copy.dtype == rows.dtype and np.array_equal(copy.reshape(rows.shape), rows)
        assert copy.flags.writeable and copy.flags.aligned and not copy.flags.owndata


def test_scalars_of_numpy_are_numbers() -> None:
    assert through(Ok({"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True)})) == Ok(
        {"a": 0.5, "b": 3, "c": True}
    )


def test_the_facts_of_a_file_keep_to_their_type() -> None:
    out = io.BytesIO()
    Image.fromarray(picture(0)).save(out, "PNG")
    whole = WholeFile(cast(Facts, inspect(Limits(), out.getvalue())), b"x")
    assert through(Ok(whole), Decoded) == Ok(whole)


def test_failures_and_errors_of_the_program_arrive() -> None:
    assert through(Failed("too_many_pixels", "\udcff" + "x" * 9_000)) == Failed(
        "too_many_pixels", "\\udcff" + "x" * 3_994
    )
    for error in (UsageError("a"), RunError("b"), BalanceError("c")):
        broken = through(Broken(error))
        assert isinstance(broken, Broken) and type(broken.error) is type(error) and str(broken.error) == str(error)
    assert received(b"".join(encode(Ready(), 100)) * 2) == [Ready(), Ready()]


def test_what_cannot_be_sent_is_an_error_of_the_child() -> None:
    for value, error in ((lambda: 0, TypeError), (np.array([None]), TypeError), (1 << 64, OverflowError)):
        with pytest.raises(error):
            encode(Ok(value), LIMIT)
    with pytest.raises(InputError, match="limit 8,388,608"):
        encode(Ok(np.zeros(LIMIT, np.uint8)), LIMIT)


class Marks:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


GOOD: dict[str, Any] = {
    "kind": "image",
    "format": "png",
    "ext": "png",
    "width": 1,
    "height": 1,
    "orientation": 1,
    "mode": "RGB",
}
GOOD |= {"frames": 1, "fps": None, "duration": None, "codec": None, "audio": False, "phash": 1, "frame_hashes": []}
GOOD |= {"hash_version": "1"}
LIES = {
    "unknown kind": message(0, kind=9),
    "giant": struct.pack("<QQQ8x", 1, 10, 1 << 40),
    "body beyond the message": struct.pack("<QQQ8x", 1, 1 << 40, 10),
    "no MessagePack": message(b"\xc1"),
    "more than one value": message(b"\x01\x01"),
    "list that is not there": message(b"\xdd\xff\xff\xff\xff"),
    "deep": message(b"\x91" * 1_000_000 + b"\x01"),
    "text that is not UTF-8": message(b"\xa1\xff"),
    "array as key": message(b"\x81" + msgspec.msgpack.encode(array("|u1", (1,), 0)) + b"\x01", bytes(16)),
    "shape that lies": message(array("|u1", (1 << 20, 1 << 20), 0), bytes(64)),
    "negative shape": message(array("|u1", (-1, -1), 0), bytes(64)),
    "shape without end": message(array("|u1", (0, 1 << 62), 0), bytes(64)),
    "40 dimensions": message(array("|u1", (1,) * 40, 0), bytes(64)),
    "array before its answer": message(array("|u1", (4,), -16), bytes(64)),
    "array beyond its answer": message(array("|u1", (4,), 64), bytes(64)),
    "array askew": message(array("<f8", (1,), 3), bytes(64)),
    "array of objects": message(array("|O", (1,), 0), bytes(64)),
    "array of text": message(array("<U4", (1,), 0), bytes(64)),
    "array without a place": message(msgspec.msgpack.Ext(1, b"")),
    "unknown extension": message(msgspec.msgpack.Ext(7, b"abc")),
    "failure with a sentence for a class": message(("no such class", "x"), kind=2),
    "failure of 1 MB": message(("corrupt", "x" * 1_000_000), kind=2),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused(lie: str) -> None:
    with pytest.raises(InvalidAnswerError):
        received(LIES[lie])


@pytest.mark.parametrize(
    "facts",
    [
        {"uri": "file:///etc/passwd", "width": -1},
        {"width": 1 << 40},
        {"ext": "png/../../x"},
        {"kind": "program"},
        {"phash": 1 << 63},
        {"frame_hashes": list(range(2_000))},
        {"format": "x" * 1_000},
        {"audio": None},
    ],
)
def test_facts_that_no_table_holds_are_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswerError, match="not of its type"):
        received(message({"type": "WholeFile", "facts": GOOD | facts}), Decoded)


def test_a_class_that_the_child_names_is_not_made() -> None:
    [outcome] = received(message({"type": "WholeFile", "facts": GOOD | {"id": "forged"}, "extra": 1}), Decoded)
    assert outcome == Ok(WholeFile(cast(Facts, GOOD)))
    for type_ in ("OptedOutError", "Clip", "subprocess.Popen"):
        with pytest.raises(InvalidAnswerError):
            received(message({"type": type_, "facts": GOOD}), Decoded)
    with pytest.raises(InvalidAnswerError):
        received(message({"type": "Kept", "question": "{}", "images": []}), list[Kept | Rejected])


def test_an_answer_arrives_in_any_pieces() -> None:
    rows = np.arange(100_000, dtype=np.int32)
    data = b"".join(encode(Ok([rows]), LIMIT)) + b"".join(encode(Ok("end"), LIMIT))
    reader = AnswerReader(Any, LIMIT)
    read, write = os.pipe()
    os.set_blocking(read, False)
    answers: list[Answer] = []
    for at in range(0, len(data), 7_001):
        os.write(write, data[at : at + 7_001])
        for _ in range(3):
            answers += reader.read(read)
    assert isinstance(answers[0], Ok) and np.array_equal(answers[0].value[0], rows) and answers[1] == Ok("end")
    assert not reader.receiving and not reader.ended
    os.close(write)
    os.close(read)


def test_an_attackers_answer_costs_its_item_and_its_child(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    harm = pickle.dumps(Ok(Marks(mark)))
    lies = [
        struct.pack("<Q", len(harm)) + harm,
        message(harm),
        LIES["giant"],
        LIES["shape that lies"],
        b"".join(encode(Ready(), LIMIT)) + LIES["unknown kind"],
    ]
    limits = Limits(seconds=300.0, memory=512 << 20)
    with Sandbox("support.sandbox_functions:obey", None, workers=1, limits=limits) as sandbox:
        items = [item for lie in lies for item in (("echo", 0), ("send", lie))]
        outcomes = list(sandbox.map([*items, ("echo", 1)]))
    assert [o.failure if isinstance(o, Failed) else o.value[1] for o in outcomes] == [0, "invalid_answer"] * 5 + [1]
    assert not mark.exists()


@pytest.mark.slow
def test_half_an_answer_is_waited_for_no_longer_than_an_item_may_take() -> None:
    half = message(bytes(100))[:50]
    with Sandbox("support.sandbox_functions:obey", None, workers=1, limits=Limits(seconds=5.0)) as sandbox:
        outcomes = list(sandbox.map([("send", half), ("echo", 1)]))
    assert [o.failure if isinstance(o, Failed) else None for o in outcomes] == ["timeout", None]
