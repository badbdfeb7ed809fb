"""Attempts at what a decode child must not do; run inside one, by ``dataengine doctor`` and by tests."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dataengine.media.sandbox import kernel

FUNCTION = "dataengine.media.sandbox.probes:probe"
#: Variable of the parent that a child must not have.
VARIABLE = "DATAENGINE_PROBE_SECRET"


@dataclass(frozen=True)
class Target:
    """What the parent has laid out: a file that the child is not allowed to read, and a TCP port that it listens on."""

    file: str
    port: int


def probe(target: Target, name: str) -> str:
    """How the attempt ended: why it was refused, or an empty text where it succeeded."""
    try:
        ATTEMPTS[name](target)
    except (OSError, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _connect(target: Target) -> None:
    socket.create_connection(("127.0.0.1", target.port), 5).close()


def _datagram(target: Target) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


def _abstract_socket(target: Target) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"\0dataengine-{os.getpid()}")


def _write(target: Target) -> None:
    Path(target.file).with_name("written").write_text("x")


def _write_temporary(target: Target) -> None:
    Path("/tmp", f"dataengine-probe-{os.getpid()}").write_text("x")


def _fork(target: Target) -> None:
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _run(target: Target) -> None:
    os.execv("/bin/true", ["true"])


def _raise_limit(target: Target) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


def _outlive(target: Target) -> None:
    kernel.prctl(1, 0)


def _trace(target: Target) -> None:
    attach, detach = 16, 17
    kernel.call("ptrace", attach, os.getppid(), 0, 0)
    kernel.call("ptrace", detach, os.getppid(), 0, 0)


def _io_uring(target: Target) -> None:
    parameters = (ctypes.c_uint32 * 30)()
    os.close(kernel.call("io_uring_setup", 1, ctypes.cast(parameters, ctypes.c_void_p).value or 0))


ATTEMPTS: dict[str, Callable[[Target], object]] = {
    "read a variable of its parent": lambda target: os.environ[VARIABLE],
    "read a file": lambda target: Path(target.file).read_bytes(),
    "list a folder": lambda target: os.listdir(os.path.dirname(target.file)),  # noqa: PTH208, PTH120
    "read its parent's environment": lambda target: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "write a file": _write,
    "write to /tmp": _write_temporary,
    "delete a file": lambda target: Path(target.file).unlink(),
    "change a file's mode": lambda target: Path(target.file).chmod(0o777),
    "connect by TCP": _connect,
    "open a UDP socket": _datagram,
    "open an abstract Unix socket": _abstract_socket,
    "fork": _fork,
    "signal its parent": lambda target: os.kill(os.getppid(), 0),
    "trace its parent": _trace,
    "set up io_uring": _io_uring,
    "raise its limits": _raise_limit,
    "outlive its parent": _outlive,
    "run a program": _run,
}
