"""``dataengine init`` and ``dataengine validate``: a first recipe, and whether a recipe is right, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dataengine.cli.common import WorkspaceOption, exits
from dataengine.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands to ``dataengine``."""
    app.command()(init)
    app.command()(validate)


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
    """Check RECIPE without running anything: its fields, policy, sources, tables and their columns, and the workspace."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.config.recipe_schema import recipe_schema
    from dataengine.pipeline import stages

    if schema:
        print(json.dumps(recipe_schema(), indent=1, ensure_ascii=False))
        return
    if recipe is None:
        raise UsageError("name a RECIPE to check, or --schema")
    loaded = recipes.load(recipe, workspace=workspace)
    plan = stages(loaded)
    if wrong := _unwritable(loaded.workspace):
        raise UsageError(f"{loaded.line('workspace')}workspace: {wrong}")
    sources = ", ".join(f"{source.name} ({source.type}, {source.path})" for source in loaded.sources)
    rows = [("recipe", recipe), ("sources", sources), ("policy", loaded.filter.policy), ("workspace", loaded.workspace)]
    console.print_pairs([*rows, ("stages", ", ".join(stage.name for stage in plan))])
    console.write(f"\n{recipe} is right; nothing has run")


def _unwritable(workspace: str) -> str:
    """Why nothing can be written to a folder that may not exist yet; "" where it can, and for a bucket."""
    import os

    if "://" in workspace.removeprefix("file://"):
        return ""
    path = Path(workspace.removeprefix("file://")).absolute()
    existing = next(one for one in (path, *path.parents) if os.access(one, os.F_OK))
    if not existing.is_dir():
        return f"{existing} is no folder"
    if not os.access(existing, os.W_OK | os.X_OK) or existing.parts[1:2] in (("proc",), ("sys",)):
        return f"{existing} cannot be written: name another folder, or --workspace"
    return ""
