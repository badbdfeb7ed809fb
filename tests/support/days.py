"""A corpus that comes a day at a time: a folder a day, with copies of earlier days' pictures, a broken file, and dull ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from dataengine.config.recipe import Recipe, load
from dataengine.pipeline import execute
from dataengine.progress import StageReport
from dataengine.testing import InProcess, picture, write_recipe

WEEK = tuple(f"2026-11-{day:02d}" for day in range(1, 8))
#: Samples that the policy drops are narrower.
NARROW = 300


def write_day(folder: Path, day: str, count: int = 5) -> Path:
    """``count`` new pictures of a day; besides, the first picture of the day before again, its second one larger, a narrow
    picture that the policy drops, and a file that is no picture."""
    number = WEEK.index(day)
    place = folder / "in" / day
    place.mkdir(parents=True)
    for n in range(count):
        save(place / f"{n}.jpg", 100 * number + n)
    save(place / "narrow.jpg", 100 * number + 90, NARROW - 60, 180)
    (place / "broken.jpg").write_bytes(b"no picture")
    if number:
        save(place / "again.jpg", 100 * (number - 1))
        save(place / "larger.jpg", 100 * (number - 1) + 1, 640, 480)
    return place


def save(path: Path, seed: int, width: int = 320, height: int = 240) -> None:
    Image.fromarray(picture(seed, width, height)).save(path, quality=90)
    path.with_suffix(".txt").write_text(f"picture {seed} of {path.parent.name}")


def recipe_of(folder: Path, **changes: Any) -> Path:
    """Over ``folder/in/DAY``, with its workspace in ``folder/ws``; pictures narrower than NARROW are dropped."""
    path = write_recipe(
        folder,
        **{
            "sources": [{"type": "folder", "name": "crawl", "path": str(folder / "in" / "{date}"), "buckets": 2}],
            "shard": {"target_bytes": "100 KB"},
            **changes,
        },
    )
    policy = folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("width >= 1", f"width >= {NARROW}"))
    return path


def take_up(path: Path, *days: str, **changes: Any) -> tuple[Recipe, dict[str, StageReport]]:
    """Run a recipe with the given partitions, without Ray."""
    recipe = load(path, days, **changes)
    return recipe, {report.name: report for report in execute(recipe, engine=InProcess())}


def week(folder: Path, days: Sequence[str] = WEEK) -> Path:
    for day in days:
        write_day(folder, day)
    return folder
