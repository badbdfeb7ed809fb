"""``dataengine status``: which stages of a recipe are done, pending or changed, and how far a run is, on any machine."""

from __future__ import annotations

from typing import Annotated

import typer

from dataengine.cli.common import WorkspaceOption, exits
from dataengine.errors import UsageError

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs; with --follow one line a change.")]


def register(app: typer.Typer) -> None:
    """Add the command to ``dataengine``."""
    app.command()(status)


@exits
def status(
    where: Annotated[
        str,
        typer.Argument(metavar="RECIPE|WORKSPACE", help="A recipe (.yaml), or folder or s3:// prefix of a workspace."),
    ],
    workspace: WorkspaceOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show the run at work until it ends, read from the workspace.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Only this recipe of a workspace that several share.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which stages are done, pending or changed, and the run at work, if any. A workspace alone tells what its runs have
    reported, from any machine that can read it; a recipe also tells what its next run would make, and why."""
    from dataengine.cli.follow import follow as followed
    from dataengine.cli.follow import show
    from dataengine.config import recipe as recipes
    from dataengine.config.packaged import is_recipe
    from dataengine.monitoring import watch
    from dataengine.pipeline import execute
    from dataengine.storage.store import Store

    if is_recipe(where):
        loaded = recipes.load(where, workspace=workspace)
        if name is not None:
            raise UsageError("--name is for a workspace; a recipe has its own")
        if follow:
            followed(Store(loaded.workspace), loaded.name, as_json)
            return
        show([watch.planned(Store(loaded.workspace), loaded.name, execute(loaded, dry_run=True))], as_json)
        return
    if workspace is not None:
        raise UsageError("--workspace is for a recipe; name the workspace alone")
    store = Store(where)
    names = watch.names(store)
    if name is not None and name not in names:
        raise UsageError(
            f"{where}: no run of a recipe `{name}` has reported here; there are {', '.join(names) or 'none'}"
        )
    if not names:
        raise UsageError(
            f"{where}: no run has reported here. Is it a workspace? Name the recipe to see what a run would make"
        )
    if follow:
        followed(store, name or watch.latest(store, names), as_json)
        return
    show([watch.status(store, one) for one in ([name] if name else names)], as_json)
