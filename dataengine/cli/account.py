"""``dataengine explain`` and ``dataengine cost``: the outcome of one input, and the time and bytes of a run."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from dataengine.cli.common import RecipeArgument, WorkspaceOption, exits
from dataengine.errors import UsageError

if TYPE_CHECKING:
    from dataengine.models.serving.usage import Usage
    from dataengine.timings import Cost


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
    """Explain the outcome of one input: the rule that dropped it, its representative and distance, or its failure. With a
    recipe, also its scores and its place in the shards."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.pipeline import committed
    from dataengine.release.explain import SHOWN
    from dataengine.release.explain import explain as explained
    from dataengine.release.reader import open_release
    from dataengine.storage.workspace import Workspace

    if where.endswith((".yaml", ".yml")):
        loaded = recipes.load(where, workspace=workspace)
        release = Workspace(loaded.workspace).store.uri(f"releases/{loaded.name}")
        try:
            run = committed(loaded, "release")
        except UsageError as error:
            raise UsageError(
                f"{error}, or explain it from the release alone: `dataengine explain {release} {what}`"
            ) from None
        with closing(run):
            lines_of_inputs = explained(open_release(release), what, run)
    elif workspace is not None:
        raise UsageError("--workspace is for a recipe; a release is read from its own place")
    else:
        lines_of_inputs = explained(open_release(where), what)
    for lines in lines_of_inputs:
        console.print_pairs(lines)
    if len(lines_of_inputs) == SHOWN:
        print(f"\nat most {SHOWN} inputs are shown: give an input id")


@exits
def cost(recipe: RecipeArgument, workspace: WorkspaceOption = None) -> None:
    """Report the seconds that runs of RECIPE have spent on each stage, the bytes of its files, how much it has decoded, and
    what it has asked of model servers."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.models.serving.usage import recorded
    from dataengine.pipeline import committed_so_far
    from dataengine.timings import costs

    loaded = recipes.load(recipe, workspace=workspace)
    run = committed_so_far(loaded)
    all_costs = costs(run.workspace.store, loaded.name)
    spent = dict(all_costs)
    rows = []
    for stage, record in run.records.items():
        one = spent.pop(stage, None)
        size = sum(f.bytes for out in record.parts.values() for f in out.files.values())
        times = (f"{one.seconds:,.1f}", f"{one.last:,.1f}", f"{one.runs:,}", f"{one.parts:,}") if one else ("",) * 4
        rows.append((stage, *times, f"{size:,}"))
    for stage, one in spent.items():
        rows.append((stage, f"{one.seconds:,.1f}", f"{one.last:,.1f}", f"{one.runs:,}", f"{one.parts:,}", ""))
    if not rows:
        raise UsageError(f"{run.workspace.store.url}: no stage of {loaded.name} has run here")
    total = sum(float(row[1].replace(",", "")) for row in rows if row[1])
    head = ("stage", "seconds", "in the last run", "runs", "partitions", "bytes")
    console.print_table("cost", head, [*rows, ("total", f"{total:,.1f}", "", "", "", "")])
    _print_servers(recorded(run.workspace.store, loaded.name))
    kept = run.records["filter"].counts.get("kept", 0) if "filter" in run.records else 0
    _print_work({s: all_costs[s] for s in [*run.records, *spent] if s in all_costs}, kept)


def _print_servers(usage: dict[str, Usage]) -> None:
    """Requests to each model server, and how many were answered by the workspace instead."""
    from dataengine.cli import console

    rows = []
    for name, one in usage.items():
        failures = ", ".join(f"{failure} {n:,}" for failure, n in sorted(one.failures.items())) or "none"
        rows.append((name, *(f"{n:,}" for n in (one.requests, one.cached, one.tokens_in, one.tokens_out)), failures))
    if rows:
        head = ("server", "requests", "from the cache", "prompt tokens", "completion tokens", "failed")
        console.print_table("model servers", head, rows)


def _print_work(spent: dict[str, Cost], kept: int) -> None:
    """CPU seconds of the stages that had workers, and the files that they decoded, also for each sample that is kept."""
    from dataengine.cli import console

    rows = []
    for stage, one in [*spent.items(), ("total", _sum(spent))]:
        if one.cpu or one.decoded:
            each = f"{one.decoded / kept:,.2f}" if kept else ""
            rows.append((stage, f"{one.cpu:,.1f}", f"{one.decode_cpu:,.1f}", f"{one.decoded:,}", each))
    if rows:
        head = ("stage", "CPU s of workers", "CPU s of decoding", "files decoded", "a kept sample")
        console.print_table("work", head, rows)


def _sum(spent: dict[str, Cost]) -> Cost:
    from dataengine.timings import Cost, Work

    total = Cost("total")
    for one in spent.values():
        total.add(Work(one.cpu, one.decode_cpu, one.decoded))
    return total
