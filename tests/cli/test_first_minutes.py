"""The first minutes: packaged policies and recipes, ``~``, dry runs, and what a recipe without CoT or tokenizer says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.command import dataengine

from dataengine.config import packaged
from dataengine.config import recipe as recipes
from dataengine.config.home import expanded
from dataengine.errors import UsageError
from dataengine.pipeline import committed, stages, until
from dataengine.policy.annotated import known_columns
from dataengine.policy.load import load
from dataengine.testing import write_corpus, write_recipe

ROOT = Path(__file__).parents[2]


def refused(*arguments: str) -> str:
    done = dataengine(*arguments, ok=False)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


def test_the_packaged_files_are_those_of_the_repository() -> None:
    assert packaged.policies().keys() == {path.stem for path in (ROOT / "filters").glob("*.yaml")}
    assert packaged.recipes().keys() == {"demo", "pictures", "videos"}
    for name, file in {**packaged.policies(), **packaged.recipes()}.items():
        [original] = [
            path for path in (ROOT / "filters" / file.name, ROOT / "jobs/recipes" / file.name) if path.exists()
        ]
        assert file.read_bytes() == original.read_bytes(), name
    listed = dataengine("packaged").stdout
    assert all(re.search(rf"^{re.escape(name)} ", listed, re.M) for name in packaged.policies())
    assert dataengine("packaged", "web-v1").stdout == (ROOT / "filters/web-v1.yaml").read_text()
    assert "nothing packaged is called `web-v2`; did you mean `web-v1`?" in refused("packaged", "web-v2")


def test_links_that_an_archive_holds_as_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python's zipfile, and so pip, unpacks a repository's zip: in a checkout they lead to the files, elsewhere nowhere."""
    for link, target in (
        ("a/b/mine-v1.yaml", "../../filters/mine-v1.yaml"),
        ("a/b/gone-v1.yaml", "../../gone-v1.yaml"),
    ):
        (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / link).write_text(target)
    (tmp_path / "filters").mkdir()
    (tmp_path / "filters/mine-v1.yaml").write_text("name: mine")
    files = {path.stem: packaged.linked(path) for path in (tmp_path / "a/b").iterdir()}
    monkeypatch.setattr(packaged, "policies", lambda: files)
    own = packaged.file_of("mine-v1")
    assert own is not None and own.read_text() == "name: mine" and packaged.linked(own) == own
    with pytest.raises(UsageError, match="gone-v1: this installation has none of its policies"):
        packaged.file_of("gone-v1")


def test_a_folder_is_no_packaged_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dataengine gc pictures` is about a workspace of that name where there is one."""
    monkeypatch.chdir(tmp_path)
    assert packaged.is_recipe("pictures") and packaged.is_recipe("a.yaml") and not packaged.is_recipe("photos")
    (tmp_path / "pictures").mkdir()
    assert not packaged.is_recipe("pictures")


@pytest.mark.parametrize("name", ["demo", "pictures", "videos"])
def test_a_packaged_recipe_runs_as_it_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its stages are valid over the folders that it names, and its lock lies in the workspace."""
    monkeypatch.chdir(tmp_path)
    recipe = recipes.load(name)
    for source in recipe.sources:
        folder = Path(source.path if source.type == "folder" else source.path.rpartition("/")[0])
        folder.mkdir(parents=True, exist_ok=True)
        (
            folder / Path(source.path).name.replace("*", "0") if source.type != "folder" else folder / "a.jpg"
        ).write_bytes(b"x")
    assert (
        recipe.filter.policy in packaged.policies()
        and recipe.lock_place == f"workspace/{name if name != 'demo' else 'demo/demo'}.lock"
    )
    assert stages(recipe) and (recipe.tokenize is None) == (recipe.cot is None) == (name != "demo")
    assert yaml.safe_load(dataengine("packaged", name).stdout)["name"] == name


def test_a_policy_by_name(tmp_path: Path) -> None:
    write_corpus(tmp_path / "in", images=1)
    scorers = {"score": {"scorers": [{"name": "technical"}, {"name": "nsfw"}, {"name": "conse"}]}}
    recipe = recipes.load(write_recipe(tmp_path, filter={"policy": "web-v1"}, **scorers))
    assert load("web-v1", known_columns(recipe)).name == "web" and stages(recipe)
    message = refused("validate", str(write_recipe(tmp_path, filter={"policy": "web"}, **scorers)))
    assert re.search(
        r"recipe\.yaml:\d+: filter\.policy: web: no such file .*; of what is packaged, did you mean `web-v1`\?", message
    )
    message = refused("validate", str(write_recipe(tmp_path, filter={"policy": "demo-v1"})))
    assert re.search(r"demo-v1:\d+: rule `nsfw`, keep: unknown column `nsfw`", message), message


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("~/data", "/home/ann/data"),
        ("~", "/home/ann"),
        ("a/~/b", "a/~/b"),
        ("~ about", "~ about"),
        ("s3://b/~/c", "s3://b/~/c"),
        ("~nobody-here/x", "~nobody-here/x"),
        (["~/a", 3, None], ["/home/ann/a", 3, None]),
        ({"a": {"b": ("~/c",)}}, {"a": {"b": ("/home/ann/c",)}}),
        (Path("~/data"), Path("/home/ann/data")),
        ("~\0/x", "~\0/x"),
    ],
)
def test_home_folders(value: Any, text: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert expanded(value) == text


def test_home_folders_in_a_recipe_and_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_corpus(tmp_path / "in", images=1)
    path = write_recipe(tmp_path)
    told = yaml.safe_load(path.read_text())
    told |= {
        "workspace": "~/ws",
        "lock": "~/l.lock",
        "filter": {"policy": "~/policy.yaml"},
        "media": {"known_bad": [{"path": "~/bad"}]},
    }
    told["sources"] = [{"type": "folder", "name": "in", "path": "~/in", "roots": ["~/other"]}]
    told["tokenize"] = {"tokenizer": {"name": "checkpoint", "path": "~/tok"}}
    path.write_text(yaml.safe_dump(told))
    (tmp_path / "bad").write_text("# none\n")
    recipe = recipes.load("~/recipe.yaml", workspace="~/elsewhere")
    [source] = recipe.sources
    assert (recipe.workspace, recipe.lock, source.path) == (
        f"{tmp_path}/elsewhere",
        f"{tmp_path}/l.lock",
        f"{tmp_path}/in",
    )
    assert source.model_dump()["roots"] == [f"{tmp_path}/other"]
    assert recipe.tokenize is not None and recipe.tokenize.tokenizer["path"] == f"{tmp_path}/tok"
    path.write_text(yaml.safe_dump(told | {"tokenize": None}))
    shown = dataengine("validate", "~/recipe.yaml", "--workspace=~/elsewhere").stdout
    assert f"{tmp_path}/elsewhere" in shown and not (tmp_path / "elsewhere").exists() and not Path("~").exists()


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A recipe that names neither a tokenizer nor CoT."""
    write_corpus(tmp_path / "in", images=3)
    told = yaml.safe_load(write_recipe(tmp_path).read_text())
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in told.items() if key not in ("tokenize", "cot")}))
    return path


def test_tokenizer_and_cot_only_where_the_recipe_names_them(plain: Path) -> None:
    groups = {stage.name.partition(".")[0] for stage in stages(recipes.load(plain))}
    assert not groups & {"tokenize", "cot", "index", "sequence"} and groups >= {"ingest", "shard", "release"}
    for command, block in (("cot", "cot"), ("tokenize", "tokenize"), ("index", "index"), ("tokenizer", "tokenize")):
        message = refused(command, *(["train"] if command == "tokenizer" else []), str(plain))
        assert re.search(
            rf"this recipe has no {block}\S* stage; it has ingest.*\. Add `{block}: {{}}` to the recipe", message
        ), message
    assert "a block `contamination:` in the recipe adds it" in refused("contamination", str(plain))
    assert "Add `cot: {}`" in refused("cot", "review", str(plain))
    assert "add `tokenize: {}` to it" in refused("tokenizer", "plan", str(plain))
    for block in ("cot", "tokenize", "index"):
        plain.write_text(plain.read_text() + f"{block}: {{}}\n")
    assert {stage.name.partition(".")[0] for stage in stages(recipes.load(plain))} >= {"cot", "tokenize", "index"}


@pytest.mark.parametrize("call", [lambda r: committed(r, "cot"), lambda r: until(r, "tokenize.fit")])
def test_a_stage_that_the_recipe_has_not(plain: Path, call: Any) -> None:
    with pytest.raises(UsageError, match="this recipe has no"):
        call(recipes.load(plain))


def test_patterns_and_lists_are_told_by_line(plain: Path, tmp_path: Path) -> None:
    told = yaml.safe_load(plain.read_text())
    told["sources"] = [
        {"type": "folder", "name": "in", "path": str(tmp_path / "in"), "buckets": 1, "include": ["*.jpgg"]}
    ]
    told["media"] = {"known_bad": [{"path": str(tmp_path / "none.md5")}]}
    told["contamination"] = {"benchmarks": [{"type": "folder", "name": "quiz", "path": str(tmp_path / "quiz")}]}
    plain.write_text(yaml.safe_dump(told, sort_keys=False))

    def line(text: str) -> int:
        return next(n for n, one in enumerate(plain.read_text().splitlines(), 1) if text in one)

    assert f"recipe.yaml:{line('none.md5')}: media.known_bad: " in refused("validate", str(plain))
    plain.write_text(yaml.safe_dump(told | {"media": {}}, sort_keys=False))
    message = refused("validate", str(plain))
    assert f"recipe.yaml:{line('include')}: source `in`: include: the patterns leave no file of" in message
    assert f"recipe.yaml:{line('/quiz')}: benchmark `quiz`: " in message


def test_a_workspace_that_cannot_be_written_is_named(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = yaml.safe_load(plain.read_text()) | {"workspace": str(tmp_path / "file" / "ws")}
    plain.write_text(yaml.safe_dump(told))
    message = refused("run", str(plain))
    assert re.search(r"recipe\.yaml:\d+: workspace: .*file is no folder", message), message
    assert "--workspace: " in refused("run", str(plain), "--workspace", str(tmp_path / "file" / "x"))
