"""Progress of a run in a notebook: one table in the cell's output, drawn again in place a few times a second."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dataengine.progress import PartReport, RunReport, Silent, StageReport
from dataengine.text.display import visible

#: Seconds between two drawings: a notebook keeps up with few, and its file keeps the last.
_PAUSE = 0.5
_STYLE = "text-align:left;padding:0 1em 0 0"


def notebook_display() -> Callable[[str], Callable[[str], None]] | None:
    """Shows HTML in the running notebook and returns what puts other HTML in its place; None outside of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import HTML
    from IPython.display import display as display_in_cell

    def show(text: str) -> Callable[[str], None]:
        handle: Any = display_in_cell(HTML(text), display_id=True)
        return lambda newer: handle.update(HTML(newer))

    return show


@dataclass
class _Row:
    """A stage that is made: its parts, those that are there, and a note."""

    parts: int
    done: int
    note: str = ""
    started: float = field(default_factory=time.monotonic)
    seconds: float | None = None


class NotebookProgress(Silent):
    """A ``progress.Reporter``. ``show``: as ``notebook_display`` returns it."""

    def __init__(self, show: Callable[[str], Callable[[str], None]]) -> None:
        self._show = show
        self._update: Callable[[str], None] | None = None
        self._rows: dict[str, _Row] = {}
        self._title, self._end, self._drawn = "", "", 0.0
        self._same = 0

    def begin(self, run: RunReport) -> None:
        self._title = f"{run.recipe}: {len(run.stages)} stages in {run.workspace}"
        self._draw(now=True)

    def start(self, stage: str, parts: int, pending: int) -> None:
        self._rows[stage] = _Row(parts, parts - pending)
        self._draw()

    def advance(self, part: PartReport) -> None:
        self._rows[part.stage].done += 1
        self._draw()

    def note(self, stage: str, text: str) -> None:
        if stage in self._rows:
            self._rows[stage].note = text
        self._draw()

    def tick(self) -> None:
        self._draw()

    def end(self, report: StageReport) -> None:
        if report.name in self._rows:
            row = self._rows[report.name]
            row.done, row.seconds, row.note = report.parts, report.seconds, ""
        elif report.state == "up to date":
            self._same += 1
        self._draw()

    def finish(self, error: BaseException | None) -> None:
        self._end = "done" if error is None else f"ended: {error}" if str(error) else f"ended: {type(error).__name__}"
        self._draw(now=True)

    def _draw(self, now: bool = False) -> None:
        if not now and time.monotonic() - self._drawn < _PAUSE:
            return
        self._drawn = time.monotonic()
        if self._update is None:
            self._update = self._show(self.html())
        else:
            self._update(self.html())

    def html(self) -> str:
        """The table as it is now; text from data shows control characters as escapes, and nothing in it is markup."""
        rows = "".join(
            f"<tr>{_cell(name)}<td><progress max='{max(row.parts, 1)}' value='{row.done}'></progress></td>"
            f"{_cell(f'{row.done:,}/{row.parts:,}')}{_cell(_seconds(row))}{_cell(row.note)}</tr>"
            for name, row in self._rows.items()
        )
        same = f"<p>{self._same:,} stages are up to date</p>" if self._same else ""
        return f"<p>{_text(self._title)}</p>{same}<table>{rows}</table><p>{_text(self._end)}</p>"


def _seconds(row: _Row) -> str:
    return f"{time.monotonic() - row.started if row.seconds is None else row.seconds:.1f} s"


def _cell(text: str) -> str:
    return f"<td style='{_STYLE}'>{_text(text)}</td>"


def _text(text: str) -> str:
    return html.escape(visible(text))
