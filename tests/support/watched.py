"""A run of three small stages that counts as real ones do, in this process: no Ray, no media. And a receiver of HTTP requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dataengine import timings
from dataengine.media.sandbox import usage
from dataengine.models.serving.usage import Usage, record
from dataengine.monitoring import patience
from dataengine.pipeline import execute
from dataengine.progress import Reporter, StageReport
from dataengine.stage import Part, Run, TableStage, Worker
from dataengine.storage.workspace import File, Output, Workspace
from dataengine.testing.in_process import InProcess
from support import letters
from support.servers import serving


@dataclass
class Reading:
    """Reads one letter: an x fails, and a model looks at the others."""

    workspace: Workspace
    seconds: float

    def setup(self) -> None: ...

    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        timings.ready(3)
        usage.answered()
        if part.spec == "x":
            timings.failed("timeout")
            return Output({}, {"inputs": 1, "samples": 0, "failed": 1})
        with timings.computing():
            time.sleep(self.seconds)
        record(self.workspace.store, "letters/vlm", _ASKED)
        data = part.spec.encode()
        key = f"samples/{part.name}-{part.key}"
        file = File(key, self.workspace.store.put(key, data), len(data), 1)
        return Output({"samples": file}, {"inputs": 1, "samples": 1, "failed": 0})


_ASKED = Usage(requests=2, cached=1, tokens_in=30, tokens_out=5)
_ASKED.failures["rate_limit"] = 1


class Ingest(letters.Count):
    name = "ingest"

    def worker(self, run: Run) -> Worker:
        return Reading(run.workspace, self.seconds)


class Release(TableStage):
    name = "release"
    version = "1"
    needs = ("ingest",)

    def compute(self, run: Run, key: str) -> Output:
        counts = run.records["ingest"].counts
        file = File(f"decisions/{key}", run.workspace.store.put(f"decisions/{key}", b"kept"), 4, counts["samples"])
        return Output({"decisions": file}, {"kept": counts["samples"], "failed": counts["failed"], "duplicate": 0})


class Broken(Release):
    """Fails, with a credential in the error."""

    def compute(self, run: Run, key: str) -> Output:
        raise OSError("https://me:hunter2@host/x was lost, key sk-abcdefgh12345")


def watched(
    workspace: Path, reporter: Reporter, text: str = "abx", seconds: float = 0.0, broken: bool = False
) -> list[StageReport]:
    plan = [Ingest(text, seconds), Broken() if broken else Release()]
    return execute(letters.recipe(workspace), plan=plan, engine=InProcess(), reporter=reporter)


@contextmanager
def receiver(status: int = 200) -> Iterator[tuple[str, list[tuple[str, str, bytes, dict[str, Any]]]]]:
    """A server that answers everything with ``status``: its URL, and the method, path, body and headers of each request. On a
    machine that is slow to let it answer it counts as one that refuses all the same, not as one that hangs."""
    requests: list[tuple[str, str, bytes, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            requests.append((self.command, self.path, body, dict(self.headers)))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PUT = _any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server), pytest.MonkeyPatch.context() as patch:
        patch.setattr(patience, "_SECONDS", 60.0)
        yield f"http://127.0.0.1:{server.server_port}", requests
