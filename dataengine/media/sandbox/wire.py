"""What a parent and its decode child say to each other: length-prefixed pickles."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from typing import Any

_HEAD = struct.Struct("<Q")
HEAD_BYTES = _HEAD.size


@dataclass(frozen=True)
class Ok:
    """The function's result."""

    value: Any


@dataclass(frozen=True)
class Failed:
    """The input is at fault: a short stable class and a sentence for a person."""

    failure: str
    message: str


@dataclass(frozen=True)
class Broken:
    """The program is at fault; ``error`` is raised at the caller."""

    error: Exception


@dataclass(frozen=True)
class Hello:
    """First message to a child: what to call (``package.module:function``), its first argument, the bytes of memory
    it may take beside its libraries, and modules to import before that bound holds."""

    function: str
    context: Any
    memory: int
    preload: tuple[str, ...] = ()


def pack(message: Any) -> bytes:
    """``message`` as it goes through the pipe."""
    body = pickle.dumps(message, protocol=5)
    return _HEAD.pack(len(body)) + body


def body_size(head: bytes | bytearray) -> int:
    """Bytes that follow the first ``HEAD_BYTES``."""
    size: int = _HEAD.unpack_from(head)[0]
    return size
