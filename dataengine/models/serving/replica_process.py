"""One replica of a model server that a run starts: its process, health checks, warm-up, bounded restarts, log and address."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataengine.config.model_server import HOST, PORT, ModelServer
from dataengine.errors import RunError
from dataengine.models.serving import addresses, guard, packaged_server
from dataengine.models.serving.addresses import Address, State
from dataengine.models.serving.asker import key_of
from dataengine.storage.store import Store

_START_TICK, _TICK = 0.1, 1.0
_HEALTH_SECONDS, _HEALTH_EVERY, _UNHEALTHY = 10.0, 5.0, 3
"""A replica whose list of models did not come so often in a row, each time within so many seconds, hangs."""
_WARM_UP_SECONDS = 300.0
_SOUND_SECONDS = 600.0
"""After so long a time without a fault earlier restarts no longer count."""
_LOG_SECONDS = 30.0
_ENDING_SECONDS = 20.0
_LARGEST = 1 << 20


class _EndedError(Exception):
    """The process is not there, or no good, any more; ``restart``: whether another one may do better."""

    def __init__(self, message: str, restart: bool = True) -> None:
        super().__init__(message)
        self.restart = restart


@dataclass
class ReplicaProcess:
    """A Service. Pickles before ``run``."""

    server: ModelServer
    number: int
    store: Store
    _stopped: threading.Event | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, host: str) -> None:
        """Serve until ``stop``. Raises RunError once it has failed more often than it may be started again."""
        self._stopped = stopped = threading.Event()
        failures, began = 0, time.monotonic()
        with self._log_file() as log:
            while not stopped.is_set():
                try:
                    self._serve(host, log)
                except _EndedError as error:
                    failures = 1 if time.monotonic() - began > _SOUND_SECONDS else failures + 1
                    began = time.monotonic()
                    if not error.restart or failures > self.server.restarts:
                        raise self._failed(str(error), failures) from None
                finally:
                    self._end()
                    self._keep_log(log)

    def stop(self) -> None:
        if self._stopped is not None:
            self._stopped.set()

    def _serve(self, host: str, log: Path) -> None:
        """One life of the process. Raises _EndedError."""
        self._port = self._port if _is_free(host, self._port) else _free_port(host)
        self._publish(host, State.STARTING)
        self._process = self._started(host, log)
        self._await_answer(host)
        self._warm_up(host)
        self._publish(host, State.READY)
        checked = kept = time.monotonic()
        missed = 0
        while not self._stop_within(_TICK):
            self._raise_if_ended()
            if time.monotonic() - checked > _HEALTH_EVERY:
                status, _ = self._call(host, "GET", "/v1/models", None, _HEALTH_SECONDS)
                missed, checked = 0 if 0 < status < 500 else missed + 1, time.monotonic()
                if missed == _UNHEALTHY:
                    raise _EndedError(f"gave no answer {missed} times in a row")
            if time.monotonic() - kept > _LOG_SECONDS:
                self._keep_log(log)
                kept = time.monotonic()

    def _started(self, host: str, log: Path) -> subprocess.Popen[bytes]:
        """The command under its guard, which ends it when this process ends."""
        command = [word.replace(HOST, host).replace(PORT, str(self._port)) for word in self._command()]
        arguments = [sys.executable, "-I", "-S", str(guard.__file__), str(log), *command]
        environment = {**os.environ, **self.server.environment}
        return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment)

    def _command(self) -> tuple[str, ...]:
        if self.server.packaged is None:
            return self.server.command
        threads = max(1, (os.cpu_count() or 1) // self.server.replicas)
        return (sys.executable, str(packaged_server.__file__), HOST, PORT, self.server.model, str(threads))

    def _await_answer(self, host: str) -> None:
        deadline = time.monotonic() + self.server.start_timeout
        while not self._stop_within(_START_TICK):
            self._raise_if_ended()
            status, _ = self._call(host, "GET", "/v1/models", None, _HEALTH_SECONDS)
            if 0 < status < 500:
                return
            if time.monotonic() > deadline:
                raise _EndedError(f"did not answer within {self.server.start_timeout:g} s (start_timeout)")

    def _warm_up(self, host: str) -> None:
        """One completion of one token, so that no request waits for what a server does first; and a server of another model, or
        that takes no request, is found here. Raises _EndedError."""
        if self._stop_within(0):
            return
        body: dict[str, Any] = {
            "model": self.server.model,
            "messages": [{"role": "user", "content": "Hello"}],
            "max_tokens": 1,
        }
        body |= self.server.extra_body
        status, _ = self._call(host, "POST", "/v1/chat/completions", json.dumps(body).encode(), _WARM_UP_SECONDS)
        if 400 <= status < 500:
            raise _EndedError(f"answers a request to the model {self.server.model} with status {status}", False)
        if status != 200:
            raise _EndedError("answered no request after it had started")

    def _call(self, host: str, method: str, path: str, body: bytes | None, seconds: float) -> tuple[int, bytes]:
        """Status and body; 0 where there is no response."""
        headers = {"Content-Type": "application/json"}
        if key := key_of(self.server):
            headers["Authorization"] = f"Bearer {key}"
        connection = http.client.HTTPConnection(host, self._port, timeout=seconds)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read(_LARGEST)
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def _raise_if_ended(self) -> None:
        if self._process is not None and (status := self._process.poll()) is not None:
            raise _EndedError(f"ended with status {status}", restart=status != 127)

    def _stop_within(self, seconds: float) -> bool:
        return self._stopped is None or self._stopped.wait(seconds)

    def _end(self) -> None:
        """End the process and all that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _publish(self, host: str, state: State, message: str = "") -> None:
        name = f"[{host}]" if ":" in host else host
        address = Address(f"http://{name}:{self._port}/v1", state, message)
        addresses.write(self.store, self.server.place, self.number, address)

    def _failed(self, why: str, failures: int) -> RunError:
        times = "" if failures == 1 else f" ({failures} failures, `restarts` allows {self.server.restarts})"
        message = f"replica {self.number} of {self.server.place} {why}{times}; its log: {self.store.uri(self._log_key)}"
        self._publish("", State.FAILED, message)
        return RunError(message)

    @property
    def _log_key(self) -> str:
        return f"{self.server.place}/{self.number}.log"

    def _log_file(self) -> _LogFile:
        return _LogFile(None if self.store.remote else Path(self.store.url, self._log_key))

    def _keep_log(self, log: Path) -> None:
        """Copy the log into a workspace on another machine. A fault there ends no server."""
        if self.store.remote and log.exists():
            with suppress(RunError):
                self.store.put(self._log_key, log)


class _LogFile:
    """The file of a replica's log: in the workspace's folder, else a temporary one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __enter__(self) -> Path:
        if self._path is None:
            self._folder = tempfile.TemporaryDirectory()
            return Path(self._folder.name, "log")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(b"")
        return self._path

    def __exit__(self, *_: object) -> None:
        if self._path is None:
            self._folder.cleanup()


def _free_port(host: str) -> int:
    """A port that was free a moment ago; where another process takes it, the server fails to start and is given another."""
    with socket.socket(_family(host)) as held:
        held.bind((host, 0))
        return int(held.getsockname()[1])


def _is_free(host: str, port: int) -> bool:
    """Whether a server can listen there, which had the port before."""
    if not port:
        return False
    with socket.socket(_family(host)) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((host, port))
        except OSError:
            return False
    return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
