"""How a scheduler starts one stage of dataengine, and what it does about the exit code. Standard library only; used by the DAG
file beside it.

A stage runs as a command (``dataengine``, ``spark-submit``, ``ray job submit``) or as a resource of Kubernetes
(``dataengine_kubernetes.py``). All stages of one run share the workspace's lease by DATAENGINE_RUN.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol

#: Every stage that can be scheduled, in order, and the kind of engine that makes it.
STAGES: dict[str, str] = {
    "ingest": "record",
    "unique": "table",
    "embed": "record",
    "dedup": "table",
    "score": "record",
    "annotate": "record",
    "contamination": "record",
    "index": "record",
    "filter": "table",
    "tokenize": "record",
    "assign": "table",
    "shard": "record",
    "cot": "record",
    "sequence": "record",
    "release": "table",
}
#: Scripts below ``jobs/`` that are not called as their stage.
_SCRIPTS = {"tokenize": "encode"}
_TAIL_LINES = 20
_KILL_SECONDS = 30.0


class Verdict(StrEnum):
    """What becomes of a task."""

    DONE = "done"
    RETRY = "retry"
    FAIL = "fail"


#: Exit codes of dataengine whose cause may be gone at the next try, and those that need a person. Shells say 126 and 127 for a
#: command that cannot be run.
VERDICTS: dict[int, tuple[Verdict, str]] = {
    0: (Verdict.DONE, "done"),
    1: (Verdict.RETRY, "the run failed (storage, a lost node); it resumes at the last committed part"),
    2: (Verdict.FAIL, "the recipe or the command is wrong; nothing ran"),
    3: (Verdict.FAIL, "the ledger does not balance; keep the workspace and report it"),
    4: (
        Verdict.FAIL,
        "too much failed, or nothing is kept: look, then correct the recipe or run the stage with --accept",
    ),
    5: (Verdict.RETRY, "another run holds the workspace; its lease expires a minute after its last stage"),
    126: (Verdict.FAIL, "the command cannot be executed"),
    127: (Verdict.FAIL, "the command was not found"),
}


def verdict(code: int) -> tuple[Verdict, str]:
    """What to do about an exit code; a process that was killed is started again."""
    return VERDICTS.get(code, (Verdict.RETRY, "killed" if code < 0 or code > 128 else "not an exit code of dataengine"))


#: Keys of a table of ``dags.toml``, those that it must have, and keys of ``record`` and ``table`` in it.
_KEYS = {
    *("schedule", "start", "recipe", "workspace", "stages", "partition", "record", "table"),
    *("retries", "retry_seconds", "hours", "catchup"),
}
_NEEDED = ("start", "recipe", "workspace")
_LAUNCH = {"command", "folder", "environment", "manifest", "connection", "poll_seconds"}


def check(place: str, settings: Mapping[str, Any]) -> None:
    """Raises ValueError for a table of ``dags.toml`` with a key or a stage that there is not, or without one that it needs. A
    ``partitions`` that is passed over would run every day on nothing new."""
    launches = {kind: settings[kind] for kind in ("record", "table") if kind in settings}
    wrong = [key for key in settings if key not in _KEYS]
    wrong += [f"{kind}.{key}" for kind, launch in launches.items() for key in launch if key not in _LAUNCH]
    if wrong:
        raise ValueError(f"{place} has a key {wrong[0]}, which means nothing: docs/schedule.md lists them")
    stages = settings.get("stages", list(STAGES))
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise ValueError(f"{place} has no stage {unknown[0]!r}; stages are {', '.join(STAGES)}")
    needed = (*_NEEDED, *sorted({STAGES[stage] for stage in stages}))
    if missing := [key for key in needed if key not in settings]:
        raise ValueError(f"{place} needs {missing[0]}")
    if without := [kind for kind, launch in launches.items() if not launch.keys() & {"command", "manifest"}]:
        raise ValueError(f"{place} needs {without[0]}.command or {without[0]}.manifest")


def run_of(dag: str, run: str, begun: datetime | None) -> str:
    """DATAENGINE_RUN of the tasks of one run of a DAG. Two installations of Airflow call the scheduled run of a day alike, and
    must not share its lease; they do not begin it in the same microsecond."""
    return f"{dag}/{run}" + (f"/{begun:%H%M%S.%f}" if begun else "")


@dataclass(frozen=True)
class Call:
    """One stage of one run. ``partition`` is "" where the sources are not partitioned; ``run``: the scheduler's id."""

    stage: str
    recipe: str
    workspace: str
    run: str
    partition: str = ""
    attempt: int = 1

    def fields(self) -> dict[str, str]:
        """What a template may name."""
        script = _SCRIPTS.get(self.stage, self.stage)
        return {"stage": self.stage, "script": script, "recipe": self.recipe, "workspace": self.workspace}

    def partition_arguments(self) -> list[str]:
        return ["--partition", self.partition] if self.partition else []

    def environment(self) -> dict[str, str]:
        return {"DATAENGINE_RUN": self.run}


class Launcher(Protocol):
    """Starts a stage, waits for it and gives its exit code."""

    def run(self, call: Call, log: Callable[[str], None]) -> int: ...

    def kill(self) -> None:
        """End what runs; committed parts stay."""


class Command:
    """A stage as a process on the scheduler's worker. ``template`` is split as a shell would, then its ``{stage}``, ``{script}``,
    ``{recipe}`` and ``{workspace}`` are filled in: no value is read by a shell."""

    _EXIT: ClassVar[re.Pattern[str]] = re.compile(r"entrypoint command failed with exit code (\d+)")

    def __init__(self, template: str, folder: str | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.template, self.folder, self.environment = template, folder, dict(environment or {})
        self._process: subprocess.Popen[str] | None = None

    def argv(self, call: Call) -> list[str]:
        words = [word.format(**call.fields()) for word in shlex.split(self.template)]
        return [*words, *call.partition_arguments()]

    def run(self, call: Call, log: Callable[[str], None]) -> int:
        """The exit code. ``ray job submit`` ends with 1 whatever its job ended with, but prints that code, which counts."""
        argv = self.argv(call)
        log(f"$ DATAENGINE_RUN={shlex.quote(call.run)} {shlex.join(argv)}")
        environment = {**os.environ, **self.environment, **call.environment()}
        try:
            self._process = subprocess.Popen(
                argv,
                cwd=self.folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            log(str(error))
            return 127
        last: deque[str] = deque(maxlen=_TAIL_LINES)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            last.append(line)
            log(line.rstrip("\n"))
        code = self._process.wait()
        inner = self._EXIT.search("".join(last))
        return int(inner.group(1)) if code == 1 and inner else code

    def kill(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
