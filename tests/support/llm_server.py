"""The packaged language model (SmolLM2-135M) as a process that can be killed, behind a proxy that counts what gets through."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from dataengine.models.serving import packaged_server
from support.servers import free_port, serving


class LlmServer(ThreadingHTTPServer):
    """``url`` is the endpoint; ``answered`` counts completions that reached the client. ``stop_after``: the model's process is
    killed once so many have."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Proxy)
        self.answered = 0
        self.stop_after: int | None = None
        self.lock = threading.Lock()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def start(self) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, str(packaged_server.__file__), "127.0.0.1", str(self.port), "smollm2", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(3000):
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=60).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if self.process.poll() is not None:
                raise RuntimeError(f"the model's server ended with {self.process.returncode}")
            time.sleep(0.1)
        raise RuntimeError("the model's server does not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def llm_server() -> Iterator[LlmServer]:
    server = LlmServer()
    try:
        with serving(server):
            yield server
    finally:
        server.kill()


class _Proxy(BaseHTTPRequestHandler):
    server: LlmServer

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            reply = httpx.post(f"http://127.0.0.1:{self.server.port}{self.path}", content=body, timeout=600)
        except httpx.TransportError:
            self.close_connection = True
            return
        with self.server.lock:  # one by one: no other gets through while the model's process is being killed
            if self.server.process.poll() is not None:
                self.close_connection = True
                return
            self.send_response(reply.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)
            self.server.answered += reply.status_code == 200
            if self.server.answered == self.server.stop_after:
                self.server.kill()
