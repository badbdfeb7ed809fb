"""Runs a command so that nothing of it outlives the process that started this one: ``python guard.py LOG PROGRAM ARGUMENT …``.

The parent holds the other end of standard input. When that closes, because the parent wants it or because it died in whatever
way, the command and all that it started are ended; so they are when the command ends by itself, whose exit status this process
has then. What the command prints goes to LOG, of which the last megabytes are kept. Standard library alone: it runs outside the
package.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

LOG_BYTES = 8 << 20
"""Of a log, and as much of what came before it in ``LOG.old``."""
_GRACE = 5.0
_LAST_READS = 64
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> int:
    log, command = Path(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what the command leaves behind becomes a child of this process
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent decides
    try:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        )
    except OSError as error:
        with log.open("ab") as file:
            file.write(f"{command[0]} cannot be started: {error.strerror}\n".encode())
        return 127
    try:
        _copy_output(server, log)
        return server.wait()
    finally:
        _end(server)


def _copy_output(server: subprocess.Popen[bytes], log: Path) -> None:
    """Until the parent closes standard input, or the command ends."""
    assert server.stdout is not None
    output = server.stdout.fileno()
    sources = [sys.stdin.fileno(), output]
    while server.poll() is None:
        ready = select.select(sources, [], [], 0.5)[0]
        if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 4096):
            _end(server)
            return
        if output in ready:
            data = os.read(output, 1 << 16)
            if not data:
                sources.remove(output)
            _append(log, data)
    for _ in range(_LAST_READS if output in sources else 0):  # what it left behind may write without end
        if not select.select([output], [], [], 0)[0] or not (data := os.read(output, 1 << 16)):
            break
        _append(log, data)


def _append(log: Path, data: bytes) -> None:
    with suppress(OSError):  # a full disk ends no server
        with log.open("ab") as file:
            file.write(data)
            size = file.tell()
        if size > LOG_BYTES:
            log.replace(log.with_name(log.name + ".old"))


def _end(server: subprocess.Popen[bytes]) -> None:
    """Terminate the command's process group, then kill it and all that left it."""
    if server.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(server.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.wait(_GRACE)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    deadline = time.monotonic() + _GRACE
    while (children := _children()) and time.monotonic() < deadline:
        for child in children:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.02)


def _children() -> list[int]:
    """Processes whose parent this one is, or became when theirs ended."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
