"""Progress without a terminal: lines that a batch job's log shows."""

from __future__ import annotations

import io
import time

import pytest
import typer
from rich.console import Console

from dataengine.cli import console, run_bar
from dataengine.cli.common import exits
from dataengine.cli.run_bar import RunBar, duration
from dataengine.errors import RunError
from dataengine.progress import PartReport, RunReport, StageReport
from dataengine.timings import Work


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no time went by, however slow the machine."""
    monkeypatch.setattr(console, "_LOG_SECONDS", float("inf"))
    monkeypatch.setattr(run_bar, "_SECONDS", float("inf"))


@pytest.mark.usefixtures("at_once")
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


@pytest.mark.usefixtures("at_once")
def test_a_log_tells_how_far_the_run_is(capsys: pytest.CaptureFixture[str]) -> None:
    with console.Progress() as progress:
        progress.begin(RunReport("r", "cats", "ws", ("ingest", "dedup", "score"), frozenset({"ingest", "score"})))
        progress.loaded("ingest", 100.0)
        progress.start("ingest", 2, 2)
        progress.advance(PartReport("ingest", "a", {}, 0, Work(), 25.0))
        progress.advance(PartReport("ingest", "b", {}, 0, Work(), 75.0))
        progress.end(StageReport("ingest", "done", 2, 2, 1.0))
        progress.end(StageReport("dedup", "up to date", 1))
        progress.loaded("score", 100.0)
        progress.start("score", 1, 1)
        progress.end(StageReport("score", "done", 1, 1, 1.0))
        progress.finish(None)
    lines = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "ingest 0/2 · run 0 %, — left",
        "ingest 2/2 in 1.0 s · run 40 %, — left",
        "score 0/1 · run 50 %, — left",
        "score 1/1 in 1.0 s · run 100 %",
    ]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def bar(clock: Clock, *stages: str, media: str = "") -> RunBar:
    return RunBar(RunReport("r", "cats", "ws", stages, frozenset(media.split())), clock)


def test_the_time_left_is_that_of_this_runs_rate_or_unknown() -> None:
    clock = Clock()
    run = bar(clock, "ingest", "dedup", "score", "tokenize", media="ingest score tokenize")
    clock.now = 100.0
    run.loaded("ingest", 10e6)
    run.start("ingest", 4)
    clock.now += 30
    assert run.left is None, "nothing is done"
    run.advance(PartReport("ingest", "a", {}, 0, Work(), 5e6))
    assert run.share == pytest.approx(0.8 * 5 / 30)
    assert run.left == pytest.approx(30 * (1 - run.share) / run.share), "as much again for each of the two that follow"
    run.advance(PartReport("ingest", "b", {}, 0, Work(), 5e6))
    run.end(StageReport("ingest", "done"))
    run.start("dedup", 1)
    run.end(StageReport("dedup", "done"))
    clock.now += 30
    run.loaded("score", 2e6)
    run.start("score", 1)
    assert run.share == pytest.approx(0.8 * 10 / 14 + 0.2), "the last two read but a fifth"
    run.end(StageReport("score", "done"))
    run.end(StageReport("tokenize", "up to date"))
    assert (run.share, run.left) == (1.0, 0.0)


def test_a_stage_without_a_load_is_measured_by_its_parts_and_the_bar_never_falls() -> None:
    clock = Clock()
    run = bar(clock, "ingest", "score", "release", media="ingest score")
    run.loaded("ingest", 0.0)  # a table of URLs
    run.start("ingest", 4)
    run.advance(PartReport("ingest", "a", {}, 0, Work(), 0.0))
    clock.now = 60
    assert run.share == pytest.approx(1 / 4 / 3) and run.left is None, "nobody knows what score will read"
    run.end(StageReport("ingest", "done"))
    before = run.share
    run.loaded("score", 1e9)
    run.start("score", 10)
    assert run.share >= before
    run.advance(PartReport("score", "a", {}, 0, Work(), 5e8))
    assert run.share == pytest.approx(0.8 * 0.5 + 0.2 * 0.5) and run.left == pytest.approx(60.0)
    assert run.words() == "50 %, about 1 min left"


def test_what_was_up_to_date_is_no_part_of_the_bar() -> None:
    run = bar(Clock(), "a", "b", "c", "d")
    run.end(StageReport("a", "up to date"))
    run.start("c", 2)  # b was not needed
    run.advance(PartReport("c", "x", {}, 0, Work()))
    assert run.share == pytest.approx(0.25)
    run.start("lease", 1)
    assert run.share == pytest.approx(0.25)


def test_a_resumed_run_does_not_take_the_rest_of_a_stage_for_the_next() -> None:
    """One of a thousand parts is left of ingest, and all of score."""
    clock = Clock()
    run = bar(clock, "spool", "ingest", "dedup", "score", media="ingest score")
    run.start("spool", 0, 7)
    run.loaded("ingest", 1e6)
    run.start("ingest", 1, 999)
    assert run.share == 0.0, "what the killed run has made is no part of it"
    run.advance(PartReport("ingest", "z", {}, 0, Work(), 1e6))
    run.end(StageReport("ingest", "done"))
    clock.now = 60
    assert run.left is None
    run.start("dedup", 1)
    run.end(StageReport("dedup", "done"))
    run.loaded("score", 1e9)
    run.start("score", 1000)
    run.advance(PartReport("score", "a", {}, 0, Work(), 5e8))
    assert run.left == pytest.approx(60 * (1 - run.share) / run.share)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "5 s"), (42, "40 s"), (58, "1 min"), (200, "3 min"), (3600, "1 h 0 min"), (9000, "2 h 30 min")],
)
def test_times_are_said_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_terminal_is_drawn_four_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often something is reported: only the timer draws, and the beginning and the end."""
    drawn = io.StringIO()
    monkeypatch.setattr(console, "Console", lambda **_: Console(file=drawn, force_terminal=True, width=100))
    stages = tuple(f"s{n}" for n in range(40))
    begun = time.monotonic()
    with console.Progress() as progress:
        progress.begin(RunReport("r", "cats", "ws", stages))
        for stage in stages:
            progress.start(stage, 50, 50)
            for n in range(50):
                progress.advance(PartReport(stage, str(n), {}, 0, Work()))
            progress.end(StageReport(stage, "done", 50, 50, 0.1))
        progress.finish(None)
    seconds, draws = time.monotonic() - begun, drawn.getvalue().split(f"{'run':16}")[1:]
    assert 1 <= len(draws) <= 3 + console.REDRAWS * seconds
    assert "100 %" in draws[-1] and "s39" in draws[-1] and "s30" not in draws[-1], "the last few stages are shown"


@pytest.mark.parametrize(
    ("gaps", "notice"),
    [
        (["release.url"], "The card has a gap: release.url"),
        (["release.url", "release.date"], "The card has two gaps: release.url and release.date"),
        (["a", "b", "c"], "The card has 3 gaps, a first: README.md marks each, `release:` in the recipe fills them"),
    ],
)
def test_gaps_of_the_card_take_one_line(gaps: list[str], notice: str) -> None:
    assert console.gaps_notice(gaps) == notice


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
