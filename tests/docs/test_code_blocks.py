"""What the documentation shows is what the engine takes: commands parse, recipes validate, Python runs, paths exist."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml
from pydantic import BaseModel
from support.photo_set import photo_sequences, photo_set

from dataengine.catalog import STAGES
from dataengine.cli.main import app
from dataengine.config import recipe as recipes
from dataengine.config.recipe import Recipe
from dataengine.policy import load as policy_files
from dataengine.policy.annotated import known_columns
from dataengine.sequence.formats.description import Format
from dataengine.sequence.summary.settings import SummarySettings
from dataengine.tokenize.text import QwenText

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "filters/README.md", "schemas/README.md")]
    + list((ROOT / "docs").rglob("*.md"))
)
DEMO = yaml.safe_load((ROOT / "jobs/recipes/demo.yaml").read_text())


class Block(NamedTuple):
    page: str
    line: int
    language: str
    text: str


def blocks(*languages: str) -> list[Any]:
    """Fenced blocks of all pages, one test each."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(r"^( *)```(\w+)\n(.*?)^ *```$", text, re.M | re.S):
            line = text[: match.start()].count("\n") + 1
            block = Block(str(page.relative_to(ROOT)), line, match[2], re.sub(f"^{match[1]}", "", match[3], flags=re.M))
            if block.language in languages:
                found.append(pytest.param(block, id=f"{block.page}:{line}"))
    return found


def inline() -> Iterator[tuple[str, str]]:
    """``(page, code)`` of all code within sentences."""
    for page in PAGES:
        text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.M | re.S)
        for code in re.findall(r"`([^`\n]+)`", text):
            yield str(page.relative_to(ROOT)), code


def commands(block: Block) -> Iterator[list[str]]:
    """Words of each command line; comments dropped, continued lines joined, of a console only what follows ``$``."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if block.language == "console" and not line.startswith("$ "):
            continue
        words = shlex.split(re.sub(r"[\[\]]", "", line.removeprefix("$ ")), comments=True)
        if words:
            yield words


def parse(words: list[str], complete: bool = True) -> None:
    """Parses as the command line does, down to the subcommand; raises for what it would refuse."""
    command, context, rest = typer.main.get_command(app), None, words
    while True:
        context = command.make_context(command.name, list(rest), parent=context, resilient_parsing=not complete)
        if not hasattr(command, "resolve_command"):
            return
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        _, command, rest = command.resolve_command(context, rest)


@pytest.mark.parametrize("block", blocks("sh", "console"))
def test_commands_exist_and_take_these_options(block: Block) -> None:
    targets = re.findall(r"^([\w/-]+):", (ROOT / "Makefile").read_text(), re.M)
    for words in commands(block):
        at = next((i for i, word in enumerate(words) if word.rpartition("/")[2] == "dataengine"), None)
        if at is not None and words[at - 1] != "-t":
            parse(words[at + 1 :])
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= set(targets)
        for word in words:
            if re.match(r"(jobs|benchmarks|examples|infra|tests|filters|docs)/", word):
                assert (ROOT / word).exists(), f"{block.page}:{block.line}: {word}"


def test_commands_within_sentences_exist() -> None:
    named = [(page, code) for page, code in inline() if re.match(r"dataengine [a-z]", code)]
    assert len(named) > 10
    for page, code in named:
        try:
            parse([re.sub(r"[\[\]]|\\\|.*", "", word) for word in shlex.split(code)[1:]], complete=False)
        except Exception as error:
            pytest.fail(f"{page}: `{code}`: {error}")


def test_files_within_sentences_exist() -> None:
    named = [(page, code) for page, code in inline() if re.fullmatch(r"[a-z_/]+/[\w.-]+\.(py|txt|yaml|json)", code)]
    assert len(named) > 10
    places = (ROOT, ROOT / "dataengine", ROOT / "dataengine/cot/teachers")
    assert not [f"{page}: {code}" for page, code in named if not any((place / code).exists() for place in places)]


def test_recipe_fields_within_sentences_exist() -> None:
    stages = {stage.name for stage in STAGES}
    named = [(page, code) for page, code in inline() if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", code)]
    named = [(page, code) for page, code in named if code.split(".")[0] in Recipe.model_fields and code not in stages]
    assert len(named) > 30
    unknown = {(page, code) for page, code in named if not _is_field(Recipe, code.split("."))}
    assert not {(page, code) for page, code in unknown if not code.endswith((".py", ".yaml", ".md", ".json"))}


def test_recipe_page_lists_every_field() -> None:
    text = (ROOT / "docs/recipe.md").read_text()
    missing = [name for name in Recipe.model_fields if not re.search(rf"`{name}[.`]", text)]
    assert not missing


def _is_field(model: Any, path: list[str]) -> bool:
    if not path:
        return True
    options = [model, *getattr(model, "__args__", ())]
    models = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
    if not models:
        return any(_is_field(o, path) for o in options if getattr(o, "__args__", ()) and o is not model)
    return any(path[0] in m.model_fields and _is_field(m.model_fields[path[0]].annotation, path[1:]) for m in models)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_recipes_and_policies_validate(block: Block, tmp_path: Path) -> None:
    shown = yaml.safe_load(block.text)
    if isinstance(shown, list):
        shown = {"name": "rules", "version": "1", "rules": shown}
    path = tmp_path / "shown.yaml"
    if "rules" in shown:
        path.write_text(yaml.safe_dump(shown))
        policy_files.load(path, known_columns(recipes.load(ROOT / "jobs/recipes/demo.yaml")))
    elif set(shown) <= set(Recipe.model_fields):
        path.write_text(yaml.safe_dump(DEMO | shown))
        recipes.load(path)
    else:
        assert set(shown) == {"profiles"}, "neither recipe, policy nor the configuration of a storage client"


@pytest.mark.parametrize("block", blocks("json"))
def test_json_parses(block: Block) -> None:
    json.loads(block.text if block.text.lstrip().startswith(("{", "[")) else "{" + block.text + "}")


@pytest.mark.parametrize("block", [p for p in blocks("python") if not p.values[0].text.startswith("# dataengine/")])
def test_python_compiles_and_its_imports_exist(block: Block) -> None:
    """But for files that a page adds: tests/docs/test_extending.py runs them."""
    tree = ast.parse(block.text, f"{block.page}:{block.line}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([node], []), block.page, "exec"), {})


@pytest.mark.slow
@pytest.mark.parametrize("block", [p for p in blocks("python") if "workspace/releases/cats" in p.values[0].text])
def test_python_that_reads_a_release_runs(
    block: Block, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cats = tmp_path / "workspace/releases/cats"
    cats.mkdir(parents=True)
    for path in small.iterdir():
        (cats / path.name).symlink_to(path)
    if "/sequences/" in block.text:
        for name, more in (("rows-8k", {}), ("ksa-8k", {"format": Format.parquet, "summary": SummarySettings()})):
            photo_set(
                tmp_path / "workspace",
                photo_sequences(2, 1200, flat=name == "ksa-8k"),
                release="cats",
                name=name,
                **more,
            )
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, f"{block.page}:{block.line}", "exec"), {"encode": QwenText().encode})
