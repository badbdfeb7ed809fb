"""Starting real servers on free loopback ports."""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer


def _ports() -> Iterator[int]:
    """Below those that the kernel gives to connections, one of which could take a port before its server has it; other ones
    for each process of a test run."""
    number = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    first, count = 20_000 + 1500 * (number % 8), 1500
    start = random.SystemRandom().randrange(count)
    while True:
        yield first + start % count
        start += 1


_PORTS = _ports()


def free_port() -> int:
    """A port that nobody has, and that is not given out again soon."""
    for port in _PORTS:
        with socket.socket() as s:
            try:
                s.bind(("", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is always another")


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until a server listens: one of the slow ones, on a busy machine, takes a minute."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")


def serve(command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[str]:
    process = subprocess.Popen(
        command, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """A server of this process at work in a thread; closed at the end."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
