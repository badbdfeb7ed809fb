"""``dataengine cot``: construct chain-of-thought data for a recipe, let people review it, check it from the media alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dataengine.cli.common import (
    DryRunOption,
    EngineOption,
    RecipeArgument,
    WorkersOption,
    WorkspaceOption,
    bring_up_to_date,
    exits,
)
from dataengine.cli.release import ReleaseArgument
from dataengine.errors import RunError


class _Group(TyperGroup):
    """``dataengine cot RECIPE`` is ``dataengine cot run RECIPE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = next((a for a in args if not a.startswith("-")), None)
        if first is not None and first not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    help="Construct chain-of-thought data on top of the release's samples: `dataengine cot RECIPE`; review it; check it.",
)


@app.command()
@exits
def run(
    recipe: RecipeArgument,
    workspace: WorkspaceOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Questions, paths, checks, review, scores, mix and shards; prints what became of every question."""
    from dataengine.cli import console
    from dataengine.cot.mix.summary import tables
    from dataengine.pipeline import committed

    loaded = bring_up_to_date(recipe, "cot", workspace, workers, engine, dry_run)
    if not dry_run:
        facts = committed(loaded, "cot").records["cot.mix"].parts["all"].facts
        for title, columns, rows in tables(facts):
            console.print_table(title, columns, rows)


@app.command()
@exits
def verify(
    release: ReleaseArgument,
    workers: Annotated[int | None, typer.Option(min=1, help="Decode processes (default: all CPUs).")] = None,
) -> None:
    """Measure every record of RELEASE again from its media: facts, answers, reasoning, tool calls, pictures."""
    from dataengine.cli import console
    from dataengine.verify.cot_records import recheck

    with console.Progress() as bar:

        def progress(done: int, total: int) -> None:
            bar.advance("verify") if done else bar.start("verify", total, total)

        found = recheck(release, workers or os.cpu_count() or 1, progress)
    console.print_rows("checked from the media", found.rows())
    if found.errors:
        raise RunError("\n  ".join([f"{found.wrong.total():,} records do not hold:", *found.errors]))


@app.command()
@exits
def review(
    recipe: RecipeArgument,
    workspace: WorkspaceOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8765,
    reviewer: Annotated[str, typer.Option(help="Your name in the log; another can be chosen on the page.")] = "",
    export: Annotated[Path | None, typer.Option("--export", help="Write the items as JSONL and end.")] = None,
    label_studio: Annotated[
        Path | None, typer.Option("--label-studio", help="Write the items as Label Studio tasks and end.")
    ] = None,
    take_in: Annotated[
        Path | None, typer.Option("--import", help="Take in decisions: JSONL, or an export of Label Studio, and end.")
    ] = None,
) -> None:
    """Serve the doubtful replies of RECIPE's last run to reviewers on a local page; run `dataengine cot RECIPE` again after."""
    from dataengine.cli.review_desk import desk

    found = desk(recipe, workspace)
    again = f"run `dataengine cot {recipe}` to take the decisions in"
    if take_in is not None:
        print(f"{found.take_in(take_in)} decisions logged; {again}")
    elif export is not None or label_studio is not None:
        found.write(export, label_studio)
        print(f"{len(found.items)} items written")
    else:
        with found.server(host, port, reviewer) as server:
            print(f"{len(found.items)} items wait for review: {server.address}\nCtrl-C ends it.", flush=True)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print(f"\n{again}")
