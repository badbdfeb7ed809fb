"""One decode child as its parent sees it: started, fed, read and killed, never waited for while it works."""

from __future__ import annotations

import fcntl
import functools
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine.media.sandbox.wire import HEAD_BYTES, Failed, Hello, Ok, body_size, pack

_PIPE_BYTES = 1 << 20
_READ_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031


@dataclass(eq=False)
class Job:
    """An item on its way: packed, and later its outcome. ``deaths``: children that died at work on it."""

    payload: bytes
    outcome: Ok | Failed | None = None
    deaths: int = 0


class Child:
    """A child and the jobs it holds, the first of them in work."""

    def __init__(self, hello: Hello) -> None:
        self._process = _starter(os.getpid()).submit(_start).result()
        self.requests, self.answers = _pipes(self._process)
        self.jobs: deque[Job] = deque()
        self.ready = False
        self._since = time.monotonic()
        self._outbox = deque([memoryview(pack(hello))])
        self._inbox = bytearray()

    @property
    def wants_write(self) -> bool:
        return bool(self._outbox)

    @property
    def seconds(self) -> float:
        """How long the present job, or the start, has taken."""
        return time.monotonic() - self._since

    def give(self, job: Job) -> None:
        """Queue a job."""
        if not self.jobs and self.ready:
            self._since = time.monotonic()
        self.jobs.append(job)
        self._outbox.append(memoryview(job.payload))

    def write(self) -> None:
        """Send what the pipe takes without waiting."""
        try:
            while self._outbox:
                view = self._outbox[0]
                if len(self._outbox) >= len(self.jobs):
                    # The job in work is still on its way to the child.
                    self._since = time.monotonic()
                sent = os.write(self.requests, view)
                if sent < len(view):
                    self._outbox[0] = view[sent:]
                    return
                self._outbox.popleft()
        except BlockingIOError:
            return
        except BrokenPipeError:
            # It died; reading finds what it said before, and then its end.
            self._outbox.clear()

    def read(self) -> tuple[list[Any], bool]:
        """Messages that have come, and whether the child still lives."""
        try:
            data = os.read(self.answers, _READ_BYTES)
        except BlockingIOError:
            return [], True
        self._inbox += data
        return self._messages(), bool(data)

    def answered(self, outcome: Ok | Failed) -> None:
        """Take the first job off: this came of it."""
        self._since = time.monotonic()
        job = self.jobs.popleft()
        job.outcome, job.payload = outcome, b""

    def started(self) -> None:
        """The child said that it is ready."""
        self.ready = True
        self._since = time.monotonic()

    @property
    def receiving(self) -> bool:
        """Part of an answer has come, so that the work on it is done."""
        return bool(self._inbox)

    def kill(self) -> str:
        """End the process now; how it ended, in words."""
        self._process.kill()
        code = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        return _ending(code)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def _messages(self) -> list[Any]:
        found, at = [], 0
        while len(self._inbox) >= at + HEAD_BYTES:
            end = at + HEAD_BYTES + body_size(self._inbox[at : at + HEAD_BYTES])
            if len(self._inbox) < end:
                break
            found.append(pickle.loads(memoryview(self._inbox)[at + HEAD_BYTES : end]))
            at = end
        del self._inbox[:at]
        return found


@functools.cache
def _starter(process: int) -> ThreadPoolExecutor:
    """The thread of this process that starts children. The kernel ends a child with the *thread* that started it, and a
    caller's threads come and go: this one stays."""
    return ThreadPoolExecutor(1, f"decode-starter-{process}")


def _start() -> subprocess.Popen[bytes]:
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    light = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "dataengine.media.sandbox.child", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **light, "PYTHONPATH": path},
        bufsize=0,
    )


def _pipes(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the child has no pipes")
    descriptors = process.stdin.fileno(), process.stdout.fileno()
    for descriptor in descriptors:
        os.set_blocking(descriptor, False)
        if sys.platform == "linux":
            try:
                fcntl.fcntl(descriptor, _F_SETPIPE_SZ, _PIPE_BYTES)
            except PermissionError:
                # The user's pipes are at their limit; a small one is only slower.
                continue
    return descriptors


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
