"""A run's log as JSON lines: each with its run, recipe, stage and part; without credentials.

What the package logs through ``logging`` is in it too, under the stage that was at work.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import IO, Any

from dataengine.errors import UsageError
from dataengine.progress import PartReport, RunReport, Silent, StageReport, exit_code
from dataengine.text.redaction import environment_secrets, redacted

_LOGGER = logging.getLogger("dataengine")
#: Seconds between two notes of one stage.
_NOTE_SECONDS = 30.0
#: Attributes of a log record that are written where a record has them.
_FIELDS = ("part", "attempt")


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON. ``context``: what all records have, filled in as a run goes on."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        super().__init__()
        self._context = context
        self._secrets = environment_secrets()

    def format(self, record: logging.LogRecord) -> str:
        time_ = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"time": time_.replace("+00:00", "Z"), "level": record.levelname.lower(), "logger": record.name}
        own = {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        line = head | {"message": record.getMessage()} | dict(self._context) | own | getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"error": f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"}
        return json.dumps(self._clean(line), ensure_ascii=False, default=str)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return redacted(value, self._secrets)
        if isinstance(value, Mapping):
            return {self._clean(str(key)): self._clean(inner) for key, inner in value.items()}
        return [self._clean(inner) for inner in value] if isinstance(value, list | tuple) else value


class _Lines(logging.StreamHandler[IO[str]]):
    """A disk that is full stops no run: it is told of once."""

    _warned = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._warned:
            self._warned = True
            print(f"the log file cannot be written: {error.strerror}", file=sys.stderr)


class JsonLog(Silent):
    """A Reporter that logs what a run does."""

    def __init__(self, context: dict[str, Any]) -> None:
        self._context = context
        self._noted = 0.0

    def begin(self, run: RunReport) -> None:
        self._context |= {"run": run.run, "recipe": run.recipe}
        self._log("run started", workspace=run.workspace, stages=len(run.stages))

    def start(self, stage: str, parts: int, pending: int) -> None:
        self._context["stage"] = stage
        self._log("stage started", parts=parts, pending=pending)

    def advance(self, part: PartReport) -> None:
        work = part.work
        took = {"seconds": work.seconds, "cpu_seconds": work.cpu, "decode_cpu_seconds": work.decode_cpu}
        rounded = {name: round(value, 3) for name, value in took.items()}
        failures = {"failures": dict(work.failures)} if work.failures else {}
        self._log("part made", part=part.part, counts=part.counts, bytes=part.bytes, **rounded, **failures)

    def note(self, stage: str, text: str) -> None:
        if time.monotonic() - self._noted >= _NOTE_SECONDS:
            self._noted = time.monotonic()
            self._log("progress", stage=stage, note=text)

    def end(self, report: StageReport) -> None:
        self._context.pop("stage", None)
        took = {"seconds": round(report.seconds, 3), "made": report.made} if report.made else {}
        self._log(f"stage {report.state}", stage=report.name, parts=report.parts, **took, counts=report.counts)

    def finish(self, error: BaseException | None) -> None:
        if error is None:
            self._log("run finished")
        else:
            fields = {"error": type(error).__name__, "reason": str(error), "exit_code": exit_code(error)}
            _LOGGER.error("run failed", extra={"fields": fields})

    def _log(self, message: str, **fields: Any) -> None:
        _LOGGER.info(message, extra={"fields": fields})


@contextmanager
def json_log(place: str) -> Iterator[JsonLog]:
    """A JsonLog whose lines are added to the file ``place``, ``-`` for standard error. Raises UsageError."""
    context: dict[str, Any] = {}
    level = _LOGGER.level
    with _opened(place) as file:
        handler = _Lines(file)
        handler.setFormatter(JsonFormatter(context))
        _LOGGER.addHandler(handler)
        _LOGGER.setLevel(min(level or logging.INFO, logging.INFO))
        try:
            yield JsonLog(context)
        finally:
            _LOGGER.removeHandler(handler)
            _LOGGER.setLevel(level)


@contextmanager
def _opened(place: str) -> Iterator[IO[str]]:
    if place == "-":
        yield sys.stderr
        return
    try:
        file = open(place, "a", encoding="utf-8")  # noqa: SIM115, PTH123
    except OSError as error:
        raise UsageError(f"the log file {place} cannot be written: {error.strerror}; name another") from None
    try:
        yield file
    finally:
        with suppress(OSError):  # of lines that could not be written before
            file.close()
