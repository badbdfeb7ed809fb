"""Answers of a decode child: MessagePack of a type that the parent names, with NumPy arrays beside it.

The child has worked on untrusted bytes and may be an attacker's. Its answer therefore names no class and runs no code: the
parent decodes it as the type that it expects, checks sizes before memory is used, and refuses everything else. Arrays come
after the body or, where they fit, through shared memory (``shared``); an extension type holds their dtype, shape and place.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from dataengine.errors import BalanceError, DataEngineError, InputError, PartitionError, RunError, UsageError
from dataengine.media.sandbox.shared import Arena
from dataengine.media.sandbox.wire import Broken, Failed, Ok, Ready

Answer = Ok | Failed | Broken | Ready
Buffer = bytes | memoryview

_HEAD = struct.Struct("<QQQQ")
"""Kind of answer, bytes of the body, bytes of the body and arrays that follow, and bytes of arrays in shared memory."""
_READY, _OK, _FAILED, _BROKEN = range(4)
_ARRAY = 1
"""Extension code of arrays."""
_ALIGN = 16
_READ_BYTES = 1 << 16
_SHORT = 1 << 16
_MESSAGE = 4_000
_DIMENSIONS = 8
_DTYPES = {np.dtype(t).str: np.dtype(t) for t in ("?", *"bBhHiIqQ", *"efd")}
_ERRORS: dict[str, type[DataEngineError]] = {
    e.__name__: e for e in (UsageError, PartitionError, RunError, BalanceError)
}
_Text = Annotated[str, msgspec.Meta(max_length=_MESSAGE)]
_Class = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]
_READY_DECODER = msgspec.msgpack.Decoder(dict[_Text, _Text])
_FAILED_DECODER = msgspec.msgpack.Decoder(tuple[_Class, _Text])
_BROKEN_DECODER = msgspec.msgpack.Decoder(tuple[_Text, _Text])
_PLACE = msgspec.msgpack.Decoder(tuple[str, tuple[Annotated[int, msgspec.Meta(ge=0, le=1 << 40)], ...], int])


class InvalidAnswerError(Exception):
    """A child has sent what is no answer: it is damaged, or an attacker's."""


def encode(answer: Answer, limit: int, slot: memoryview | None = None) -> list[Buffer]:
    """What to write to the pipe; arrays that fit into ``slot`` are left there. Raises InputError ``invalid_answer`` where an
    answer has more than ``limit`` bytes, TypeError for a type that is not plain data, and ValueError or RecursionError for
    values that MessagePack cannot hold."""
    arrays: list[npt.NDArray[Any]] = []
    size = 0

    def hook(value: Any) -> Any:
        nonlocal size
        if isinstance(value, np.ndarray) and value.dtype.str in _DTYPES:
            place = size
            size += _padded(value.nbytes)
            arrays.append(value)
            return msgspec.msgpack.Ext(_ARRAY, msgspec.msgpack.encode((value.dtype.str, value.shape, place)))
        return _plain(value)

    kind, value = _kind(answer)
    body = msgspec.msgpack.Encoder(enc_hook=hook).encode(value)
    if len(body) + size > limit:
        raise InputError("invalid_answer", f"what was decoded has {len(body) + size:,} bytes, limit {limit:,}")
    if slot is not None and size <= len(slot):
        _write(arrays, slot)
        return [_HEAD.pack(kind, len(body), len(body), size) + body]
    padding = bytes(_padded(len(body)) - len(body)) if arrays else b""
    following = [piece for array in arrays for piece in _pieces(array)]
    return [_HEAD.pack(kind, len(body), len(body) + len(padding) + size, 0) + body + padding, *following]


def _write(arrays: list[npt.NDArray[Any]], slot: memoryview) -> None:
    start = 0
    for array in arrays:
        np.copyto(np.frombuffer(slot, array.dtype, array.size, start).reshape(array.shape), array)
        start += _padded(array.nbytes)


def _pieces(array: npt.NDArray[Any]) -> tuple[Buffer, Buffer]:
    data = np.ascontiguousarray(array).data.cast("B") if array.size else b""
    return data, bytes(_padded(array.nbytes) - array.nbytes)


def cleaned(text: str) -> str:
    """A message that can be sent: lone surrogates escaped, and no longer than the parent takes."""
    return text[:_MESSAGE].encode("utf-8", "backslashreplace").decode()[:_MESSAGE]


class AnswerReader:
    """Decodes what comes through a pipe, without blocking. ``type_``: of the values, as msgspec takes it; ``limit``: bytes of one
    answer; ``arena``: memory that the child may leave arrays in."""

    def __init__(self, type_: Any, limit: int, arena: Arena | None = None) -> None:
        self._arena = arena
        self._served = 0
        self._values = msgspec.msgpack.Decoder(type_, ext_hook=self._array, dec_hook=_expect)
        self._limit = limit
        self._inbox = bytearray()
        self._long: npt.NDArray[np.uint8] | None = None
        self._filled = 0
        self._arrays = memoryview(b"")
        self.ended = False

    @property
    def receiving(self) -> bool:
        """Whether part of an answer has arrived."""
        return self._long is not None or bool(self._inbox)

    def read(self, pipe: int) -> Iterator[Answer]:
        """Answers received; afterwards ``ended`` says whether the pipe is closed. Raises InvalidAnswerError."""
        try:
            if self._long is not None:
                yield from self._read_long(pipe, self._long)
                return
            data = os.read(pipe, _READ_BYTES)
        except BlockingIOError:
            return
        self.ended = not data
        self._inbox += data
        yield from self._short()

    def _read_long(self, pipe: int, message: npt.NDArray[np.uint8]) -> Iterator[Answer]:
        count = os.readv(pipe, [message.data[self._filled :]])
        self.ended = not count
        self._filled += count
        if self._filled == len(message):
            self._long = None
            yield self._decoded(message.data)

    def _short(self) -> Iterator[Answer]:
        """Answers that are wholly in the inbox; a longer one gets memory of its own, which its arrays keep."""
        while len(self._inbox) >= _HEAD.size:
            _, body, total, shared = _HEAD.unpack_from(self._inbox)
            if body > total or total > self._limit or shared > (self._arena.slot_bytes if self._arena else 0):
                raise InvalidAnswerError(f"an answer of {total:,} + {shared:,} bytes, limit {self._limit:,}")
            end = _HEAD.size + total
            if len(self._inbox) < end and end > _SHORT:
                self._long = np.empty(end, np.uint8)
                self._filled = len(self._inbox)
                self._long[: self._filled] = self._inbox
                self._inbox.clear()
            if len(self._inbox) < end:
                return
            message = memoryview(self._inbox[:end])
            del self._inbox[:end]
            yield self._decoded(message)

    def _decoded(self, message: memoryview) -> Answer:
        kind, size, total, shared = _HEAD.unpack_from(message)
        body = message[_HEAD.size : _HEAD.size + size]
        self._arrays = self._copied(shared) if shared else message[_HEAD.size + _padded(size) :]
        self._served += kind != _READY
        try:
            if kind == _OK:
                return Ok(self._values.decode(body), total + shared)
            if kind == _FAILED:
                return Failed(*_FAILED_DECODER.decode(body))
            if kind == _BROKEN:
                name, text = _BROKEN_DECODER.decode(body)
                return Broken(_ERRORS.get(name, RunError)(text))
            if kind == _READY:
                return Ready(_READY_DECODER.decode(body))
        except (msgspec.DecodeError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise InvalidAnswerError(f"an answer that is not of its type: {error}") from error
        finally:
            self._arrays = memoryview(b"")
        raise InvalidAnswerError(f"an answer of unknown kind {kind}")

    def _copied(self, size: int) -> memoryview:
        """The arrays that the child has left in its slot, in memory of this process alone."""
        if self._arena is None:
            raise InvalidAnswerError("arrays in memory that is not shared")
        private = np.empty(size, np.uint8)
        private[:] = np.frombuffer(self._arena.slot(self._served), np.uint8, size)
        return private.data

    def _array(self, code: int, data: memoryview) -> npt.NDArray[Any]:
        """View of the array that an extension value describes. Raises ValueError."""
        if code != _ARRAY:
            raise ValueError(f"unknown extension {code}")
        name, shape, start = _PLACE.decode(data)
        dtype = _DTYPES.get(name)
        if dtype is None or len(shape) > _DIMENSIONS:
            raise ValueError(f"no array of {cleaned(name)[:20]!r} in {len(shape)} dimensions")
        size = math.prod(shape) * dtype.itemsize
        if start < 0 or start % _ALIGN or start + size > len(self._arrays):
            raise ValueError("an array beyond the end of its answer")
        return np.frombuffer(self._arrays[start : start + size], dtype).reshape(shape)


def _kind(answer: Answer) -> tuple[int, Any]:
    if isinstance(answer, Ok):
        return _OK, answer.value
    if isinstance(answer, Failed):
        return _FAILED, (answer.failure, cleaned(answer.message))
    if isinstance(answer, Broken):
        return _BROKEN, (type(answer.error).__name__, cleaned(str(answer.error)))
    return _READY, {name: cleaned(why) for name, why in answer.missing.items()}


def _plain(value: Any) -> Any:
    """What msgspec cannot encode itself: NumPy's scalars, and pydantic's models as JSON."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    name = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(f"a value of type {name} cannot be sent from a decode process")


def _expect(type_: Any, value: Any) -> Any:
    """What msgspec cannot decode itself: arrays, and pydantic's models from JSON. Raises ValueError."""
    class_ = getattr(type_, "__origin__", type_)
    if class_ is np.ndarray and isinstance(value, np.ndarray):
        return value
    if issubclass(class_, BaseModel) and isinstance(value, str):
        return class_.model_validate_json(value)
    raise ValueError(f"expected {class_.__name__}, got {type(value).__name__}")


def _padded(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN
