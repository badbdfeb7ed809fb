"""A chat-completions server that does what it is told to, request by request, and counts."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.servers import serving

Body = dict[str, Any]


@dataclass
class Turn:
    """How one request is answered. ``kind``: reply, status, slow, reset, cut (a body that ends early)."""

    kind: str = "reply"
    status: int = 200
    text: str = "fine"
    finish: str = "stop"
    headers: dict[str, str] = field(default_factory=dict)
    message: Body = field(default_factory=dict)
    logprobs: list[float] | None = None
    tokens: list[Body] | None = None
    seconds: float = 0.0


class ChatServer(ThreadingHTTPServer):
    """``turns`` are used up first, then every request is answered by ``reply(body)``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.turns: list[Turn] = []
        self.reply: Callable[[Body], Turn] = lambda body: Turn()
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.busy = self.busiest = 0
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def requests(self) -> int:
        return len(self.bodies)


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    server = ChatServer()
    with serving(server):
        yield server


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.bodies.append(body)
            server.headers.append(dict(self.headers.items()))
            server.times.append(time.monotonic())
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
            turn = server.turns.pop(0) if server.turns else server.reply(body)
        try:
            time.sleep(turn.seconds)
            self._play(turn)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with server.lock:
                server.busy -= 1

    def _play(self, turn: Turn) -> None:
        if turn.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        data = json.dumps(_completion(turn)).encode() if turn.status == 200 else b'{"error": "told to"}'
        self.send_response(turn.status)
        for name, value in {"Content-Type": "application/json", **turn.headers}.items():
            self.send_header(name, value)
        sent = data[: len(data) // 2] if turn.kind == "cut" else data
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)


def _completion(turn: Turn) -> Body:
    choice: Body = {"index": 0, "message": {"role": "assistant", "content": turn.text, **turn.message}}
    choice["finish_reason"] = turn.finish
    if turn.logprobs is not None:
        choice["logprobs"] = {"content": [{"token": "x", "logprob": p} for p in turn.logprobs]}
    if turn.tokens is not None:
        choice["logprobs"] = {"content": turn.tokens}
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
