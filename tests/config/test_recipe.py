from __future__ import annotations

from pathlib import Path

import pytest

from dataengine.config import recipe
from dataengine.errors import UsageError
from dataengine.storage.store import Store

GOOD = """\
name: r1
workspace: w
seed: 3
sources:
  - {type: folder, name: photos, path: photos}
limits:
  bytes: 16 MB
filter:
  policy: p.yaml
shard:
  target_bytes: 1 MiB
  splits: {train: 0.75, validation: 0.25}
release:
  title: t
  license: cc0-1.0
  description: d
"""


def load(tmp_path: Path, text: str) -> recipe.Recipe:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    return recipe.load(path)


def test_a_good_recipe(tmp_path: Path) -> None:
    got = load(tmp_path, GOOD)
    assert (got.limits.bytes, got.shard.target_bytes, got.engine) == (16_000_000, 1 << 20, "duckdb")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed: 3", "sead: 3", r"r\.yaml:3: unknown field `sead`; did you mean `seed`\?"),
        ("seed: 3", "seed: many", r"r\.yaml:3: `seed`: must be a whole number .got: 'many'"),
        ("path: photos}", "paht: photos}", r"r\.yaml:5: unknown field `sources\[0\]\.paht`; did you mean `path`\?"),
        ("bytes: 16 MB", "bytes: 16 bananas", r"r\.yaml:7: `limits.bytes`: a size is a number with an optional unit"),
        (
            "type: folder",
            "type: foldr",
            r"r\.yaml:5: `sources\[0\]\.type`: there is no type `foldr`; did you mean `folder`",
        ),
        ("validation: 0.25", "validation: 0.5", r"r\.yaml:10: .*add up to 1.25"),
        ("workspace: w\n", "", r"`workspace` is missing"),
        ("seed: 3", "seed: 3\nseed: 4", r"r\.yaml:4: duplicate key `seed`, first set in line 3"),
        ("  license: cc0-1.0\n", "", r"r\.yaml:13: `release.license` is missing"),
        ("seed: 3", "seed: [3", r"r\.yaml:\d+: not valid YAML"),
    ],
)
def test_each_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(tmp_path, GOOD.replace(old, new))


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, GOOD.replace("seed: 3", "sead: 3").replace("16 MB", "-1").replace("title: t", "titel: t"))
    assert len(str(caught.value).splitlines()) == 4  # titel is unknown and title missing


def test_two_sources_of_one_name(tmp_path: Path) -> None:
    twice = "  - {type: folder, name: photos, path: a}\n  - {type: folder, name: photos, path: b}\n"
    with pytest.raises(UsageError, match="two sources have the name `photos`"):
        load(tmp_path, GOOD.replace("  - {type: folder, name: photos, path: photos}\n", twice))


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        recipe.load(tmp_path / "none.yaml")


def test_a_recipe_on_s3(s3: str) -> None:
    Store(f"{s3}/recipes").put("r.yaml", GOOD.encode())
    assert recipe.load(f"{s3}/recipes/r.yaml").name == "r1"
    with pytest.raises(UsageError, match=r"recipes/none\.yaml: no such file"):
        recipe.load(f"{s3}/recipes/none.yaml")


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "jobs/recipes").glob("*.yaml")), ids=lambda path: path.stem
)
def test_recipes_of_the_repository_load(path: Path) -> None:
    assert recipe.load(path).name
