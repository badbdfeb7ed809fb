"""Requests to a decode child: length-prefixed pickles. Only requests: what a child answers is never unpickled (``answers``)."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass, field
from typing import Any

from dataengine.media.sandbox.confinement import Paths

_HEAD = struct.Struct("<Q")
HEAD_BYTES = _HEAD.size


@dataclass(frozen=True)
class Ok:
    """The function's result. ``bytes``: of the answer, as a measure of what it occupies."""

    value: Any
    bytes: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Failed:
    """Failure of the input: a short stable class and a message."""

    failure: str
    message: str


@dataclass(frozen=True)
class Broken:
    """Failure of the program; ``error`` is raised at the caller."""

    error: Exception


@dataclass(frozen=True)
class Ready:
    """The child takes items. ``missing``: measures of confinement that are not in force, and why."""

    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hello:
    """First message to a child: the function to call (``package.module:function``), its first argument, the memory limit in bytes
    beyond its libraries, the most bytes that an answer may have, files that it may use, and modules to import before they are
    restricted and, where they start threads, after it."""

    function: str
    context: Any
    memory: int
    answer_bytes: int
    paths: Paths
    preload: tuple[str, ...] = ()
    threaded: tuple[str, ...] = ()


def pack(message: Any) -> bytes:
    """Encode a message for the pipe."""
    body = pickle.dumps(message, protocol=5)
    return _HEAD.pack(len(body)) + body


def body_size(head: bytes | bytearray) -> int:
    """Bytes that follow the header of ``HEAD_BYTES``."""
    size: int = _HEAD.unpack_from(head)[0]
    return size
