"""Progress without a terminal: lines that a batch job's log shows."""

from __future__ import annotations

import pytest
import typer
from rich.console import Console

from dataengine.cli import console
from dataengine.cli.common import exits
from dataengine.errors import RunError
from dataengine.progress import PartReport, StageReport
from dataengine.timings import Work


def test_a_log_tells_when_a_stage_begins_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with console.Progress() as progress:
        progress.start("score", 40, 30)
        progress.advance(PartReport("score", "a", {}, 0, Work()))
        progress.note("score", "blur")
        progress.end(StageReport("score", "done", 40, 30, 93.21))
        progress.end(StageReport("filter", "up to date", 1))
    said = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert said == ["score 10/40", "score 40/40 in 93.2 s"]


def test_and_now_and_then_between(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_LOG_SECONDS", 0.0)
    with console.Progress() as progress:
        progress.start("tokenize.fit", 2, 2)
        progress.note("tokenize.fit", "step 3 of 9")
        progress.advance(PartReport("tokenize.fit", "all", {}, 0, Work()))
    said = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert said == ["tokenize.fit 0/2", "tokenize.fit 0/2 step 3 of 9", "tokenize.fit 1/2 step 3 of 9"]


HOSTILE = "\x1b]0;taken over\x07\u202egpj[bold]x[/] [/nothing] :smile:\r\n"


def test_no_table_obeys_what_data_holds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_out", Console(width=400, force_terminal=False))
    console.print_rows(HOSTILE, [(HOSTILE, HOSTILE)])
    console.print_pairs([("name", HOSTILE)])
    console.print_table(HOSTILE, (HOSTILE, "n"), [(HOSTILE, "1")])
    console.write(f"warning: {HOSTILE}")
    with console.Progress() as progress:
        progress.start("score", 1, 1)
        progress.note("score", HOSTILE)
        progress.end(StageReport("score", "done", 1, 1, 1.0))
    output = "".join(capsys.readouterr())
    assert output.count("\\x1b]0;taken over\\x07\\u202egpj[bold]x[/] [/nothing] :smile:\\r") >= 7
    assert all(c.isprintable() or c == "\n" for c in output)


def test_no_error_obeys_what_data_holds(capsys: pytest.CaptureFixture[str]) -> None:
    @exits
    def command() -> None:
        raise RunError(f"x.tar: {HOSTILE}")

    with pytest.raises(typer.Exit):
        command()
    assert "\x1b" not in (error := capsys.readouterr().err) and "\\x1b]0;taken over" in error
