"""A teacher's OpenAI-compatible endpoint on loopback that answers as a function says, with faults on request."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass
class Turn:
    """How ``ChatServer`` answers one request. ``kind``: reply, status, slow, reset (the connection), cut (a body that ends
    early), drip (a body without an end); ``seconds`` of waiting before it; ``body``: bytes in place of a completion."""

    kind: str = "reply"
    status: int = 200
    text: str = "fine"
    finish: str = "stop"
    headers: dict[str, str] = field(default_factory=dict)
    message: Body = field(default_factory=dict)
    logprobs: list[float] | None = None
    tokens: list[Body] | None = None
    seconds: float = 0.0
    body: bytes | None = None


class ChatServer(ThreadingHTTPServer):
    """A chat-completions server on a loopback port: ``turns`` are used up first, then every request is answered by
    ``reply(body)``. ``bodies``, ``headers`` and ``times`` are those of all requests so far;
    ``models`` is the status of ``GET …/models``, ``models_body`` what it lists."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, reply: Callable[[Body], Turn] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.turns: list[Turn] = []
        self.models = 200
        self.models_body = b"{}"
        self.reply: Callable[[Body], Turn] = reply or (lambda body: Turn())
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.busy = self.busiest = 0
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        """For a teacher's ``endpoint`` in the recipe."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def requests(self) -> int:
        return len(self.bodies)


@contextmanager
def chat_server(reply: Callable[[Body], Turn] | None = None) -> Iterator[ChatServer]:
    """A ChatServer at work in a thread."""
    server = ChatServer(reply)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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
        time.sleep(turn.seconds)
        with server.lock:  # before the reply: with it, the client's next request may be there
            server.busy -= 1
        with suppress(BrokenPipeError, ConnectionResetError):
            self._play(turn)

    def do_GET(self) -> None:
        """The list of models, by which a client sees that a server is there."""
        self.send_response(self.server.models)
        self.send_header("Content-Length", str(len(self.server.models_body)))
        self.end_headers()
        self.wfile.write(self.server.models_body)

    def _play(self, turn: Turn) -> None:
        if turn.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        data = json.dumps(_completion(turn)).encode() if turn.status == 200 else b'{"error": "told to"}'
        data = data if turn.body is None else turn.body
        self.send_response(turn.status)
        for name, value in {"Content-Type": "application/json", **turn.headers}.items():
            self.send_header(name, value)
        sent = data[: len(data) // 2] if turn.kind == "cut" else data
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        while turn.kind == "drip":
            self.wfile.write(b" ")
            time.sleep(0.05)
        self.wfile.write(sent)


def _completion(turn: Turn) -> Body:
    choice: Body = {"index": 0, "message": {"role": "assistant", "content": turn.text, **turn.message}}
    choice["finish_reason"] = turn.finish
    if turn.logprobs is not None:
        choice["logprobs"] = {"content": [{"token": "x", "logprob": p} for p in turn.logprobs]}
    if turn.tokens is not None:
        choice["logprobs"] = {"content": turn.tokens}
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
