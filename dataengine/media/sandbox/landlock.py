"""Landlock: takes files, TCP and signals to other processes away from this one, for good (Linux 5.13; no privilege needed)."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from dataengine.media.sandbox.kernel import call

_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE, _IOCTL = (1 << n for n in (0, 1, 2, 3, 14, 15))
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""Number of rights over files, by the first version that has them."""
_TCP = 0b11
"""Bind and connect."""
_SCOPES = 0b11
"""Abstract Unix sockets, and signals."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The kernel's version of Landlock. Raises OSError where it has none."""
    return call("landlock_create_ruleset", None, 0, _VERSION)


def restrict(readable: Iterable[str], devices: Iterable[str]) -> dict[str, str]:
    """Allow to read below ``readable``, to use ``devices`` and nothing else; needs no_new_privs. Returns why a part of it is not
    in force, by ``tcp`` and ``signals``. Raises OSError where nothing is."""
    known = version()
    files = (1 << max(n for v, n in _FILE_RIGHTS.items() if v <= known)) - 1
    rules = _Ruleset(files, _TCP if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    size = 8 if known < 4 else 16 if known < 6 else 24
    ruleset = call("landlock_create_ruleset", ctypes.pointer(rules), size, 0)
    try:
        for path in readable:
            _allow(ruleset, path, _READ | _LIST)
        for path in devices:
            _allow(ruleset, path, (_READ | _LIST | _WRITE | _IOCTL) & files)
        call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)
    old = f"Landlock {known} of this kernel has no rule for it"
    return ({} if known >= 4 else {"tcp": old}) | ({} if known >= 6 else {"signals": old})


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            access &= ~_LIST
        call("landlock_add_rule", ruleset, _PATH_BENEATH, ctypes.pointer(_Beneath(access, parent)), 0)
    finally:
        os.close(parent)


def threads() -> int:
    """Threads of this process; Landlock restricts the one that asks, and those that it starts."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())
