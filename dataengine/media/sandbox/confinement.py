"""Confinement of a decode child before its first item: what a taken-over decoder could otherwise do is forbidden to the process.

Files, TCP, signals and capabilities are those of a thread and of what it starts, so they are taken before libraries are imported
that start threads (``restrict``); memory and system calls after it (``bound``). Each measure stands alone: where the system lacks
one, the child decodes all the same and reports why it is not in force.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataengine.media.sandbox import environment, kernel, landlock, seccomp

#: Measures by name, as ``dataengine doctor`` lists them.
MEASURES = {
    "environment": "no variable of the parent's but paths and locale: no credentials",
    "process group": "a session of its own, killed as a whole; ends with its parent",
    "resource limits": "address space, open files, no file can be written to, no core dump",
    "no_new_privs": "no program can give it privileges",
    "files": "Landlock: reads Python, libraries and pinned weights, nothing else",
    "tcp": "Landlock: no TCP",
    "signals": "Landlock: no signals to other processes, no abstract Unix sockets",
    "capabilities": "none of root's, but reading",
    "system calls": "seccomp: no sockets, processes, tracing, changes to files, namespaces",
}
_WITH = {"files": ("tcp", "signals")}
_PR_SET_NO_NEW_PRIVS = 38
_OPEN_FILES = 1024
_CAPABILITY_VERSION = 0x20080522
_CAP_DAC_READ_SEARCH = 1 << 2


@dataclass(frozen=True)
class Paths:
    """What the child may read, and what it may also write to. ``gpu``: it works on one, whose driver needs more."""

    readable: tuple[str, ...]
    devices: tuple[str, ...]
    gpu: bool = False


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def paths(*, gpu: bool) -> Paths:
    """Those of this process, for its children."""
    return Paths(tuple(environment.readable(gpu=gpu)), tuple(environment.devices(gpu=gpu)), gpu)


def restrict(allowed: Paths) -> dict[str, str]:
    """Take files, TCP, signals and capabilities away; why measures are not in force, by name."""
    return _take(
        {
            "no_new_privs": lambda: kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1),
            "files": lambda: _restrict_files(allowed),
            "capabilities": _drop_capabilities,
        }
    )


def bound(allowed: Paths, memory: int) -> dict[str, str]:
    """Limit resources, ``memory`` bytes of address space beyond what is used now, and system calls; why measures are not in
    force, by name."""
    return _take(
        {"resource limits": lambda: _limit(memory), "system calls": lambda: seccomp.restrict(devices=allowed.gpu)}
    )


def _take(measures: Mapping[str, Callable[[], Mapping[str, str] | None]]) -> dict[str, str]:
    missing: dict[str, str] = {}
    for name, apply in measures.items():
        try:
            missing |= apply() or {}
        except (OSError, ValueError, AttributeError) as error:
            missing |= dict.fromkeys((name, *_WITH.get(name, ())), str(error))
    return missing


def _limit(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    open_files = _OPEN_FILES if most == resource.RLIM_INFINITY else min(most, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))


def _restrict_files(allowed: Paths) -> dict[str, str]:
    if sys.platform != "linux":
        raise OSError("not Linux")
    threads = landlock.threads()
    missing = landlock.restrict([*allowed.readable, *environment.imported()], allowed.devices)
    if threads > 1:
        return (
            dict.fromkeys(("files", "tcp", "signals"), f"{threads - 1} threads of a library began before it") | missing
        )
    return missing


def _drop_capabilities() -> None:
    if os.geteuid() != 0:
        return
    kept = (_Sets * 2)(_Sets(_CAP_DAC_READ_SEARCH, _CAP_DAC_READ_SEARCH, 0), _Sets(0, 0, 0))
    kernel.call("capset", ctypes.pointer(_Header(_CAPABILITY_VERSION, 0)), kept)
