"""Progress without a terminal: lines that a batch job's log shows."""

from __future__ import annotations

import pytest

from dataengine.cli import console
from dataengine.pipeline import StageReport


def test_a_log_tells_when_a_stage_begins_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with console.Progress() as progress:
        progress.start("score", 40, 30)
        progress.advance("score")
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
        progress.advance("tokenize.fit")
    said = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert said == ["tokenize.fit 0/2", "tokenize.fit 0/2 step 3 of 9", "tokenize.fit 1/2 step 3 of 9"]


def test_text_from_data_moves_no_cursor_and_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[red]a\x1b[2Jb\u202ec[/red].jpg"
    console.print_rows("title", [(text, "1")])
    console.print_table("title", ["a", "b"], [[text, "1"]])
    console.print_pairs([("input", text)])
    out = capsys.readouterr().out
    assert out.count(r"[red]a\x1b[2Jb\u202ec[/red].jpg") == 3 and "\x1b" not in out and "\u202e" not in out
