"""The benchmarks' harness, and that every benchmark starts."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HELP = """
import contextlib, importlib, io, sys
sys.path.insert(0, "benchmarks")
sys.modules["imagededup"] = None  # a peer: the extra "bench" alone has it
from benchmarks.__main__ import names
for name in names():
    sys.argv = [name, "--help"]
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        importlib.import_module(name).main()
    print(name, "usage:" in shown.getvalue())
"""


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("harness")


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_list_names_every_script_with_a_main() -> None:
    done = benchmarks()
    listed = {line.split()[0] for line in done.stdout.splitlines()[1:]}
    assert done.returncode == 0 and "ingest" in listed and not listed & {"harness", "processes", "debian"}
    assert benchmarks("no-such").returncode == 1


@pytest.mark.slow
def test_every_benchmark_starts() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) >= 15 and [name for name, started in lines if started != "True"] == []


def test_rounds_take_turns(harness: Any) -> None:
    calls: list[str] = []
    ways = {name: lambda name=name: calls.append(name) for name in "ab"}
    timings = harness.rounds(ways, 3)
    assert "".join(calls) == "ba" + "ab" + "ba" + "ab"
    assert [len(t.walls) for t in timings.values()] == [3, 3]


def test_the_median_and_the_spread(harness: Any) -> None:
    timing = harness.Timing([1.0, 4.0, 2.0], [0.5, 0.1, 0.2])
    assert (timing.wall, timing.cpu, timing.spread) == (2.0, 0.2, 1.5)


def test_a_command_is_measured_with_the_processes_it_starts(
    harness: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inner process does its work, and lives until it was looked at afterwards, however busy the machine is."""
    worked, seen = tmp_path / "worked", tmp_path / "seen"
    family, looks = harness.family, count()

    def looked(leader: int) -> Any:
        if worked.exists() and next(looks):
            seen.touch()
        return family(leader)

    monkeypatch.setattr(harness, "family", looked)
    work = (
        "import time, pathlib; x = bytearray(60 << 20); end = time.process_time() + 0.4\n"
        "while time.process_time() < end: pass\n"
        f"pathlib.Path({str(worked)!r}).touch()\n"
        f"while not pathlib.Path({str(seen)!r}).exists(): time.sleep(0.05)"
    )
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}]); print('done')"
    measured = harness.command([sys.executable, "-c", outer], timeout=600)
    assert (measured.code, measured.output) == (0, "done\n")
    assert measured.cpu > 0.3 and measured.peak > 0.06


def test_a_command_that_lasts_too_long_is_killed(harness: Any) -> None:
    begun = time.monotonic()
    assert harness.command([sys.executable, "-c", "import time; time.sleep(600)"], timeout=0.5).code == -9
    assert time.monotonic() - begun < 300


def test_a_report_is_written_as_json_and_markdown(harness: Any, tmp_path: Path) -> None:
    report = harness.Report("some", argparse.Namespace(rounds=3, out=tmp_path, large=False))
    report.table("Rates", ["way", "per second"], [["ours", 12345.6], ["theirs", 0.12345]], "A note.")
    report.write()
    whole = json.loads((tmp_path / "some.json").read_text())
    assert whole["tables"][0]["rows"] == [["ours", 12345.6], ["theirs", 0.12345]] and whole["facts"]["cores"] >= 1
    text = (tmp_path / "some.md").read_text()
    assert "| way | per second |\n| --- | ---: |\n| ours | 12,346 |\n| theirs | 0.123 |\n\nA note." in text
    assert "`python -m benchmarks some --rounds 3`" in text


def test_the_cost_model_adds_up(harness: Any) -> None:
    model = importlib.import_module("cost_model")
    cluster = model.Cluster(cores=100, accelerators=2, core_hour=0.5, accelerator_hour=3.0, busy=0.5)
    lines = {line.name: line for line in model.cost(3.6e6, cluster, {"ingest": 1000.0, "CLIP ViT-L-14": 100.0})}
    assert (lines["ingest"].hours, lines["ingest"].money) == (1.0, 1.0)
    assert lines["ingest"].days == pytest.approx(1 / 100 / 0.5 / 24)
    assert lines["CLIP ViT-L-14"].hours == 10.0 and lines["CLIP ViT-L-14"].money == 60.0
    assert set(lines) == {step.name for step in model.STEPS}
    with pytest.raises(ValueError, match="no step is called speed"):
        model.cost(1, cluster, {"speed": 1.0})


def test_the_list_of_make_bench_fits_into_half_an_hour(harness: Any) -> None:
    entries = importlib.import_module("bench").LIST
    assert sum(entry.limit for entry in entries) <= 1800
    known = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert {entry.name for entry in entries} <= known
    assert {entry.name for entry in entries if entry.tells} >= {"align", "scaling", "cost_model"}


@pytest.mark.slow
def test_the_gpu_check_goes_through_the_stages_workers() -> None:
    options = ("--device", "cpu", "--small", "--pictures", "8", "--seconds", "0.1", "--children", "1")
    done = benchmarks("gpu_check", *options)
    assert done.returncode == 0, done.stderr
    assert [line.split("|")[2].strip() for line in done.stdout.splitlines() if "worker of" in line] == [
        f"worker of {stage}, 1" for stage in ("embed", "tokenize.encode", "score")
    ]
    assert "| killed and resumed: the same bytes |" in done.stdout, "of the training"


def test_the_gpu_check_trains_what_the_report_trains(harness: Any) -> None:
    """At the report's sizes only its settings can be tried here."""
    training = importlib.import_module("gpu_training")
    config = training.configured(training.REPORT, 4, precision="bfloat16", checkpointing=True)
    assert [name for name, _ in config.training.curriculum.phases()] == ["align", "pretrain", "anneal"]
