"""What the last run of each recipe has done in a workspace, for ``dataengine status`` and ``dataengine gc``: a log beside the
commits that no result depends on.

``runs/RECIPE/run.json`` is the run, ``runs/RECIPE/stages/STAGE.json`` a stage: processes of one scheduled run that make different
stages write different objects. Only a run that holds the lease writes; one with nothing to do writes nothing.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from dataengine.errors import DataEngineError, HeldError
from dataengine.progress import Origin, PartReport, RunReport, Silent, StageReport, exit_code
from dataengine.storage.engine_version import engine_version
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json, digest
from dataengine.text.redaction import environment_secrets, redacted, redacted_lines

if TYPE_CHECKING:
    from dataengine.stage import Run, Stage

_FOLDER = "runs"
#: Seconds between two writes of one stage's progress.
_SECONDS = 5.0
_PARALLEL = 16


@dataclass(frozen=True)
class RunEntry:
    """The last run of a recipe. ``state``: running, finished, failed. Times are seconds since the epoch by its own clock."""

    recipe: str
    run: str
    engine: str
    stages: tuple[str, ...]
    state: str
    since: float
    updated: float
    error: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class StageEntry:
    """A stage in the last run that made or passed it. ``state``: running, done, partly done (by one of
    several processes), up to date, failed. ``files``: keys of a result
    that no commit names, but the recipe's lock."""

    stage: str
    run: str
    state: str
    parts: int
    finished: int
    updated: float
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    note: str = ""
    origin: Origin | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipeLog:
    """What is known of a recipe. ``run`` is None where its object is damaged or was deleted; ``unreadable``: stages whose object
    is damaged, or of another version."""

    run: RunEntry | None
    stages: dict[str, StageEntry]
    unreadable: frozenset[str] = frozenset()


def origin(stage: Stage, run: Run, key: str) -> Origin:
    """What the result of ``stage`` is named by, apart into what may change."""
    settings = digest(stage.settings(run.recipe))
    return Origin(key, stage.record_path(run, key), stage.version, settings, stage.upstream(run))


def changes(now: Origin, before: Origin | None) -> str:
    """Why a result of ``before`` is no longer valid, in words; "" where there was none."""
    if before is None or before.key == now.key:
        return ""
    changed = [name for name in now.needs if now.needs[name] != before.needs.get(name)]
    reasons = [f"{', '.join(changed)} changed"] if changed else []
    reasons += ["the recipe's settings changed"] if now.settings != before.settings else []
    reasons += (
        [f"the engine's code changed ({before.version} to {now.version})"] if now.version != before.version else []
    )
    return "; ".join(reasons) or "what it lists changed"


class RunLog(Silent):
    """The Reporter that keeps the log. It writes once a stage has work, so when the run holds the lease."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._run: RunEntry | None = None
        self._passed: list[StageEntry] = []
        """Visited before anything was written."""
        self._stage: StageEntry | None = None
        self._writes = False
        self._written = 0.0

    def begin(self, run: RunReport) -> None:
        now = time.time()
        self._run = RunEntry(run.recipe, run.run, engine_version()["dataengine"], run.stages, "running", now, now)

    def start(self, stage: str, parts: int, pending: int) -> None:
        if self._run is None or stage not in self._run.stages:
            return
        if not self._writes:
            self._writes = True
            self._put("run", self._run)
            known = read(self._store, self._run.recipe).stages
            for entry in self._passed:
                self._put_stage(entry, known.get(entry.stage))
        self._stage = StageEntry(stage, self._run.run, "running", parts, parts - pending, time.time())
        self._put_stage(self._stage)
        self._written = time.monotonic()

    def advance(self, part: PartReport) -> None:
        if self._stage is not None:
            counts = dict(Counter(self._stage.counts) + Counter(part.counts))
            self._stage = replace(self._stage, finished=self._stage.finished + 1, counts=counts)
            self._put_sometimes()

    def note(self, stage: str, text: str) -> None:
        if self._stage is not None and self._stage.stage == stage:
            self._stage = replace(self._stage, note=redacted(text))
            self._put_sometimes()

    def end(self, report: StageReport) -> None:
        if self._run is None or (report.record is None and report.state != "partly done"):
            return
        outputs = report.record.parts.values() if report.record else ()
        files = () if report.origin else tuple(f.key for o in outputs for f in o.files.values())
        entry = StageEntry(
            stage=report.name,
            run=self._run.run,
            state=report.state,
            parts=report.parts,
            finished=report.parts,
            updated=time.time(),
            seconds=round(report.seconds, 3),
            counts=report.counts,
            origin=report.origin,
            files=files,
        )
        self._stage = None
        if self._writes:
            self._put_stage(entry)
        else:
            self._passed.append(entry)

    def finish(self, error: BaseException | None) -> None:
        """A run that was displaced writes nothing: the log is another's."""
        if self._run is None or not self._writes or isinstance(error, HeldError):
            return
        now = time.time()
        if error is not None and self._stage is not None:
            self._put_stage(replace(self._stage, state="failed", updated=now))
        text = "" if error is None else redacted_lines(str(error) or type(error).__name__, environment_secrets())
        state = "failed" if error else "finished"
        self._put("run", replace(self._run, state=state, updated=now, error=text, exit_code=exit_code(error)))

    def _put_sometimes(self) -> None:
        if self._stage is not None and time.monotonic() - self._written >= _SECONDS:
            self._put_stage(replace(self._stage, updated=time.time()))
            self._written = time.monotonic()

    def _put_stage(self, entry: StageEntry, known: StageEntry | None = None) -> None:
        """Write an entry, unless it says of an up-to-date stage what is ``known`` of it."""
        if known is None or (known.origin, known.files) != (entry.origin, entry.files) or known.state == "failed":
            self._put(f"stages/{entry.stage}", entry)

    def _put(self, name: str, entry: RunEntry | StageEntry) -> None:
        if self._run is not None:
            with suppress(DataEngineError):  # nothing is computed from the log: it stops no run
                self._store.put(f"{_FOLDER}/{self._run.recipe}/{name}.json", canonical_json(asdict(entry)))


def recipes(store: Store) -> list[str]:
    """Names of the recipes with a log in a workspace."""
    return sorted({entry.key.split("/")[1] for entry in store.list(_FOLDER)})


def read(store: Store, recipe: str) -> RecipeLog:
    """What is known of a recipe."""
    base = f"{_FOLDER}/{recipe}"
    names = [entry.key.rpartition("/")[2].removesuffix(".json") for entry in store.list(f"{base}/stages")]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        entries = list(pool.map(lambda name: _read(store, f"{base}/stages/{name}.json", _stage_entry), names))
    stages = {entry.stage: entry for entry in entries if entry is not None}
    return RecipeLog(_read(store, f"{base}/run.json", _run_entry), stages, frozenset(names) - stages.keys())


def _run_entry(raw: Mapping[str, Any]) -> RunEntry:
    numbers: dict[str, Any] = {
        "since": float(raw["since"]),
        "updated": float(raw["updated"]),
        "exit_code": int(raw["exit_code"]),
    }
    return RunEntry(**{**_known(raw, RunEntry), **numbers, "stages": tuple(raw["stages"])})


def _stage_entry(raw: Mapping[str, Any]) -> StageEntry:
    made_from = Origin(**_known(raw["origin"], Origin)) if raw["origin"] else None
    numbers: dict[str, Any] = {
        "parts": int(raw["parts"]),
        "finished": int(raw["finished"]),
        "seconds": float(raw["seconds"]),
    }
    counts = {name: int(n) for name, n in dict(raw["counts"]).items()}
    checked: dict[str, Any] = {**numbers, "counts": counts, "origin": made_from, "files": tuple(raw["files"])}
    return StageEntry(**{**_known(raw, StageEntry), **checked})


def _known(raw: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """Without the fields that a later version has added."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in raw.items() if name in names}


def _read(store: Store, key: str, parse: Any) -> Any:
    try:
        return parse(json.loads(store.get(key)))
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None
