"""Parent's handle of one decode child: start, non-blocking writes and reads, kill."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dataengine.media.sandbox import usage
from dataengine.media.sandbox.answers import Answer, AnswerReader
from dataengine.media.sandbox.environment import variables
from dataengine.media.sandbox.shared import Arena
from dataengine.media.sandbox.wire import Failed, Hello, Ok, pack

_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031


@dataclass(eq=False)
class Job:
    """A queued item: its packed payload, and later its outcome. ``deaths``: children that died working on it."""

    payload: bytes
    outcome: Ok | Failed | None = None
    deaths: int = 0


class Child:
    """A child process and its queue of jobs, the first of which is in progress."""

    def __init__(self, hello: Hello, answer: Any, slot_bytes: int) -> None:
        self._arena = Arena.create(slot_bytes)
        try:
            self._process = _starter(os.getpid()).submit(_start, hello.paths.gpu, self._arena).result()
        finally:
            if self._arena:
                self._arena.handed_over()
        usage.started(self._process.pid)
        self.requests, self.answers = _pipes(self._process)
        self.jobs: deque[Job] = deque()
        self.ready = False
        self._since = time.monotonic()
        self._outbox = deque([memoryview(pack(hello))])
        self._reader = AnswerReader(answer, hello.answer_bytes, self._arena)
        self._awaited = 0.0

    @property
    def wants_write(self) -> bool:
        return bool(self._outbox)

    @property
    def seconds(self) -> float:
        """Seconds that the current job, or the start, has taken; once its answer has begun, those spent on waiting for the rest:
        an answer may lie in the pipe for as long as nobody reads it."""
        return self._awaited if self._reader.receiving else time.monotonic() - self._since

    def awaited(self, seconds: float) -> None:
        """Count time in which this process waited for the children."""
        if self._reader.receiving:
            self._awaited += seconds

    def give(self, job: Job) -> None:
        """Queue a job."""
        if not self.jobs and self.ready:
            self._since = time.monotonic()
        self.jobs.append(job)
        self._outbox.append(memoryview(job.payload))

    def write(self) -> None:
        """Send what the pipe accepts without blocking."""
        try:
            while self._outbox:
                view = self._outbox[0]
                if len(self._outbox) >= len(self.jobs):
                    # The current job is still being sent.
                    self._since = time.monotonic()
                sent = os.write(self.requests, view)
                if sent < len(view):
                    self._outbox[0] = view[sent:]
                    return
                self._outbox.popleft()
        except BlockingIOError:
            return
        except BrokenPipeError:
            # The child died; reading yields its last messages, then end of file.
            self._outbox.clear()

    def read(self) -> Iterator[Answer]:
        """Answers received. Raises InvalidAnswerError."""
        for answer in self._reader.read(self.answers):
            self._awaited = 0.0
            yield answer

    @property
    def ended(self) -> bool:
        """Whether the child has closed its pipe."""
        return self._reader.ended

    def answered(self, outcome: Ok | Failed) -> None:
        """Finish the first job with its outcome."""
        self._since = time.monotonic()
        job = self.jobs.popleft()
        usage.answered()
        job.outcome, job.payload = outcome, b""

    def started(self) -> None:
        """The child reported that it is ready."""
        self.ready = True
        self._since = time.monotonic()

    def kill(self) -> str:
        """Kill the process and its group; how it ended: a signal's name or the exit code."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        usage.ended(self._process.pid)
        if self._arena:
            self._arena.close()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        return _ending(code)

    @property
    def alive(self) -> bool:
        """Does not reap the process, whose group would then have no sure name."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


@functools.cache
def _starter(process: int) -> ThreadPoolExecutor:
    """Permanent thread that starts this process's children: the kernel kills a child with the *thread* that started it, and a
    caller's threads may end."""
    return ThreadPoolExecutor(1, f"decode-starter-{process}")


def _start(gpu: bool, arena: Arena | None) -> subprocess.Popen[bytes]:
    memory = arena.descriptor if arena else -1
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "dataengine.media.sandbox.child", str(os.getpid()), str(memory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=variables(gpu=gpu),
        cwd="/",
        pass_fds=(memory,) if arena else (),
        start_new_session=True,
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
                # The user's pipe quota is exhausted; a smaller pipe is only slower.
                continue
    return descriptors


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
