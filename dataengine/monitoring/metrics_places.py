"""Where a run's metrics go: an HTTP address that Prometheus scrapes, a file of the textfile collector, a Pushgateway.

A place that cannot be reached stops no run: it is warned of once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client import pushadd_to_gateway, start_http_server, write_to_textfile

from dataengine.errors import UsageError
from dataengine.monitoring.metrics import RunMetrics
from dataengine.monitoring.patience import Patience
from dataengine.progress import PartReport, RunReport, Silent, StageReport
from dataengine.text.redaction import redacted
from dataengine.text.uris import without_secrets

_log = logging.getLogger(__name__)
#: Seconds between two writes while parts are made; seconds that a Pushgateway has to answer.
_SECONDS, _ANSWER_SECONDS = 15.0, 5.0
_JOB = "dataengine"


@contextmanager
def metrics_server(place: str, metrics: RunMetrics) -> Iterator[str]:
    """Answers Prometheus at HOST:PORT while the block runs; without a host on 127.0.0.1, port 0 takes a free one. Yields the
    address, "" where the port is taken or may not be used. Raises UsageError for what is no address."""
    host, _, port = place.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]") or "127.0.0.1", metrics.registry)
    except (ValueError, OverflowError):
        raise UsageError(f"metrics: {place} is no address; write HOST:PORT, FILE.prom or http://GATEWAY") from None
    except OSError as error:
        reason = error.strerror or error
        _log.warning("metrics: %s cannot be listened on: %s; the run goes on without, name another port", place, reason)
        yield ""
        return
    try:
        yield f"{host or '127.0.0.1'}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Written(Silent):
    """A Reporter that hands metrics on, after those have counted: at the begin and end of each stage and every 15 seconds."""

    def __init__(self, place: str, write: Callable[[], None]) -> None:
        self._place, self._write = place, write
        self._patience, self._last = Patience(), 0.0
        self._warned = False

    def begin(self, run: RunReport) -> None:
        self._now()

    def start(self, stage: str, parts: int, pending: int) -> None:
        self._unless_it_hangs()

    def advance(self, part: PartReport) -> None:
        if time.monotonic() - self._last >= _SECONDS:
            self._unless_it_hangs()

    def end(self, report: StageReport) -> None:
        if report.state == "done":
            self._unless_it_hangs()

    def finish(self, error: BaseException | None) -> None:
        self._now()

    def _unless_it_hangs(self) -> None:
        if self._patience.lasts:
            self._now()

    def _now(self) -> None:
        try:
            with self._patience.asking():
                self._write()
        except (OSError, HTTPException) as error:  # the second is what a server of no HTTP answers
            if not self._warned:
                _log.warning("metrics cannot be written to %s: %s", self._place, redacted(str(error)))
            self._warned = True
        self._last = time.monotonic()


def written(place: str, metrics: RunMetrics) -> Written | None:
    """The Reporter for a file NAME.prom or the URL of a Pushgateway; None for an address. Raises UsageError."""
    if place.startswith(("http://", "https://")):
        _check_gateway(place)
        group = {"recipe": metrics.recipe}
        push = lambda: pushadd_to_gateway(place, _JOB, metrics.registry, group, _ANSWER_SECONDS)  # noqa: E731
        return Written(without_secrets(place), push)
    if place.endswith(".prom"):
        if not Path(place).absolute().parent.is_dir():
            raise UsageError(f"metrics: the folder of {place} does not exist")
        return Written(place, lambda: write_to_textfile(place, metrics.registry))
    return None


def _check_gateway(url: str) -> None:
    """Raises UsageError."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port, or of an address in brackets
        usable = False
    if not usable:
        raise UsageError(f"metrics: {without_secrets(url)} is no URL of a Pushgateway; write http://HOST:PORT")
    if parts.username is not None:
        raise UsageError("metrics: a Pushgateway's URL must hold no password; put a proxy that knows it before it")
