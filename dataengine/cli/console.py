"""Terminal output of the commands: progress while stages run, and tables at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from rich import progress as bars
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from dataengine.cli.run_bar import RunBar
from dataengine.config.recipe import Recipe
from dataengine.progress import PartReport, RunReport, Silent, StageReport
from dataengine.stage_groups import group_of
from dataengine.storage.workspace import Workspace
from dataengine.text.display import visible, visible_lines

_out = Console(width=None if sys.stdout.isatty() else 160)
_LOG_SECONDS = 30.0
"""Seconds between two log lines of one stage, where there is no terminal."""
REDRAWS = 4
"""How often a second the bars are drawn on a terminal, at most."""
_STAGES = 8
"""Bars of stages that are shown at once, so that all fit on a terminal."""
_RUN = "run"
"""What the bar over the whole run is called; no stage is."""


class _Bars(bars.Progress):
    """Bars that only their timer draws, however often something is reported."""

    def refresh(self) -> None: ...


class _Done(bars.ProgressColumn):
    """``3/8`` parts of a stage, ``43 %`` of the run."""

    def render(self, task: bars.Task) -> Text:
        done = f"{task.percentage:.0f} %" if task.description == _RUN else f"{task.completed:.0f}/{task.total or 0:.0f}"
        return Text(done, justify="right")


class Progress(Silent):
    """Progress of a run on standard error. On a terminal a bar over the run with the time that is left, and one for each of the
    last stages, drawn four times a second at most; in a log, a line when a stage begins and ends and every 30 seconds in
    between. A ``progress.Reporter``."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (
            bars.TextColumn("{task.description:16}"),
            bars.BarColumn(),
            _Done(),
            bars.TimeElapsedColumn(),
            bars.TextColumn("{task.fields[note]}", markup=False),
        )
        self._lines = not console.is_terminal
        self._bars = _Bars(*columns, console=console, disable=self._lines, refresh_per_second=REDRAWS)
        self._tasks: dict[str, bars.TaskID] = {}
        self._logged = 0.0
        self._run: RunBar | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, run: RunReport) -> None:
        self._run = RunBar(run)

    def loaded(self, stage: str, load: float) -> None:
        if self._run is not None:
            self._run.loaded(stage, load)

    def start(self, stage: str, parts: int, pending: int) -> None:
        if self._run is not None:
            if _RUN not in self._tasks:
                self._tasks[_RUN] = self._bars.add_task(_RUN, total=1.0, note="")
            self._run.start(stage, pending, parts - pending)
        self._tasks[stage] = self._bars.add_task(stage, total=parts, completed=parts - pending, note="")
        for old in list(self._tasks.values())[1:-_STAGES]:
            self._bars.update(old, visible=False)
        self._update_run()
        self._log(stage)

    def advance(self, part: PartReport) -> None:
        if self._run is not None:
            self._run.advance(part)
        self._update_run()
        self.step(part.stage)

    def step(self, name: str) -> None:
        """One more part of ``name``, which need not be a stage."""
        self._bars.advance(self._tasks[name])
        self._log_sometimes(name)

    def note(self, stage: str, text: str) -> None:
        self._bars.update(self._tasks[stage], note=visible(text))
        self._update_run()
        self._log_sometimes(stage)

    def end(self, report: StageReport) -> None:
        if self._run is not None:
            self._run.end(report)
            self._update_run()
        if report.name in self._tasks:
            self._bars.update(self._tasks[report.name], completed=report.parts, note=f"in {report.seconds:.1f} s")
            self._log(report.name)
            self._bars.update(self._tasks[report.name], note="")

    def finish(self, error: BaseException | None) -> None:
        if _RUN in self._tasks:
            share = self._run.share if self._run is not None and error is not None else 1.0
            self._bars.update(self._tasks[_RUN], completed=share, note="")

    def _update_run(self) -> None:
        if self._run is not None and _RUN in self._tasks:
            note = self._run.words().partition(", ")[2]
            self._bars.update(self._tasks[_RUN], completed=self._run.share, note=note)

    def _log_sometimes(self, stage: str) -> None:
        if time.monotonic() - self._logged >= _LOG_SECONDS:
            self._log(stage)

    def _log(self, stage: str) -> None:
        self._logged = time.monotonic()
        if self._lines:
            task = next(t for t in self._bars.tasks if t.id == self._tasks[stage])
            line = f"{time.strftime('%H:%M:%S')} {stage} {task.completed:.0f}/{task.total:.0f} {task.fields['note']}"
            run = f" · run {self._run.words()}" if self._run is not None else ""
            print(f"{line.rstrip()}{run}", file=sys.stderr, flush=True)


def shown(text: str) -> Text:
    """Text for a table or line: no markup, control and bidirectional characters as escapes. What commands print of data passes
    here or through ``write``."""
    return Text(visible(text))


def write(text: str) -> None:
    """Print lines to standard output; control and bidirectional characters as escapes."""
    print(visible_lines(text), flush=True)


def write_all(renderables: Iterable[RenderableType]) -> None:
    """Print what rich renders, one after the other; whoever made it has escaped its text."""
    for renderable in renderables:
        _out.print(renderable, soft_wrap=isinstance(renderable, Text))


def summary(recipe: Recipe, reports: Sequence[StageReport], dry_run: bool) -> None:
    """Print the stages and, after a release, the funnel, gaps of the card and where the release lies."""
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "state", "parts", "seconds", "counts"):
        table.add_column(name, justify="right" if name in ("parts", "seconds") else "left")
    for r in reports:
        parts = f"{r.made}/{r.parts}" if r.parts else ""
        counts = " · ".join(f"{v:,} {k}" for k, v in sorted(r.counts.items(), key=lambda kv: (-kv[1], kv[0])))
        table.add_row(*map(shown, (r.name, r.state, parts, f"{r.seconds:.1f}" if r.state == "done" else "", counts)))
    _out.print(table)
    for note in filter(None, (r.note for r in reports)):
        write(f"\n{note}")
    if dry_run or group_of(reports[-1].name) != "release":
        return
    from dataengine.release.card_text import unstated
    from dataengine.release.funnel import funnel_rows, read_manifest
    from dataengine.release.run_summary import sentences, source_rows

    manifest = read_manifest(Workspace(recipe.workspace), recipe.name)
    workspace, made = Workspace(recipe.workspace), any(r.name == "release" and r.state == "done" for r in reports)
    print_rows("funnel", funnel_rows(manifest))
    if rows := source_rows(workspace, recipe.name):
        print_table("sources", ("source", "inputs", "with captions", "failed", "kept"), rows)
    _out.print()
    for sentence in sentences(workspace, recipe.name, made):
        _out.print(shown(sentence))
    if gaps := unstated(manifest):
        write(f"\n{gaps_notice(gaps)}")
    write(f"\nrelease  {Workspace(recipe.workspace).store.uri(f'releases/{recipe.name}')}/")
    if recipe.release.publish:
        write(f"published  {recipe.release.publish.rstrip('/')}/")


def gaps_notice(gaps: Sequence[str]) -> str:
    """One line on what the recipe's author has not stated; the card names each gap where it is."""
    if len(gaps) <= 2:
        return f"The card has {'a gap' if len(gaps) == 1 else 'two gaps'}: {' and '.join(gaps)}"
    return f"The card has {len(gaps)} gaps, {gaps[0]} first: README.md marks each, `release:` in the recipe fills them"


def print_rows(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print a titled table of names and figures."""
    table = Table(
        title=Text("\n").append(shown(title)), title_justify="left", box=None, show_header=False, pad_edge=False
    )
    table.add_column()
    table.add_column(justify="right")
    for row in rows:
        table.add_row(*map(shown, row))
    _out.print(table)


def print_pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and their sentences, wrapped, never cut off."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(shown(name), shown(text))
    _out.print()
    _out.print(table)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a titled table with headings; all columns but the first hold numbers."""
    table = Table(title=Text("\n").append(shown(title)), title_justify="left", box=None, pad_edge=False)
    for i, name in enumerate(columns):
        table.add_column(shown(name), justify="right" if i else "left")
    for row in rows:
        table.add_row(*map(shown, row))
    _out.print(table)


def print_lines(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a titled table of texts, wrapped, never cut off."""
    table = Table(title=Text("\n").append(shown(title)), title_justify="left", box=None, pad_edge=False)
    for name in columns:
        table.add_column(shown(name), overflow="fold")
    for row in rows:
        table.add_row(*map(shown, row))
    _out.print(table)
