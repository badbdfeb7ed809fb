"""The order of the rooms holds: nothing imports a later wing, nothing goes round in a circle, engines stay in their room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.architecture import Package, back_arrows, circle, foreign_importers, importers, merged, read

import dataengine

ROOT = Path(dataengine.__file__).parent
REPOSITORY = Path(__file__).parents[1]
LONGEST = 300
LOOSE = 9

BELOW = "errors contracts text storage plugins config media models web samples stage stage_groups table_engine timings"
WINGS = "ingest embed dedup score annotate contamination index policy tokenize shards cot sequence release"
ABOVE = "engines catalog progress monitoring pipeline export verify takedown readers browse demo runs cli api testing __init__"
#: From the lowest; rooms of one floor may import each other, as long as there is no circle.
FLOORS = [BELOW.split(), *([room] for room in f"{WINGS} {ABOVE}".split())]

PACKAGE = read(ROOT)


def test_the_package_was_read() -> None:
    assert len(PACKAGE.arrows) > 200 and sum(map(len, PACKAGE.arrows.values())) > 500
    assert "dataengine.media.inspect" in PACKAGE.arrows["dataengine.contamination.read"], "named by a string"


def test_no_wing_imports_a_later_one() -> None:
    assert back_arrows(PACKAGE, FLOORS) == []


def test_no_circle_of_modules() -> None:
    assert circle(PACKAGE.arrows) == []


def test_no_circle_of_rooms() -> None:
    assert circle(merged(PACKAGE.arrows, PACKAGE.room)) == []


def test_no_circle_of_folders() -> None:
    assert circle(merged(PACKAGE.arrows, PACKAGE.folder)) == []


def test_only_the_pipeline_imports_the_engines() -> None:
    assert importers(PACKAGE, "engines", ["pipeline"]) == []


def test_only_the_engines_import_ray_and_spark() -> None:
    assert foreign_importers(PACKAGE, {"ray", "pyspark", "py4j"}, ["engines"]) == []


def test_few_modules_lie_loose_at_the_root() -> None:
    loose = {path.stem for path in ROOT.glob("*.py")} - {"__init__"}
    assert 0 < len(loose) <= LOOSE, sorted(loose)


@pytest.mark.parametrize("folder", ["dataengine", "tests"])
def test_no_file_is_long(folder: str) -> None:
    lines = {path: len(path.read_text().splitlines()) for path in (REPOSITORY / folder).rglob("*.py")}
    assert len(lines) > 100
    assert {str(path): count for path, count in lines.items() if count > LONGEST} == {}


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[Mapping[str, str]], Package]:
    """Writes a package ``house`` of the given modules and reads it."""

    def write(modules: Mapping[str, str]) -> Package:
        for name, text in modules.items():
            path = tmp_path / "house" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return read(tmp_path / "house")

    return write


def test_a_circle_is_seen_between_modules_folders_and_rooms(tree: Callable[[Mapping[str, str]], Package]) -> None:
    house = tree(
        {
            "kitchen/stove": "from house.kitchen import sink",
            "kitchen/sink": "def drain():\n    import house.cellar.pipes",
            "cellar/pipes": "import os",
            "cellar/stairs": 'UP = "house.kitchen.stove:heat"',
        }
    )
    assert house.arrows["house.cellar.stairs"] == {"house.kitchen.stove"}
    assert circle(house.arrows) == []
    rooms = circle(merged(house.arrows, house.room))
    assert rooms[0] == rooms[-1] and set(rooms) == {"kitchen", "cellar"}
    assert set(circle(merged(house.arrows, house.folder))) == {"house.kitchen", "house.cellar"}
    again = tree(
        {"cellar/pipes": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.kitchen.stove"}
    )
    assert set(circle(again.arrows)) == {"house.kitchen.stove", "house.kitchen.sink", "house.cellar.pipes"}


def test_a_back_arrow_is_seen(tree: Callable[[Mapping[str, str]], Package]) -> None:
    house = tree({"cellar/pipes": "", "kitchen/sink": "from house.cellar.pipes import drain", "attic/box": ""})
    assert back_arrows(house, [["cellar"], ["kitchen"], ["attic"]]) == []
    assert back_arrows(house, [["kitchen"], ["cellar"], ["attic"]]) == ["house.kitchen.sink imports house.cellar.pipes"]
    assert back_arrows(house, [["cellar"], ["kitchen"]]) == ["room attic has no floor"]


def test_a_guest_in_the_wrong_room_is_seen(tree: Callable[[Mapping[str, str]], Package]) -> None:
    house = tree({"engines/motor": "import ray", "garage": "import house.engines.motor", "bed": "from ray import data"})
    assert foreign_importers(house, {"ray"}, ["engines"]) == ["house.bed"]
    assert importers(house, "engines", []) == ["house.garage imports house.engines.motor"]
    assert importers(house, "engines", ["garage"]) == []


def test_a_string_that_names_no_module_is_refused(tree: Callable[[Mapping[str, str]], Package]) -> None:
    with pytest.raises(ValueError, match="house\\.bed names house\\.nowhere:sleep"):
        tree({"bed": 'WORK = "house.nowhere:sleep"'})
    with pytest.raises(ValueError, match="relative import"):
        tree({"bed": "from . import pillow"})
