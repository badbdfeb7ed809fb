"""``dataengine explain`` and ``dataengine cost``: what became of one input, and what a run has spent."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from dataengine.cli.common import RecipeArgument, WorkspaceOption, exits
from dataengine.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands to ``dataengine``."""
    app.command()(explain)
    app.command()(cost)


@exits
def explain(
    where: Annotated[
        str, typer.Argument(metavar="RECIPE|RELEASE", help="A recipe (.yaml), or folder or s3:// prefix of a release.")
    ],
    what: Annotated[
        str, typer.Argument(metavar="INPUT", help="A uri or the end of one, or an id of an input or sample.")
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """Tell the fate of one input: the rule that dropped it, what it duplicates and how nearly, why it failed. A recipe tells
    its scores and its place in the shards, too."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.pipeline import committed
    from dataengine.release.explain import SHOWN
    from dataengine.release.explain import explain as told
    from dataengine.release.reader import open_release
    from dataengine.storage.workspace import Workspace

    if where.endswith((".yaml", ".yml")):
        loaded = recipes.load(where, workspace=workspace)
        release = Workspace(loaded.workspace).store.uri(f"releases/{loaded.name}")
        try:
            run = committed(loaded, "release")
        except UsageError as error:
            raise UsageError(f"{error}, or ask the release as it is: `dataengine explain {release} {what}`") from None
        with closing(run):
            found = told(open_release(release), what, run)
    elif workspace is not None:
        raise UsageError("--workspace goes with a recipe; a release is where it is")
    else:
        found = told(open_release(where), what)
    for lines in found:
        console.print_pairs(lines)
    if len(found) == SHOWN:
        print(f"\nat most {SHOWN} inputs are told of: ask by an input id")


@exits
def cost(recipe: RecipeArgument, workspace: WorkspaceOption = None) -> None:
    """Tell the seconds that runs of RECIPE have spent on each stage, and the bytes that its files have."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.pipeline import committed_so_far
    from dataengine.timings import costs

    loaded = recipes.load(recipe, workspace=workspace)
    run = committed_so_far(loaded)
    spent = costs(run.workspace.store, loaded.name)
    rows = []
    for stage, record in run.records.items():
        one = spent.pop(stage, None)
        size = sum(f.bytes for out in record.parts.values() for f in out.files.values())
        times = (f"{one.seconds:,.1f}", f"{one.last:,.1f}", f"{one.runs:,}", f"{one.parts:,}") if one else ("",) * 4
        rows.append((stage, *times, f"{size:,}"))
    for stage, one in spent.items():
        rows.append((stage, f"{one.seconds:,.1f}", f"{one.last:,.1f}", f"{one.runs:,}", f"{one.parts:,}", ""))
    if not rows:
        raise UsageError(f"{run.workspace.store.url}: nothing of {loaded.name} has run here")
    total = sum(float(row[1].replace(",", "")) for row in rows if row[1])
    head = ("stage", "seconds in all", "in the last run", "runs", "parts made", "bytes of its files")
    console.print_table("cost", head, [*rows, ("all", f"{total:,.1f}", "", "", "", "")])
