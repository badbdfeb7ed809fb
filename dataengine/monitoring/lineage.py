"""OpenLineage events of a run, sent by the project's client: each stage is a job whose runs read and write datasets, with their
versions and row counts, under one parent job, the recipe.

A dataset is a table of a stage, named by workspace, stage and role; the release is one by its folder. A version is the digest of
the stage's result, so equal results have equal versions. Nothing that the server does stops a run; what it refuses is
warned of once.
"""

from __future__ import annotations

import logging
import os
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataengine.errors import UsageError
from dataengine.monitoring.patience import Patience
from dataengine.progress import RunReport, Silent, StageReport
from dataengine.text.redaction import environment_secrets, redacted
from dataengine.text.uris import without_secrets

try:
    import requests
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import (
        dataset_version_dataset,
        error_message_run,
        input_statistics_input_dataset,
        output_statistics_output_dataset,
        parent_run,
        processing_engine_run,
    )
except ImportError as _error:
    raise UsageError(
        "lineage needs the client of OpenLineage: pip install 'dataengine-multimodal[lineage]'"
    ) from _error

_InputStatistics = input_statistics_input_dataset.InputStatisticsInputDatasetFacet
_OutputStatistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet

if TYPE_CHECKING:
    from dataengine.config.recipe import Recipe
    from dataengine.storage.workspace import Record

_log = logging.getLogger(__name__)
PRODUCER = "https://pypi.org/project/dataengine-multimodal"
NAMESPACE = "dataengine"
_KEY = "OPENLINEAGE_API_KEY"
_NUMBERED = re.compile(r"/\d+$")
_RETRIES = {"total": 2, "connect": 2, "read": 2}


def client_of(place: str) -> OpenLineageClient:
    """The client that sends events to a URL or adds them to a file; for ``client``, as OPENLINEAGE_URL or openlineage.yml say. A
    URL's key comes from OPENLINEAGE_API_KEY. Raises UsageError for what is no URL or file, or a configuration that the client
    cannot use."""
    try:
        return OpenLineageClient() if place == "client" else OpenLineageClient(config={"transport": _transport(place)})
    except (ValueError, TypeError, RuntimeError, ImportError) as error:
        if place != "client":
            raise UsageError(
                f"lineage: {without_secrets(place)} is no URL of a server; write http://HOST:PORT"
            ) from None
        reason = redacted(str(error), environment_secrets())
        raise UsageError(f"lineage: the client cannot use OPENLINEAGE_URL or openlineage.yml: {reason}") from None


def _transport(place: str) -> dict[str, Any]:
    if not place.startswith(("http://", "https://")):
        return {"type": "file", "log_file_path": _file(place), "append": True}
    transport: dict[str, Any] = {"type": "http", "url": place, "timeout": 5, "retry": _RETRIES}
    if key := os.environ.get(_KEY):
        transport["auth"] = {"type": "api_key", "apiKey": key}
    return transport


def _file(place: str) -> str:
    """Raises UsageError for a URL, and where there is no such folder."""
    path = place.removeprefix("file://")
    if "://" in path:
        raise UsageError(f"lineage: {without_secrets(place)} is no place for events; write http://HOST:PORT or a file")
    if Path(path).is_dir() or not Path(path).absolute().parent.is_dir():
        raise UsageError(f"lineage: {path} is a folder, or in one that does not exist; name a file")
    return path


class Lineage(Silent):
    """A Reporter that sends START, COMPLETE and FAIL of each stage that is made, and of the run."""

    def __init__(self, place: str, recipe: Recipe) -> None:
        self._client, self._recipe = client_of(place), recipe
        self._place, self._patience = without_secrets(place), Patience()
        self._parent, self._ids = "", dict[str, str]()
        self._records: dict[str, Record] = {}
        self._needs = _needs()
        self._stage = ""
        self._warned = False

    def begin(self, run: RunReport) -> None:
        self._parent = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run.workspace}/{run.recipe}/{run.run}"))

    def start(self, stage: str, parts: int, pending: int) -> None:
        if stage not in self._needs:
            return
        if not self._ids:
            self._emit(RunState.START, "", [], [])
        self._stage, self._ids[stage] = stage, str(uuid.uuid4())
        self._emit(RunState.START, stage, self._inputs(stage), [])

    def end(self, report: StageReport) -> None:
        if report.record is not None:
            self._records[report.name] = report.record
        if report.state in ("done", "partly done") and report.name in self._ids:
            outputs = self._outputs(report.record) if report.record else []
            self._emit(RunState.COMPLETE, report.name, self._inputs(report.name), outputs)
            self._stage = ""

    def finish(self, error: BaseException | None) -> None:
        if not self._ids:
            return
        if error is None:
            self._emit(RunState.COMPLETE, "", [], [])
            return
        state = RunState.FAIL if isinstance(error, Exception) else RunState.ABORT
        if self._stage:
            self._emit(state, self._stage, self._inputs(self._stage), [], error)
        self._emit(state, "", [], [], error)

    def _emit(
        self,
        state: RunState,
        stage: str,
        inputs: list[InputDataset],
        outputs: list[OutputDataset],
        error: BaseException | None = None,
    ) -> None:
        """Send an event of a stage, of the run for "". A server that hangs is told of the run's end alone."""
        if not self._patience.lasts and (stage or state is RunState.START):
            return
        engine = processing_engine_run.ProcessingEngineRunFacet(version("dataengine-multimodal"), "dataengine")
        facets: dict[str, Any] = {"processing_engine": engine}
        if stage:
            parent = parent_run.Run(self._parent), parent_run.Job(NAMESPACE, self._recipe.name)
            facets["parent"] = parent_run.ParentRunFacet(*parent)
        if error is not None:
            message = redacted(str(error) or type(error).__name__, environment_secrets())
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message, "Python")
        job = Job(NAMESPACE, f"{self._recipe.name}.{stage}" if stage else self._recipe.name)
        run = Run(self._ids[stage] if stage else self._parent, facets)
        event = RunEvent(
            eventTime=datetime.now(UTC).isoformat(),
            producer=PRODUCER,
            eventType=state,
            run=run,
            job=job,
            inputs=inputs,
            outputs=outputs,
        )
        try:
            with self._patience.asking():
                self._client.emit(event)
        except (requests.RequestException, OSError, RuntimeError) as failure:
            if not self._warned:
                _log.warning(
                    "lineage events cannot be sent to %s: %s",
                    self._place,
                    redacted(str(failure), environment_secrets()),
                )
            self._warned = True

    def _inputs(self, stage: str) -> list[InputDataset]:
        """The results that a stage is made from, with versions and row counts; of ingest the recipe's sources."""
        inputs = []
        for need in self._needs[stage]:
            if record := self._records.get(need):
                inputs += [
                    InputDataset(
                        *self._named(name), {"inputStatistics": _InputStatistics(*numbers)}, facets=_version(record)
                    )
                    for name, *numbers in self._tables(record)
                ]
        if stage == "ingest":
            inputs = [InputDataset(*dataset_of(without_secrets(s.path))) for s in self._recipe.sources if s.path]
        return inputs

    def _outputs(self, record: Record) -> list[OutputDataset]:
        return [
            OutputDataset(
                *self._named(name), {"outputStatistics": _OutputStatistics(*numbers)}, facets=_version(record)
            )
            for name, *numbers in self._tables(record)
        ]

    def _tables(self, record: Record) -> Iterator[tuple[str, int, int, int]]:
        """Name, rows, bytes and files of each dataset of a stage."""
        sums: dict[str, list[int]] = {}
        release = f"releases/{self._recipe.name}"
        for output in record.parts.values():
            for role, file in output.files.items():
                in_release = file.key.startswith(f"{release}/")
                name = release if in_release else f"{record.stage}/{_NUMBERED.sub('', role)}"
                one = sums.setdefault(name, [0, 0, 0])
                one[:] = [one[0] + file.rows, one[1] + file.bytes, one[2] + 1]
        for name, (rows, size, files) in sorted(sums.items()):
            yield name, rows, size, files

    def _named(self, name: str) -> tuple[str, str]:
        namespace, base = dataset_of(self._recipe.workspace)
        return namespace, f"{base}/{name}".lstrip("/") if namespace != "file" else f"{base}/{name}"


def dataset_of(place: str) -> tuple[str, str]:
    """Namespace and name of a folder, file or bucket prefix, as OpenLineage's naming says."""
    place = place.removeprefix("file://")
    scheme, separator, rest = place.partition("://")
    if not separator:
        return "file", str(Path(place).absolute())
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}", path or "/"


def _version(record: Record) -> dict[str, Any]:
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(record.digest)}


def _needs() -> dict[str, tuple[str, ...]]:
    from dataengine.catalog import STAGES

    return {stage.name: stage.needs for stage in STAGES}
