"""The state of a recipe's stages, from its plan or from what its runs have reported in the workspace, and whether a run is at
work: a run on another machine is known by its lease alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dataengine.monitoring import run_log
from dataengine.monitoring.run_log import RecipeLog, RunEntry, StageEntry, changes
from dataengine.progress import StageReport
from dataengine.storage.lease import Holder, holders
from dataengine.storage.store import Store


@dataclass(frozen=True)
class StageStatus:
    """``state``: done, partly done (a share of the parts), running, failed, killed, pending (never made), changed (``why``),
    waiting (for an earlier stage), or not reached by the last run."""

    stage: str
    state: str
    parts: int = 0
    finished: int = 0
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    note: str = ""
    why: str = ""


@dataclass(frozen=True)
class RecipeStatus:
    """A recipe in a workspace. ``run``: its last run that had work to do; ``holder``: the run that holds the workspace, of this
    recipe or another. ``state``: running, finished, failed, killed, or new."""

    recipe: str
    workspace: str
    state: str
    stages: tuple[StageStatus, ...]
    run: RunEntry | None = None
    holder: Holder | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as plain data, without what names a machine's boot and process."""
        raw = asdict(self)
        if raw["holder"] is not None:
            raw["holder"] = {
                name: raw["holder"][name] for name in ("run", "recipe", "host", "pid", "since", "renewed", "beat")
            }
        return raw


def names(store: Store) -> list[str]:
    """The recipes whose runs have reported in a workspace."""
    return run_log.recipes(store)


def latest(store: Store, recipes: Sequence[str]) -> str:
    """Of these, the one that holds the workspace, else the one that ran last."""
    holder = _holder(store)
    if holder is not None and holder.recipe in recipes:
        return holder.recipe
    runs = {name: run_log.read(store, name).run for name in recipes}
    return max(recipes, key=lambda name: (run.updated if (run := runs[name]) else 0.0, name))


def status(store: Store, recipe: str) -> RecipeStatus:
    """What the last run of a recipe has reported."""
    log, holder = run_log.read(store, recipe), _holder(store)
    order = log.run.stages if log.run else ()
    state = _state(log, holder)
    stages = [_reported(log, name, state) for name in (*order, *sorted(set(log.stages) - set(order)))]
    return RecipeStatus(recipe, store.url, state, tuple(stages), log.run, holder)


def planned(store: Store, recipe: str, reports: Sequence[StageReport]) -> RecipeStatus:
    """What a run would make, by the ``reports`` of a dry run, and what the run at work has reported."""
    log, holder = run_log.read(store, recipe), _holder(store)
    state = _state(log, holder)
    stages = tuple(_expected(report, log.stages.get(report.name), state) for report in reports)
    return RecipeStatus(recipe, store.url, state, stages, log.run, holder)


def _holder(store: Store) -> Holder | None:
    """The run that holds the workspace, or held it last and was killed."""
    leases = holders(store)
    return leases[max(leases)] if leases else None


def _state(log: RecipeLog, holder: Holder | None) -> str:
    if log.run is None:
        return "new"
    if log.run.state != "running":
        return log.run.state
    at_work = holder is not None and holder.run == log.run.run and not (holder.expired or holder.gone)
    return "running" if at_work else "killed"


def _reached(log: RecipeLog, state: str) -> set[str]:
    """The stages that the last run has come to: those before the last that it wrote of were up to date."""
    if log.run is None or state == "finished":
        return set(log.stages)
    own = [n for n, name in enumerate(log.run.stages) if name in log.stages and log.stages[name].run == log.run.run]
    others = set(log.stages) - set(log.run.stages)
    return others.union(log.run.stages[: own[-1] + 1] if own else ())


def _reported(log: RecipeLog, name: str, state: str) -> StageStatus:
    entry = log.stages.get(name)
    if entry is None or name not in _reached(log, state):
        return StageStatus(name, "waiting" if state == "running" else "not reached")
    shown = {"up to date": "done", "running": "running" if state == "running" else "killed"}
    return _of(entry, shown.get(entry.state, entry.state))


def _of(entry: StageEntry, state: str) -> StageStatus:
    return StageStatus(entry.stage, state, entry.parts, entry.finished, entry.seconds, entry.counts, entry.note)


def _expected(report: StageReport, entry: StageEntry | None, state: str) -> StageStatus:
    if report.state != "up to date" and state == "running" and entry is not None and entry.state == "running":
        return _of(entry, "running")
    if report.state == "up to date":
        return StageStatus(
            report.name, "done", report.parts, report.parts, entry.seconds if entry else 0.0, report.counts, report.note
        )
    why = changes(report.origin, entry.origin) if report.origin and entry else ""
    shown = "changed" if why else report.state
    return StageStatus(report.name, shown, report.parts, report.made, 0.0, report.counts, report.note, why)
