"""Prints the status of recipes, once or until the run at work ends."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import typer
from rich.live import Live
from rich.table import Table

from dataengine.cli.console import shown, write, write_all
from dataengine.monitoring import watch
from dataengine.monitoring.watch import RecipeStatus, StageStatus
from dataengine.storage.lease import TERM
from dataengine.storage.store import Store

_SECONDS = 2.0
"""Between two looks at a workspace."""


def show(all_of: Sequence[RecipeStatus], as_json: bool) -> None:
    """Print the status of recipes: tables, or one JSON list (an object for one recipe)."""
    if as_json:
        listed = [one.to_json() for one in all_of]
        write(json.dumps(listed[0] if len(listed) == 1 else listed, indent=1, sort_keys=True))
        return
    for one in all_of:
        write(_head(one))
        write_all([_table(one)])
        write("")


def follow(store: Store, recipe: str, as_json: bool) -> None:
    """Show a recipe's run until it ends, and exit as it did. A run that is gone without a last word, or whose lease was not
    renewed for a term by this machine's own clock, was killed."""
    pulse = _Pulse()
    screen: _Lines | _Screen = _Screen() if sys.stdout.isatty() and not as_json else _Lines(as_json)
    with screen:
        while (status := pulse.judged(watch.status(store, recipe))).state == "running":
            screen.update(status)
            time.sleep(_SECONDS)
        screen.update(status)
    if not as_json:
        show([status], False)
    if status.state in ("failed", "killed"):
        raise typer.Exit((status.run.exit_code if status.run else 0) or 1)


class _Pulse:
    """Tells a killed run from one whose machine has another time, by whether its lease is renewed."""

    def __init__(self) -> None:
        self._beat: tuple[str, int] | None = None
        self._since = time.monotonic()

    def judged(self, status: RecipeStatus) -> RecipeStatus:
        holder = status.holder
        beat = (holder.token, holder.beat) if holder else None
        if beat != self._beat:
            self._beat, self._since = beat, time.monotonic()
        if holder is None or holder.gone or time.monotonic() - self._since > TERM:
            return status
        unheard = status.state == "new" and holder.recipe == status.recipe
        expired = status.state == "killed" and status.run is not None and status.run.run == holder.run
        return replace(status, state="running") if unheard or expired else status


class _Screen:
    """One table on a terminal, drawn anew."""

    def __init__(self) -> None:
        self._live = Live(auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._live.stop()

    def update(self, status: RecipeStatus) -> None:
        self._live.update(_table(status), refresh=True)


class _Lines:
    """A line a change: of a stage, or the whole status as JSON."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._last: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None: ...

    def update(self, status: RecipeStatus) -> None:
        if self._as_json:
            raw = status.to_json()
            unrenewed = {**raw, "holder": raw["holder"] and raw["holder"]["run"]}
            self._print("", json.dumps(unrenewed, sort_keys=True), json.dumps(raw, sort_keys=True))
            return
        for stage in status.stages:
            line = f"{stage.stage} {stage.state} {stage.finished}/{stage.parts} {stage.note}".rstrip()
            if stage.state not in ("waiting", "not reached"):
                self._print(stage.stage, line, f"{time.strftime('%H:%M:%S')} {line}")

    def _print(self, name: str, content: str, line: str) -> None:
        if self._last.get(name) != content:
            self._last[name] = content
            write(line)


def _head(status: RecipeStatus) -> str:
    run, holder = status.run, status.holder
    lines = [f"{status.recipe}  {status.workspace}"]
    if run is not None:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(run.since))
        lines.append(f"run {run.run}: {status.state}, begun {since}, dataengine {run.engine}")
        if run.error:
            lines.append(f"error: {run.error}")
    if status.state == "killed":
        lines.append("It ended without a word: killed, or cut off from the workspace. Rerun to resume.")
    if holder is not None and (run is None or holder.run != run.run) and not holder.gone:
        lines.append(
            f"run {holder.run} of recipe `{holder.recipe}` holds the workspace: process {holder.pid} on {holder.host}"
        )
    return "\n".join(lines)


def _table(status: RecipeStatus) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "state", "parts", "seconds", "counts"):
        table.add_column(name, justify="right" if name in ("parts", "seconds") else "left")
    for stage in status.stages:
        table.add_row(*map(shown, _row(stage)))
    return table


def _row(stage: StageStatus) -> tuple[str, ...]:
    counts = " · ".join(f"{n:,} {name}" for name, n in sorted(stage.counts.items(), key=lambda kv: (-kv[1], kv[0])))
    parts = f"{stage.finished}/{stage.parts}" if stage.parts else ""
    seconds = f"{stage.seconds:,.1f}" if stage.seconds else ""
    return (stage.stage, stage.state, parts, seconds, stage.why or stage.note or counts)
