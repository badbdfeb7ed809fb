"""seccomp: system calls that decoding does not need fail with an error, in all threads and for good (Linux 3.17)."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator

from dataengine.media.sandbox.kernel import AUDIT, NEWEST, call, machine, numbers

_SET_FILTER, _ALL_THREADS = 1, 1
_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
"""BPF: ld [k]; jeq, jgt and jset #k; ret #k."""
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
"""Offsets in struct seccomp_data."""
_CLONE_THREAD = 0x10000
_PR_SET_PDEATHSIG = 1
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | (getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY)

_UNTRIED = ("clone3", "openat2", "io_uring_setup", "io_uring_enter", "io_uring_register")
"""Calls whose arguments a filter cannot see: to callers they do not exist, so that they fall back to older ones."""
_PARTLY = ("clone", "kill", "tkill", "tgkill", "prctl", "prlimit64", "ioctl", "open", "openat", "seccomp")
_Instruction = tuple[int, int, int, int]


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Filter)))


def restrict(*, devices: bool) -> None:
    """Forbid network, processes, signals to others, changes to files, namespaces and the rest of the kernel's administration;
    ``devices`` may be opened for writing, then, which leaves that to Landlock. Needs no_new_privs. Raises OSError."""
    instructions = list(_program(devices))
    array = (_Filter * len(instructions))(*(_Filter(*one) for one in instructions))
    program = _Program(len(array), ctypes.cast(array, ctypes.POINTER(_Filter)))
    call("seccomp", _SET_FILTER, _ALL_THREADS, ctypes.pointer(program))


def _program(devices: bool) -> Iterator[_Instruction]:
    calls = numbers()
    yield (_LOAD, 0, 0, _ARCH)
    yield (_EQUAL, 1, 0, AUDIT[machine()])
    yield (_RETURN, 0, 0, _KILL)
    yield (_LOAD, 0, 0, _NUMBER)
    yield (_ABOVE, 0, 1, NEWEST)
    yield _error(errno.ENOSYS)
    for name, number in calls.items():
        if name in _UNTRIED:
            yield from _when(number, [_error(errno.ENOSYS)])
        elif name not in _PARTLY and not name.startswith("landlock"):
            yield from _when(number, [_error(errno.EPERM)])
    own = os.getpid()
    yield from _when(calls["clone"], _unless_bits(0, _CLONE_THREAD))
    for name in ("kill", "tkill", "tgkill"):
        yield from _when(calls[name], _unless_equal(0, own))
    yield from _when(calls["prctl"], _if_equal(0, _PR_SET_PDEATHSIG))
    yield from _when(calls["prlimit64"], _if_pointer(2))
    yield from _when(calls["ioctl"], [*_if_equal(1, _TIOCSTI)[:-1], *_if_equal(1, _TIOCLINUX)])
    for name, place in (("open", 1), ("openat", 2)):
        if name in calls and not devices:
            yield from _when(calls[name], _if_bits(place, _WRITING, errno.EACCES))
    yield _allow()


def _when(number: int, then: list[_Instruction]) -> Iterator[_Instruction]:
    """``then`` for this system call; it ends with a return."""
    yield (_EQUAL, 0, len(then), number)
    yield from then


def _unless_bits(place: int, bits: int) -> list[_Instruction]:
    return [_argument(place), (_ANY_BIT, 1, 0, bits), _error(errno.EPERM), _allow()]


def _if_bits(place: int, bits: int, error: int) -> list[_Instruction]:
    return [_argument(place), (_ANY_BIT, 0, 1, bits), _error(error), _allow()]


def _unless_equal(place: int, value: int) -> list[_Instruction]:
    return [_argument(place), (_EQUAL, 1, 0, value), _error(errno.EPERM), _allow()]


def _if_equal(place: int, value: int) -> list[_Instruction]:
    return [_argument(place), (_EQUAL, 0, 1, value), _error(errno.EPERM), _allow()]


def _if_pointer(place: int) -> list[_Instruction]:
    low, high = _argument(place), _argument(place, high=True)
    return [low, (_EQUAL, 0, 2, 0), high, (_EQUAL, 1, 0, 0), _error(errno.EPERM), _allow()]


def _argument(place: int, *, high: bool = False) -> _Instruction:
    """Load half of an argument; both machines are little-endian."""
    return _LOAD, 0, 0, _ARGUMENTS + 8 * place + 4 * high


def _error(number: int) -> _Instruction:
    return _RETURN, 0, 0, _ERROR | number


def _allow() -> _Instruction:
    return _RETURN, 0, 0, _ALLOW
