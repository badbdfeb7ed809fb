"""A recipe made in Python: the same words about the same mistakes as of a file, and no pydantic."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import dataengine
from dataengine.testing import write_recipe

MISTAKES: dict[str, dict[str, Any]] = {
    "unknown": {"filtre": {"policy": "p"}},
    "missing": {"release": {"title": "t"}},
    "kind": {"workers": "many"},
    "union": {"sources": [{"type": "folder", "name": "a", "path": "x", "bucket": 3}]},
    "tag": {"sources": [{"type": "fodler", "name": "a", "path": "x"}]},
    "no tag": {"sources": [{"name": "a", "path": "x"}]},
    "empty": {"sources": []},
    "twice": {"sources": [{"type": "folder", "name": "a", "path": path} for path in "xy"]},
    "bound": {"dedup": {"radius": 99, "keep": ["beauty"]}},
}


def fields(folder: Path, **changes: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(write_recipe(folder).read_text())
    return loaded | changes


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_as_of_a_file(name: str, tmp_path: Path) -> None:
    wrong = fields(tmp_path, **MISTAKES[name])
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(wrong))
    with pytest.raises(dataengine.UsageError) as of_file:
        dataengine.load(path)
    with pytest.raises(dataengine.UsageError) as of_fields:
        dataengine.load(wrong)
    lines = [re.sub(r"^.*?wrong\.yaml:\d+: ", "recipe: ", line) for line in str(of_file.value).splitlines()]
    assert str(of_fields.value).splitlines() == lines
    assert "pydantic" not in str(of_fields.value) and "Input should" not in str(of_fields.value)


def test_paths_may_be_objects_and_tuples_lists(tmp_path: Path) -> None:
    made = fields(tmp_path, workspace=tmp_path / "ws")
    made["sources"] = tuple(source | {"path": Path(source["path"])} for source in made["sources"])
    recipe = dataengine.load(made)
    assert (recipe.workspace, recipe.sources[0].path) == (str(tmp_path / "ws"), str(tmp_path / "in"))
    assert recipe.lock is None and dataengine.load(recipe, workers=7).workers == 7


def test_the_run_of_a_wrong_recipe_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(dataengine.UsageError, match=r"recipe: `workers`: .*\(got: 'many'\)"):
        dataengine.run(fields(tmp_path, workers="many"))
    with pytest.raises(dataengine.UsageError, match="no such file"):
        dataengine.run(tmp_path / "none.yaml")
    with pytest.raises(dataengine.UsageError, match="no such folder"):
        dataengine.open(tmp_path / "ws")
    assert not (tmp_path / "ws").exists()
