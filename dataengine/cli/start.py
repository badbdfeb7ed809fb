"""``dataengine init``, ``validate`` and ``packaged``: a first recipe, whether a recipe is right, and what comes along."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataengine.cli.common import WorkspaceOption, exits
from dataengine.errors import UsageError

if TYPE_CHECKING:
    from dataengine.config.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add the commands to ``dataengine``."""
    app.command()(init)
    app.command()(validate)
    app.command()(packaged)


@exits
def init(
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA...", help="Folders of media, tables (JSONL, CSV, Parquet), or WebDataset tars."),
    ],
    out: Annotated[Path, typer.Option(help="Recipe to write; its policy is written beside it.")] = Path("recipe.yaml"),
) -> None:
    """Look at DATA and write a commented recipe and filter policy that run as they are."""
    from dataengine.browse.first_recipe import first_recipe
    from dataengine.cli import console

    written = first_recipe(data, out)
    for line in written.seen:
        console.write(line)
    recipe = written.recipe
    console.write(f"\n{recipe}\n{written.policy}\n\nnext: dataengine validate {recipe}, then: dataengine run {recipe}")


@exits
def validate(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="YAML file or s3:// object that describes the run.")
    ] = None,
    workspace: WorkspaceOption = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of recipes, for editors, and check nothing.")
    ] = False,
) -> None:
    """Check RECIPE without running anything: its fields, policy, sources, tables and their columns, plugins, and the
    workspace. Scorers of plugins are tried on a made picture."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.config.recipe_schema import recipe_schema
    from dataengine.pipeline import stages
    from dataengine.score.plugin_trial import try_scorers
    from dataengine.storage.writable import unwritable

    if schema:
        print(json.dumps(recipe_schema(), indent=1, ensure_ascii=False))
        return
    if recipe is None:
        raise UsageError("name a RECIPE to check, or --schema")
    loaded = recipes.load(recipe, workspace=workspace)
    plan = stages(loaded)
    if wrong := unwritable(loaded.workspace):
        raise UsageError(f"{loaded.line('workspace')}workspace: {wrong}")
    try_scorers(loaded)
    sources = ", ".join(f"{source.name} ({source.type}, {source.path})" for source in loaded.sources)
    read = [("sources", sources), ("policy", loaded.filter.policy)] if loaded.sources else _items(loaded)
    rows = [("recipe", recipe), *read, ("workspace", loaded.workspace)]
    if loaded.plugins:
        rows.append(("plugins", ", ".join(plugin.label for plugin in loaded.plugins)))
    console.print_pairs([*rows, ("stages", ", ".join(stage.name for stage in plan))])
    console.write(f"\n{recipe} is right; nothing has run")


def _items(recipe: Recipe) -> list[tuple[str, str]]:
    """What a recipe without sources reads."""
    return [("items", recipe.index.items.path)] if recipe.index and recipe.index.items else []


@exits
def packaged(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Print this policy or recipe; without it, list them.")
    ] = None,
) -> None:
    """List the filter policies and recipes that come with dataengine, or print one: `dataengine packaged pictures > recipe.yaml`.
    A recipe names such a policy as `policy: web-v1`, and `dataengine run pictures` runs such a recipe."""
    from dataengine.cli import console
    from dataengine.config.packaged import file_of, policies, recipes
    from dataengine.config.yaml_loader import did_you_mean

    if name is None:
        for title, files in (("policies", policies()), ("recipes", recipes())):
            console.print_lines(
                title, ("name", "for"), [(one, _description(file_of(one) or file)) for one, file in files.items()]
            )
        return
    if (file := file_of(name)) is None:
        raise UsageError(f"nothing packaged is called `{name}`; {did_you_mean(name, {**policies(), **recipes()})}")
    print(file.read_text(encoding="utf-8"), end="")


def _description(file: Path) -> str:
    """What a policy says of itself; of a recipe its first comment."""
    import yaml

    text = file.read_text(encoding="utf-8")
    described = yaml.safe_load(text).get("description")
    return " ".join(str(described or text.partition("\n")[0].removeprefix("# ")).split())
