"""A plugin file: the teacher ``command``, a program of yours that reads a request a line and answers each with a line, in JSON.

``model_servers: {mine: {client: command, model: mine-1, options: {command: [python, serve.py]}}}``, and then
``cot: {teachers: [{type: openai, server: mine}]}``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence

import dataengine
from dataengine.errors import UsageError
from dataengine.models.serving.completion import Completion, Media, Request, Result


class CommandTeacher:
    """Reads ``{"messages": [{"role", "text"}], "seed", "temperature", "max_tokens"}``, writes ``{"text"}``. No pictures."""

    name = "command"

    def __init__(self, *, model: str, command: Sequence[str]) -> None:
        self.model, self.command = model, list(command)
        self._process: subprocess.Popen[str] | None = None

    @property
    def id(self) -> str:
        """What stands in records; the engine adds the digest of this file and of the options."""
        return f"command:{self.model}"

    def validate(self) -> None:
        if not self.command or shutil.which(self.command[0]) is None:
            raise UsageError(f"teacher command: there is no program {self.command[:1]}")

    def setup(self) -> None:
        self._process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def complete(self, requests: Iterable[Request], media: Media) -> Iterator[tuple[int, Result]]:
        for index, request in enumerate(requests):
            yield index, Completion(self._answer(request))

    def _answer(self, request: Request) -> str:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("setup() comes first")
        messages = [
            {"role": m.role, "text": "".join(getattr(block, "text", "") for block in m.content)}
            for m in request.messages
        ]
        settings = {"seed": request.seed, "temperature": request.temperature, "max_tokens": request.max_tokens}
        process.stdin.write(json.dumps({"messages": messages, **settings}) + "\n")
        process.stdin.flush()
        return str(json.loads(process.stdout.readline())["text"])


TEACHERS: list[type[dataengine.Teacher]] = [CommandTeacher]
