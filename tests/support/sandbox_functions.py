"""What the sandbox tests run in children; imported there by its name."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from dataengine.errors import InputError, UsageError


def obey(context: Any, item: tuple[str, Any]) -> Any:
    """Do what the item says."""
    order, value = item
    if order == "echo":
        return context, value
    if order == "work":
        time.sleep(value)
        return value
    if order == "hang":
        ctypes.CDLL(None).sleep(1000)
    if order == "segfault":
        ctypes.string_at(0)
    if order == "exit":
        os._exit(3)
    if order == "eat":
        return len(bytearray(value))
    if order == "noise":
        os.write(1, b"out" * value)
        os.write(2, b"err" * value)
        sys.stdout.write("print")
        return value
    if order == "send":
        os.write(4, value)
        time.sleep(1000)
    if order == "read":
        return Path(value).read_bytes()
    if order == "variables":
        return list(os.environ)
    if order == "array":
        return np.full(value, 7, np.uint8)
    if order == "square":
        time.sleep(value % 3 / 200)
        return np.full((value, value), value, np.uint16)
    return _raise(order, value)


def _raise(order: str, value: Any) -> Any:
    if order == "input":
        raise InputError("truncated", value)
    if order == "value":
        raise ValueError(value)
    if order == "usage":
        raise UsageError(value)
    if order == "import":
        raise ImportError(value)
    if order == "no_data":
        return lambda: value
    raise NotImplementedError(order)


_calls = 0


def count_calls(context: None, item: int) -> tuple[int, int]:
    """The process, and how many calls it has had."""
    global _calls
    _calls += 1
    if item == 3:
        os.kill(os.getpid(), 11)
    return os.getpid(), _calls


def modules(context: None, item: None) -> list[str]:
    """What is loaded once media can be inspected."""
    import dataengine.media.inspect  # noqa: F401

    return sorted(sys.modules)


def loaded(context: Any, item: None) -> list[str]:
    """What is loaded before the first item."""
    return sorted(sys.modules)


def libraries(limits: Any, item: bytes) -> list[str]:
    """Shared libraries in memory after a video was inspected."""
    from dataengine.media.inspect import inspect

    inspect(limits, item)
    return sorted({line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line})


def burn(seconds: float, item: int) -> int:
    """Use so many CPU seconds."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        item += 1
    return item
