"""Mistakes in a recipe are told in the words of its writer, with file and line; the JSON Schema of recipes says the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from typer.testing import CliRunner

from dataengine.cli.main import app
from dataengine.config import recipe as recipes
from dataengine.config.plain_errors import PATTERNS
from dataengine.config.recipe import Recipe
from dataengine.config.recipe_schema import recipe_schema
from dataengine.config.sources import Model
from dataengine.errors import RunError, UsageError
from dataengine.score.factory import build
from dataengine.storage.store import Store
from dataengine.tokenize.factory import configure

ROOT = Path(__file__).parents[2]
#: Words of the libraries and types behind a recipe.
INSIDES = re.compile(
    r"Input |discriminator|tag |keyword|String should|pattern|instance of|pydantic|Config\b|Errno|\(type="
)
SCHEMA = Draft202012Validator(recipe_schema())


def content(**changes: Any) -> dict[str, Any]:
    return {
        "name": "cats",
        "workspace": "workspace",
        "sources": [{"type": "folder", "name": "photos", "path": "photos"}],
        "filter": {"policy": str(ROOT / "filters/web-v1.yaml")},
        "release": {"title": "Cats", "license": "cc0-1.0", "description": "Cats."},
        **changes,
    }


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "cats.yaml"
    path.write_text(yaml.safe_dump(content(**changes), sort_keys=False))
    return path


def source(**changes: Any) -> dict[str, Any]:
    return {"sources": [{"type": "folder", "name": "photos", "path": "photos", **changes}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            source(type="foldr"),
            r"cats\.yaml:4: `sources\[0\]\.type`: there is no type `foldr`; did you mean `folder`\?",
        ),
        (
            {"sources": [{"name": "p", "path": "x"}]},
            r":4: `sources\[0\]\.type` is missing: use folder or plugin or table or urls or",
        ),
        ({"sources": {"type": "folder"}}, r"`sources`: must be a list, as in `\[a, b\]`"),
        ({"sources": []}, "`sources`: needs at least 1 entry"),
        (source(buckets=0), r"`sources\[0\]\.buckets`: use auto, or must be at least 1 \(got: 0\)"),
        (source(columns={"Bad": "double"}), "`sources.*Bad` as a name: `Bad`: use up to 63 of a-z, 0-9 and `_`"),
        (source(columns={"a": "text"}), "`.*columns.a`: use double, integer, string or boolean"),
        ({"seed": "x"}, r"`seed`: must be a whole number \(got: 'x'\)"),
        ({"workers": "many"}, r"`workers`: use auto, or must be a whole number \(got: 'many'\)"),
        ({"engine": "duck"}, r"`engine`: use duckdb or spark \(got: 'duck'\)"),
        ({"dedup": {"radius": 99, "semantic": True}}, "`dedup.radius`: must be at most 8"),
        ({"dedup": {"semantic": True}}, "`dedup.semantic`: must be a block of fields"),
        ({"limits": {"failed": 2}}, "`limits.failed`: must be at most 1"),
        ({"limits": {"bytes": "3 XB"}}, "a size is a number with an optional unit"),
        ({"score": {"device": "gpu"}}, "`score.device`: use auto, cpu, cuda, or cuda:0"),
        ({"shard": {"splits": {"Train": 1.0}}}, "use up to 31 of a-z, 0-9 and `_`"),
        (
            {"release": {"title": 3, "license": "x", "description": "y"}},
            "`release.title`: must be a text: put it in quotes",
        ),
        (
            {"cot": {"teachers": [{"type": "programatic"}]}},
            "there is no type `programatic`; did you mean `programmatic`",
        ),
        ({"index": {"of": "all"}}, "`index.of`: use image, caption, both or items"),
        ({"polcy": 1}, "unknown field `polcy`"),
    ],
)
def test_mistakes_are_told_without_our_insides(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(UsageError, match=message) as error:
        recipes.load(path)
    assert not INSIDES.search(str(error.value)), error.value
    assert all(re.match(rf"{re.escape(str(path))}:\d+: ", line) for line in str(error.value).splitlines())
    if "splits" not in str(changes) and "Bad" not in str(
        changes
    ):  # a schema can ask for no name of a key but by its pattern
        assert not SCHEMA.is_valid(content(**changes)) or "XB" in str(changes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build([{"name": "technical", "foo": 1}]), "technical: unknown option `foo`; it has no options"),
        (lambda: build([{"name": "clip"}]), "clip: the option `.*` is missing"),
        (lambda: build([{"name": "clip", "mdel": "x"}]), "unknown option `mdel`; did you mean `model`"),
        (lambda: build([{"nam": "technical"}]), "a scorer needs a `name`; known: aesthetic"),
        (lambda: build([{"name": "technicl"}]), "there is no scorer 'technicl'; did you mean `technical`"),
        (lambda: configure({"name": "kelix", "presett": 3}), "kelix: unknown field `presett`; did you mean `preset`"),
        (lambda: configure({}), "a tokenizer needs a `name`; known: checkpoint"),
    ],
)
def test_mistakes_of_scorers_and_tokenizers(call: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        call()
    assert not INSIDES.search(str(error.value)), error.value


def test_every_pattern_of_a_recipe_has_its_words() -> None:
    def patterns(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["pattern"]} if isinstance(value.get("pattern"), str) else set()
            return own.union(*map(patterns, value.values()))
        return set().union(*map(patterns, value)) if isinstance(value, list) else set()

    used = patterns(Recipe.model_json_schema())
    assert used and used <= PATTERNS.keys()


@pytest.mark.parametrize("path", sorted((ROOT / "jobs/recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_takes_the_recipes(path: Path) -> None:
    SCHEMA.validate(yaml.safe_load(path.read_text()))


def test_the_schema_describes_fields() -> None:
    schema: Any = SCHEMA.schema
    assert (
        "Connections" in json.dumps(schema)
        or "Concurrent requests" in schema["$defs"]["HttpConfig"]["properties"]["concurrency"]["description"]
    )
    described = [
        d for d in schema["$defs"].values() if any("description" in p for p in d.get("properties", {}).values())
    ]
    assert len(described) > 15
    assert json.loads(CliRunner().invoke(app, ["validate", "--schema"]).stdout) == schema


def test_every_block_of_a_recipe_is_in_the_schema() -> None:
    def models(base: type[BaseModel]) -> set[str]:
        return {m.__name__ for m in base.__subclasses__()}.union(*(models(m) for m in base.__subclasses__()))

    assert len(models(Model) & dict(SCHEMA.schema)["$defs"].keys()) > 40


def test_paths_patterns_and_policies_are_told_by_line(tmp_path: Path) -> None:
    sources = [
        {"type": "folder", "name": "photos", "path": str(tmp_path / "none")},
        {"type": "table", "name": "rows", "path": str(tmp_path / "*.csv")},
    ]
    path = written(
        tmp_path, sources=sources, filter={"policy": "nowhere.yaml"}, score={"scorers": [{"name": "technical"}]}
    )
    result = CliRunner().invoke(app, ["validate", str(path), "--workspace", str(tmp_path / "ws")])
    assert result.exit_code == 2
    assert re.search(r"cats\.yaml:6: source `photos`: folder .*none does not exist", result.stderr)
    assert re.search(r"cats\.yaml:9: source `rows`: no file matches .*\*\.csv", result.stderr)
    assert re.search(r"cats\.yaml:11: filter\.policy: nowhere\.yaml: no such file", result.stderr), result.stderr
    assert not (tmp_path / "ws").exists()


def test_a_workspace_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    (tmp_path / "file").write_text("")
    changes = source(path=str(tmp_path / "photos")) | {
        "score": {"scorers": [{"name": "technical"}]},
        "cot": None,
        "tokenize": None,
    }
    (tmp_path / "policy.yaml").write_text("{name: all, version: 1, rules: []}")
    changes |= {"filter": {"policy": str(tmp_path / "policy.yaml")}}
    path = written(tmp_path, workspace=str(tmp_path / "file" / "ws"), **changes)
    result = CliRunner().invoke(app, ["validate", str(path)])
    assert result.exit_code == 2 and re.search(r"cats\.yaml:2: workspace: .*file is no folder", result.stderr), (
        result.stderr
    )
    with pytest.raises(RunError, match=r"file/ws: the folder cannot be made \(Not a directory\): name another place"):
        Store(tmp_path / "file" / "ws").put("a", b"b")
    good = CliRunner().invoke(app, ["validate", str(path), "--workspace", str(tmp_path / "ws")])
    assert good.exit_code == 0 and "is right; nothing has run" in good.stdout and not (tmp_path / "ws").exists()
