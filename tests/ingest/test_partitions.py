"""Partitioned sources: a day at a time gives what all days at once give, and only what is new is read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from support.days import WEEK, recipe_of, save, take_up, week, write_day

from dataengine import contracts
from dataengine.config import partitions
from dataengine.config.recipe import load
from dataengine.errors import RunError, UsageError
from dataengine.ingest.partitions import TakenUp, without_taken_up
from dataengine.ingest.retry import forget_failed
from dataengine.ingest.stage import Ingest
from dataengine.pipeline import committed, execute, open_run
from dataengine.progress import StageReport
from dataengine.stage import Job, Part
from dataengine.storage.store import Store
from dataengine.storage.workspace import Output
from dataengine.testing import InProcess
from dataengine.timings import Work, costs

TABLES = {
    ("ingest", "samples"): contracts.SAMPLES,
    ("ingest", "failures"): contracts.FAILURES,
    ("dedup", "groups"): contracts.GROUPS,
    ("filter", "decisions"): contracts.DECISIONS,
}


def tables(path: Path, **changes: Any) -> dict[tuple[str, str], pa.Table]:
    run = committed(load(path, **changes))
    return {key: run.table(*key, schema) for key, schema in TABLES.items()}


def shards(workspace: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(workspace.glob("releases/test/**/*.*")) if path.is_file()}


@pytest.mark.slow
def test_a_week_of_days_is_one_big_run(tmp_path: Path) -> None:
    path = recipe_of(week(tmp_path))
    made = [take_up(path, day)[1]["ingest"] for day in (*WEEK[:2], WEEK[3], WEEK[2], *WEEK[4:])]
    assert [(report.made, report.parts) for report in made] == [(2, 2 * n) for n in range(1, 8)]
    take_up(path, f"{WEEK[0]}..{WEEK[-1]}", workspace=str(tmp_path / "once"))
    assert tables(path) == (once := tables(path, workspace=str(tmp_path / "once")))
    assert len(once["ingest", "samples"]) == 54 and len(once["ingest", "failures"]) == 7
    assert len(shards(tmp_path / "ws")) > 8 and shards(tmp_path / "ws") == shards(tmp_path / "once")
    source = {"type": "folder", "name": "crawl", "path": str(tmp_path / "in"), "buckets": 1}
    whole = recipe_of(tmp_path, sources=[source], workspace=str(tmp_path / "whole"))
    take_up(whole)
    plain, where = tables(whole), ["media", "offset"]
    assert _sorted(plain["ingest", "samples"].drop_columns(where)) == _sorted(
        once["ingest", "samples"].drop_columns(where)
    )
    assert _sorted(plain["ingest", "failures"]) == _sorted(once["ingest", "failures"])
    assert [plain[k] for k in list(TABLES)[2:]] == [once[k] for k in list(TABLES)[2:]]


def _sorted(table: pa.Table) -> pa.Table:
    return table.sort_by("input_id").combine_chunks()


@pytest.mark.slow
def test_a_partition_given_twice_and_late_data(tmp_path: Path) -> None:
    path = recipe_of(week(tmp_path, WEEK[:2]))
    take_up(path, WEEK[0])
    _, first = take_up(path, WEEK[1])
    assert first["ingest"].note == f"took up {WEEK[1]}"
    before = shards(tmp_path / "ws")
    for days in [(WEEK[1],), (WEEK[0], WEEK[0], WEEK[1]), ()]:
        assert {report.state for report in take_up(path, *days)[1].values()} == {"up to date"}
    save(tmp_path / "in" / WEEK[0] / "late.jpg", 77)
    assert {report.state for report in take_up(path, WEEK[1])[1].values()} == {"up to date"}, "late files wait"
    assert shards(tmp_path / "ws") == before
    _, late = take_up(path, WEEK[0])
    assert (late["ingest"].made, late["ingest"].parts) == (1, 4), "one bucket of that day"
    assert late["ingest"].counts["samples"] == first["ingest"].counts["samples"] + 1
    assert {report.state for report in take_up(path)[1].values()} == {"up to date"}


@pytest.mark.slow
def test_days_that_were_taken_up_are_not_looked_at(tmp_path: Path) -> None:
    """Not even listed; a stage after ingest does not list the day that it is given, either."""
    path = recipe_of(week(tmp_path, WEEK[:2]))
    take_up(path, WEEK[0])
    shutil.move(tmp_path / "in" / WEEK[0], tmp_path / "archived")
    recipe, reports = take_up(path, WEEK[1])
    assert reports["release"].state == "done"
    assert without_taken_up(recipe).partitions == ()
    with pytest.raises(UsageError, match=rf"(?s)`crawl`, partition {WEEK[0]}: .*does not exist.*; this corpus has"):
        take_up(path, WEEK[0])
    changed = recipe_of(tmp_path, limits={"pixels": 90_000_000})
    with pytest.raises(UsageError, match="does not exist"):
        take_up(changed)
    shutil.move(tmp_path / "archived", tmp_path / "in" / WEEK[0])
    _, again = take_up(changed)
    assert again["ingest"].made == again["ingest"].parts == 4, "other limits read all days again"


class Killed(InProcess):
    """Ends after some parts."""

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def run(self, *args: Any) -> Iterator[tuple[Part, Output, Work]]:
        for one in super().run(*args):
            if not self.parts:
                raise KeyboardInterrupt
            self.parts -= 1
            yield one


@pytest.mark.slow
def test_a_day_that_was_killed_goes_on(tmp_path: Path) -> None:
    path = recipe_of(week(tmp_path, WEEK[:2]))
    take_up(path, WEEK[0])
    with pytest.raises(KeyboardInterrupt):
        execute(load(path, [WEEK[1]]), engine=Killed(0))
    assert TakenUp(load(path)).names() == [WEEK[0]], "not yet a part of the corpus"
    assert {report.state for report in take_up(path)[1].values()} == {"up to date"}
    _, reports = take_up(path, WEEK[1])
    assert reports["ingest"].made == 1
    take_up(path, *WEEK[:2], workspace=str(tmp_path / "once"))
    assert shards(tmp_path / "ws") == shards(tmp_path / "once")


def test_a_day_that_another_run_takes_up_meanwhile_is_not_lost(tmp_path: Path) -> None:
    path = recipe_of(week(tmp_path, WEEK[:3]))
    take_up(path, WEEK[0])

    class Slow(InProcess):
        def run(self, worker: Any, store: Any, jobs: Sequence[Job], *args: Any) -> Iterator[Any]:
            TakenUp(load(path)).add(WEEK[2], {"crawl": [["crawl-2026-11-03-0000", "0" * 32]]})
            yield from super().run(worker, store, jobs, *args)

    before = shards(tmp_path / "ws")
    with pytest.raises(RunError, match=rf"taken up partition {WEEK[2]} meanwhile"):
        execute(load(path, [WEEK[1]]), engine=Slow())
    assert shards(tmp_path / "ws") == before


def test_a_table_a_day(tmp_path: Path) -> None:
    for day in WEEK[:2]:
        place = write_day(tmp_path, day, 3)
        rows = "".join(f'{{"path": "{day}/{n}.jpg", "caption": "a row"}}\n' for n in range(3))
        place.with_suffix(".jsonl").write_text(rows)
    source = {"type": "table", "name": "rows", "path": str(tmp_path / "in" / "{partition}.jsonl"), "buckets": 1}
    path = recipe_of(tmp_path, sources=[source])
    take_up(path, WEEK[0])
    recipe, _ = take_up(path, WEEK[1])
    samples = committed(recipe).table("ingest", "samples", contracts.SAMPLES).to_pylist()
    assert [s["uri"] for s in samples][:2] == [f"{WEEK[0]}/{WEEK[0]}.jsonl#{WEEK[0]}/{n}.jpg" for n in range(2)]
    assert {s["source"] for s in samples} == {"rows"} and len(samples) == 6
    wrong = recipe_of(tmp_path, sources=[source | {"caption": "captoin"}])
    with pytest.raises(UsageError, match=rf"partition {WEEK[1]}: .*no column `captoin`"):
        take_up(wrong, WEEK[1])


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ([], "`crawl` has partitions, and the corpus has none yet"),
        (["2026-11-31"], r"`2026-11-31` is no day of the calendar"),
        (["None"], "`None` is no day"),
        (["2026-W48-6"], "`2026-W48-6` is no day"),
        (["2026-W48-6..2026-11-30"], "no range of days"),
        (["2027-01-01"], "partition 2027-01-01: folder .* does not exist"),
        (["a/b"], "names no partition"),
        (["2026-11-01T00:00:00"], "names no partition"),
        (["2026-11-07..2026-11-01"], "no range of days"),
        (["0001-01-01..9999-12-31"], "no range of days"),
    ],
)
def test_a_wrong_clock_or_name(tmp_path: Path, days: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        take_up(recipe_of(week(tmp_path, WEEK[:1])), *days)
    assert not (tmp_path / "ws").exists()


def test_a_recipe_without_partitions(tmp_path: Path) -> None:
    source = {"type": "folder", "name": "crawl", "path": str(tmp_path / "in")}
    with pytest.raises(UsageError, match=r"no source has partitions: write \{date\}"):
        take_up(recipe_of(week(tmp_path, WEEK[:1]), sources=[source]), WEEK[0])


def test_partitions_in_the_recipe(tmp_path: Path) -> None:
    path = recipe_of(tmp_path)
    content = yaml.safe_load(path.read_text()) | {"partitions": ["2026-11-02"]}
    path.write_text(yaml.safe_dump(content).replace("'2026-11-02'", "2026-11-02"))
    assert load(path, ["2026-11-01", "2026-11-02"]).partitions == ("2026-11-01", "2026-11-02")


def test_a_damaged_list_of_a_day(tmp_path: Path) -> None:
    path = recipe_of(week(tmp_path, WEEK[:1]))
    take_up(path, WEEK[0])
    (tmp_path / "ws" / "partitions" / "test" / f"{WEEK[0]}.json").write_text("[1]")
    with pytest.raises(RunError, match=r"2026-11-01.json is damaged: delete it, and name the partition again"):
        take_up(path)
    assert take_up(path, WEEK[0])[1]["ingest"].state == "up to date"


def _ingested(path: Path, *days: str) -> StageReport:
    [report] = execute(load(path, days), plan=[Ingest()], engine=InProcess())
    return report


def test_failures_of_a_day_that_has_gone_are_not_forgotten(tmp_path: Path) -> None:
    """Else no later run could go on: the day's samples would be gone, too."""
    source = {"type": "table", "name": "crawl", "path": str(tmp_path / "{date}.jsonl"), "media": "path", "buckets": 1}
    path = recipe_of(tmp_path, sources=[source])
    for day in WEEK[:2]:
        (tmp_path / f"{day}.jsonl").write_text('{"path": "missing.jpg"}')
        _ingested(path, day)
    (tmp_path / f"{WEEK[0]}.jsonl").rename(tmp_path / "archived")
    assert forget_failed(open_run(load(path))) == 1, "that of the second day"
    assert _ingested(path).made == 1


def test_a_recipe_that_has_partitions_no_more(tmp_path: Path) -> None:
    path = recipe_of(week(tmp_path, WEEK[:1]))
    _ingested(path, WEEK[0])
    source = {"type": "folder", "name": "crawl", "path": str(tmp_path / "in"), "buckets": 1}
    assert _ingested(recipe_of(tmp_path, sources=[source])).state == "done"


def test_ranges() -> None:
    assert partitions.values(["2026-02-27..2026-03-01", "2026-02-28"]) == ("2026-02-27", "2026-02-28", "2026-03-01")


def test_files_of_earlier_days_are_not_decoded_again(tmp_path: Path) -> None:
    path, decoded = recipe_of(week(tmp_path, WEEK[:3])), [0]
    for day in WEEK[:3]:
        recipe, _ = take_up(path, day)
        decoded.append(sum(cost.decoded for cost in costs(Store(recipe.workspace), "test").values()))
    of_day = [later - earlier for earlier, later in pairwise(decoded)]
    files = [sum(1 for file in (tmp_path / "in" / day).iterdir() if file.suffix == ".jpg") for day in WEEK[:3]]
    assert of_day == files == [7, 9, 9]
