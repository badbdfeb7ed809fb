"""What all commands share: their options, and errors turned into a message and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataengine.errors import BalanceError, DataEngineError, UsageError

if TYPE_CHECKING:
    from dataengine.config.recipe import Recipe


class Engine(StrEnum):
    duckdb = "duckdb"
    spark = "spark"


RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="YAML file (or s3:// object) that names the whole run.")
]
WorkspaceOption = Annotated[str | None, typer.Option("--workspace", help="Use this folder or s3:// prefix instead.")]
WorkersOption = Annotated[int | None, typer.Option("--workers", min=1, help="Worker processes (default: all CPUs).")]
EngineOption = Annotated[Engine | None, typer.Option("--engine", help="Table engine to use instead of the recipe's.")]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="Read inputs again that were missing or timed out.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would run; read no media, write nothing.")]


def exits(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors that are meant for the user into a message and an exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except DataEngineError as error:
            kind = 2 if isinstance(error, UsageError) else 3 if isinstance(error, BalanceError) else 1
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(kind) from None
        except KeyboardInterrupt:
            print("interrupted; what was committed stays, run the same command to go on", file=sys.stderr)
            raise typer.Exit(130) from None

    return run


def bring_up_to_date(
    path: str,
    only: str | None,
    workspace: str | None,
    workers: int | None,
    engine: Engine | None,
    dry_run: bool,
    retry: bool = False,
) -> Recipe:
    """Load the recipe, run its stages (``only``: one group of them) with progress and a summary; the recipe as it was run."""
    from dataengine.cli import console
    from dataengine.config import recipe
    from dataengine.pipeline import execute, open_run

    loaded = recipe.load(path, workspace=workspace, workers=workers, engine=engine and engine.value)
    if retry and not dry_run:
        from dataengine.ingest.retry import forget_failed

        forget_failed(open_run(loaded))
    with console.Progress() as progress:
        reports = execute(loaded, only=only, dry_run=dry_run, reporter=progress)
    console.summary(loaded, reports, dry_run)
    return loaded
