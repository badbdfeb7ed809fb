"""The error budget of each partition: a bad day stops the run, whatever the corpus has besides, and is accepted by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.days import WEEK

from dataengine.config.recipe import load
from dataengine.errors import StoppedError
from dataengine.ingest.error_budget import SMALLEST, batches
from dataengine.ingest.partitions import TakenUp
from dataengine.ingest.stage import Ingest
from dataengine.pipeline import execute
from dataengine.progress import StageReport
from dataengine.storage.workspace import Output, Record
from dataengine.testing import InProcess, picture, write_recipe


def recipe(folder: Path, days: dict[str, tuple[int, int]], **changes: Any) -> Path:
    """A table a day of so many pictures, all alike, and of so many files that do not exist."""
    first = folder / "0.jpg"
    if not first.exists():
        Image.fromarray(picture(0, 64, 48)).save(first)
    for day, (good, missing) in days.items():
        for number in range(good):
            if not (folder / f"{number}.jpg").exists():
                (folder / f"{number}.jpg").hardlink_to(first)
        names = [f"{n}.jpg" for n in range(good)] + [f"gone-{n}.jpg" for n in range(missing)]
        (folder / f"{day}.jsonl").write_text("\n".join(f'{{"path": "{name}"}}' for name in names))
    source = {"type": "table", "name": "rows", "path": str(folder / "{date}.jsonl"), "media": "path", "buckets": 2}
    return write_recipe(folder, sources=[source], **changes)


def ingested(path: Path, *days: str, **options: Any) -> StageReport:
    [report] = execute(load(path, days), plan=[Ingest()], engine=InProcess(), **options)
    return report


def test_a_bad_day_does_not_hide_behind_good_ones(tmp_path: Path) -> None:
    path = recipe(tmp_path, {WEEK[0]: (200, 0), WEEK[1]: (10, 50), WEEK[2]: (60, 0), WEEK[3]: (0, 55)})
    ingested(path, WEEK[0])
    with pytest.raises(StoppedError) as stopped:
        ingested(path, WEEK[1])
    text = str(stopped.value)
    assert f"source `rows`, partition {WEEK[1]}: 50 of 60 inputs failed; limits.failed allows 20%" in text
    assert "50 missing, for example" in text and f"{WEEK[1]}/{WEEK[1]}.jsonl#gone-0.jpg" in text
    assert WEEK[0] not in text and TakenUp(load(path)).names() == [WEEK[0]], "the day is not taken up"
    with pytest.raises(StoppedError):
        ingested(path, WEEK[1])
    assert ingested(path, WEEK[1], accept=True).note == f"took up {WEEK[1]}"
    assert ingested(path, WEEK[2]).state == "done", "the day that was accepted stays so beside a new one"
    with pytest.raises(StoppedError) as stopped:
        ingested(path, WEEK[3])
    assert "55 of 55" in str(stopped.value) and WEEK[1] not in str(stopped.value)


def test_a_day_of_the_past_that_fails_anew_is_not_passed_by_a_rerun(tmp_path: Path) -> None:
    """All days are read again with other limits, though no partition is named."""
    days = {WEEK[0]: (60, 0), WEEK[1]: (60, 0)}
    ingested(recipe(tmp_path, days), *WEEK[:2])
    strict = recipe(tmp_path, days, limits={"pixels": 1000})
    for _ in range(2):
        with pytest.raises(StoppedError, match=rf"(?s)partition {WEEK[0]}: 60 of 60.*partition {WEEK[1]}: 60 of 60"):
            ingested(strict)


def part(inputs: int, failed: int, opt_outs: int = 0) -> Output:
    return Output({}, {"inputs": inputs, "failed": failed}, {"opt_outs": {"robots": opt_outs}} if opt_outs else {})


def test_small_partitions_are_judged_together_and_opt_outs_are_no_failures() -> None:
    hours = {f"h{n:02d}": part(10, 8) for n in range(SMALLEST // 10)}
    day, plain = {"d0": part(40, 1), "d1": part(30, 30, 25)}, {"x": part(3, 3)}
    places = {name: ("web", name) for name in hours} | dict.fromkeys(day, ("web", "day")) | {"x": ("cats", "")}
    found = batches(Record("ingest", "", {**hours, **day, **plain}), places)
    assert [(b.name, b.inputs, b.failed) for b in found] == [
        ("source `cats`", 3, 3),
        ("source `web`, partition day", 70, 6),
        ("source `web`, partitions of fewer than 50 inputs", SMALLEST, 40),
    ]
    assert {name for b in found for name in b.record.parts} == places.keys()
    assert len({b.record.digest for b in found}) == 3
