"""``dataengine explain`` and ``dataengine cost``: the outcome of one input, and the time and bytes of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataengine.cli.common import RecipeArgument, WorkspaceOption, exits
from dataengine.errors import UsageError

if TYPE_CHECKING:
    from dataengine.browse.explain import Explanation
    from dataengine.browse.session import Session
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
        str,
        typer.Argument(
            metavar="INPUT",
            help="Any end of a uri, a file's path, a clip, a tar or table, a member of a shard, or (the beginning of) an id.",
        ),
    ],
    workspace: WorkspaceOption = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Write its picture, beside what it is a duplicate of, to this .html or .png. Wants a recipe."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Explain the outcome of one input: the part of the rule that dropped it, its representative and distance, or its failure.
    With a recipe, also its captions, scores, file and chain-of-thought records."""
    from dataengine.browse.explain import explain as explained
    from dataengine.browse.session import opened
    from dataengine.cli import console

    with opened(where, workspace) as session:
        explanation = explained(session, what)
        if sheet is not None and explanation.ids:
            _write_sheet(sheet, what, session, explanation.ids)
    if as_json:
        print(json.dumps(_as_json(explanation), ensure_ascii=False, indent=1))
        return
    for lines in explanation.inputs:
        console.print_pairs(lines)
    if explanation.candidates:
        head = ("source", "uri", "outcome", "input id")
        console.print_lines(
            f"{explanation.count:,} inputs match {what}; name one by more of its uri or by its input id",
            head,
            explanation.candidates,
        )
    shown = len(explanation.inputs) or len(explanation.candidates)
    if shown < explanation.count:
        console.write(f"\nthe first {shown:,} of {explanation.count:,} are shown")
    if sheet is not None and explanation.ids:
        console.write(f"\n{sheet}")


def _as_json(explanation: Explanation) -> dict[str, Any]:
    keys = ("source", "uri", "outcome", "input_id")
    candidates = [dict(zip(keys, one, strict=True)) for one in explanation.candidates]
    return {
        "inputs": [dict(lines) for lines in explanation.inputs],
        "candidates": candidates,
        "count": explanation.count,
    }


def _write_sheet(path: Path, what: str, session: Session, ids: Sequence[str]) -> None:
    from dataengine.browse.sheet import Cell, write_sheet
    from dataengine.browse.what_if import places

    run = session.needed("dedup.unique")
    located = places(run, ids)
    cells = [Cell(id_, located[id_].kind, next(iter(located[id_].captions), ""), located[id_]) for id_ in ids]
    write_sheet(path, what, cells, run.workspace.store, run.recipe.limits.to_limits())


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
