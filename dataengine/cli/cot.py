"""``dataengine cot``: construct chain-of-thought data, review it, verify it from the media."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dataengine.cli.command_options import CommandOptions
from dataengine.cli.common import RecipeArgument, WorkspaceOption, bring_up_to_date, exits
from dataengine.cli.release import ReleaseArgument
from dataengine.cli.run_options import stage_options
from dataengine.errors import RunError


class RunsByDefault(TyperGroup):
    """``dataengine cot RECIPE`` is ``dataengine cot run RECIPE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = next((a for a in args if not a.startswith("-")), None)
        if first is not None and first not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=RunsByDefault,
    no_args_is_help=True,
    help="Construct chain-of-thought (CoT) data about the release's samples: `dataengine cot RECIPE`; review it; verify it.",
)


@app.command()
@exits
@stage_options
def run(recipe: RecipeArgument, options: CommandOptions) -> None:
    """Construct the CoT shards of RECIPE (questions, paths, checks, review, scores, mix) and print losses by reason."""
    from dataengine.cli import console
    from dataengine.cot.mix.summary import tables
    from dataengine.pipeline import committed

    loaded = bring_up_to_date(recipe, replace(options, only="cot"))
    if options.tables:
        facts = committed(loaded, "cot").records["cot.mix"].parts["all"].facts
        for title, columns, rows in tables(facts):
            console.print_table(title, columns, rows)


@app.command()
@exits
def tasks(
    recipe: Annotated[
        str | None, typer.Argument(help="Recipe whose shares to show; default: those without one.")
    ] = None,
) -> None:
    """List the task families by capability: mode, what each needs, its share, and how many wordings its questions have."""
    from dataengine.catalog import adopt_plugins
    from dataengine.cli import console
    from dataengine.config.cot import CotConfig
    from dataengine.config.recipe import load
    from dataengine.cot.tasks.registry import listing, shares

    loaded = load(recipe) if recipe else None
    if loaded is not None:
        adopt_plugins(loaded)
    config = (loaded.cot if loaded else None) or CotConfig()
    rows = listing(shares(config.tasks, config.capabilities))
    console.print_table("task families", ("capability", "family", "mode", "needs", "share", "wordings"), rows)


@app.command()
@exits
def verify(
    release: ReleaseArgument,
    workers: Annotated[int | None, typer.Option(min=1, help="Decoding processes (default: all CPUs).")] = None,
    plugin: Annotated[
        list[str] | None, typer.Option("--plugin", metavar="FILE", help="Python file with task families of RELEASE.")
    ] = None,
) -> None:
    """Verify every CoT record of RELEASE by computing facts, answers, reasoning, tool calls and images anew from its media."""
    from dataengine.catalog import own_names
    from dataengine.cli import console
    from dataengine.plugins.file import PluginFile
    from dataengine.plugins.offers import check
    from dataengine.verify.cot_records import recheck

    plugins = tuple(PluginFile.read(path) for path in plugin or [])
    check(plugins, own_names())

    with console.Progress() as bar:

        def progress(done: int, total: int) -> None:
            bar.step("verify") if done else bar.start("verify", total, total)

        report = recheck(release, workers or os.cpu_count() or 1, progress, plugins)
    console.print_rows("verified from the media", report.rows())
    if report.errors:
        raise RunError("\n  ".join([f"{report.wrong.total():,} records failed verification:", *report.errors]))


@app.command()
@exits
def grade(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL: question, answer, reply a line; - reads stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Grade replies of your own: A (right), B (right, but flawed reasoning or none), C (wrong, or no answer)."""
    from dataengine.cli import console
    from dataengine.cli.replies import graded, rows, summary

    lines = graded(file)
    if as_json:
        for line in lines:
            console.write(line.to_json())
    else:
        console.print_table(f"{file}", ["id", "grade", "answer", "reasons"], rows(lines))
        console.print_rows("grades", summary(lines))
    if unexpected := [line for line in lines if line.unexpected]:
        raise RunError(
            "\n  ".join([f"{len(unexpected):,} lines are not as expected:", *(u.complaint for u in unexpected)])
        )


@app.command()
@exits
def review(
    recipe: RecipeArgument,
    workspace: WorkspaceOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8765,
    reviewer: Annotated[str, typer.Option(help="Your name in the log of decisions; can be changed on the page.")] = "",
    export: Annotated[Path | None, typer.Option("--export", help="Write the items as JSONL and exit.")] = None,
    label_studio: Annotated[
        Path | None, typer.Option("--label-studio", help="Write the items as Label Studio tasks and exit.")
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option("--import", help="Import decisions (JSONL, or a JSON export of Label Studio) and exit."),
    ] = None,
) -> None:
    """Serve a local page to review doubtful replies of RECIPE's last run; `dataengine cot RECIPE` applies the decisions."""
    from dataengine.cli.review_desk import desk

    opened = desk(recipe, workspace)
    apply = f"run `dataengine cot {recipe}` to apply the decisions"
    if import_ is not None:
        print(f"{opened.import_(import_)} decisions logged; {apply}")
    elif export is not None or label_studio is not None:
        opened.export(export, label_studio)
        print(f"{len(opened.items)} items written")
    else:
        with opened.server(host, port, reviewer) as server:
            print(f"{len(opened.items)} items to review: {server.address}\nCtrl-C stops the server.", flush=True)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print(f"\nStopped; {apply}.")
