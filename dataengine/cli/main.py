"""The command line ``dataengine``. Exit codes: 0 success, 1 the run failed, 2 the recipe or command is wrong (nothing ran),
3 the ledger does not balance, 4 a person must look (too much failed, or nothing is kept), 5 another run holds the workspace,
130 Ctrl-C, 143 SIGTERM."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from dataengine.cli import (
    account,
    browse,
    codes,
    cot,
    demo,
    doctor,
    export,
    filter,
    gc,
    release,
    search,
    sequence,
    start,
    stats,
    status,
    takedown,
    tokenizer,
)
from dataengine.cli.command_options import CommandOptions
from dataengine.cli.common import RecipeArgument, bring_up_to_date, exits
from dataengine.cli.run_options import run_options, stage_options
from dataengine.cli.termination import INTERRUPTED, TERMINATED, leave

_STAGE = "One stage of a recipe, with what it needs"

app = typer.Typer(
    name="dataengine",
    help="Turn folders, tables and buckets of images and short videos into training-ready WebDataset releases.",
    epilog="Start with: dataengine demo, or dataengine init DATA. Exit codes: 0 success, 1 the run failed, 2 the recipe or "
    "command is wrong (nothing ran), 3 the ledger does not balance, 4 a person must look: too much failed, or nothing is "
    "kept, 5 another run holds the workspace, 130 Ctrl-C, 143 SIGTERM (work so far is kept).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
@exits
@run_options
def run(recipe: RecipeArgument, options: CommandOptions) -> None:
    """Run all stages of RECIPE, from the sources to the release; what is up to date is skipped."""
    bring_up_to_date(recipe, options)


def _stage_command(name: str, text: str, stage: str | None = None) -> None:
    @exits
    @stage_options
    def command(recipe: RecipeArgument, options: CommandOptions) -> None:
        bring_up_to_date(recipe, replace(options, only=stage or name))

    app.command(name, help=text, rich_help_panel=_STAGE)(command)


_stage_command("ingest", "Read the media of all sources: decode, hash and pack them; what fails is recorded.")
_stage_command("unique", "Merge byte-identical files into one sample (the first part of `dedup`).", "dedup.unique")
_stage_command("embed", "Embed every distinct sample once, for all stages that compare embeddings.")
_stage_command("dedup", "Find exact and near-duplicates and choose a representative of each group.")
_stage_command("score", "Score the representatives with the recipe's scorers (sharpness, NSFW, image-text match, ...).")
_stage_command("annotate", "Annotate the representatives with models: text in pictures, speech in videos.")
_stage_command("contamination", "Find samples that occur in the recipe's benchmarks.")
_stage_command(
    "index", "Build the index over embeddings that `dataengine search` asks, with the codes and clusters of the recipe."
)
filter.register(app, _STAGE)
_stage_command(
    "tokenize", "Fit the visual tokenizer where it needs fitting, and encode the kept samples into discrete codes."
)
_stage_command("assign", "Assign each kept sample its place in the shards (the first half of `shard`).", "shard.assign")
_stage_command("shard", "Write the shuffled WebDataset shards.")
_stage_command(
    "release", "Write ledger, card, report and manifest of the release; fails if the ledger does not balance."
)


app.add_typer(cot.app, name="cot")
app.add_typer(sequence.app, name="sequence")
app.add_typer(tokenizer.app, name="tokenizer")
app.add_typer(codes.app, name="codes")
app.add_typer(export.app, name="export")
release.register(app)
search.register(app)
status.register(app)
browse.register(app)
account.register(app)
gc.register(app)
takedown.register(app)
stats.register(app)
start.register(app)
demo.register(app)
doctor.register(app)


def command(arguments: list[str] | None = None) -> None:
    """The command ``dataengine``; with the process's own arguments, if none are given. It exits."""
    try:
        app(arguments)
    except SystemExit as end:
        if end.code in (INTERRUPTED, TERMINATED):
            leave(end.code)
        raise


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed

        print(installed("dataengine-multimodal"))
        raise typer.Exit
