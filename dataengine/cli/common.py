"""Options and error handling shared by all commands: each expected error becomes a message and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataengine.cli.termination import INTERRUPTED, TERMINATED, Termination
from dataengine.config.home import expanded
from dataengine.errors import DataEngineError, RunError, UsageError
from dataengine.storage.disk import disk_error
from dataengine.text.display import visible_lines

if TYPE_CHECKING:
    from dataengine.cli.command_options import CommandOptions
    from dataengine.config.recipe import Recipe


class Engine(StrEnum):
    duckdb = "duckdb"
    spark = "spark"


RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="YAML file, s3:// object, or name of a packaged recipe, that describes the run (docs/recipe.md).",
    ),
]
WorkspaceOption = Annotated[
    str | None,
    typer.Option("--workspace", help="Folder or s3:// prefix for tables, media and releases, instead of the recipe's."),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes, instead of the recipe's (auto: one a CPU).")
]
EngineOption = Annotated[
    Engine | None,
    typer.Option("--engine", help="Engine of the table stages, instead of the recipe's; the result is the same."),
]
RetryOption = Annotated[
    bool,
    typer.Option("--retry-failed", help="First retry inputs that were missing, timed out or crashed their decoder."),
]
AcceptOption = Annotated[
    bool,
    typer.Option("--accept", help="Go on although more inputs failed than limits.failed allows, or nothing is kept."),
]
LockedOption = Annotated[
    bool, typer.Option("--locked", help="Fail, before anything runs, where the recipe's lock would change.")
]
OnlyOption = Annotated[
    str | None,
    typer.Option(
        "--only", metavar="STAGE", help="Only this stage, as `dataengine status` calls it, or group of stages."
    ),
]
PartsOption = Annotated[
    str | None,
    typer.Option(
        "--parts",
        metavar="NUMBER/OF",
        help="Make a share of the parts of --only STAGE, such as 3/8, and commit nothing (docs/schedule.md).",
    ),
]
PartitionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--partition",
        metavar="VALUE",
        help="Take up this partition of the sources whose paths hold {date} or {partition}; repeatable, and FIRST..LAST is a "
        "range of days. Earlier ones stay (docs/increments.md).",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would run, without reading media or writing anything.")
]
LogFileOption = Annotated[
    str | None,
    typer.Option("--log-file", help="Add JSON lines with run, stage and part to this file; - for standard error."),
]
MetricsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        metavar="PLACE",
        help="Metrics for Prometheus: HOST:PORT to answer at while the run lives, FILE.prom, or the URL of a Pushgateway.",
    ),
]
LineageOption = Annotated[
    str | None,
    typer.Option(
        "--lineage",
        metavar="URL|FILE|client",
        help="Send OpenLineage events to a server, add them to a file, or do as OPENLINEAGE_URL or openlineage.yml says.",
    ),
]

QuietOption = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, for programs, in place of tables (docs/start.md).")
]


def exits(command: Callable[..., None]) -> Callable[..., None]:
    """Decorator: a DataEngineError becomes its message on standard error and an exit code; any other error is a bug and keeps its
    traceback. ``~`` in arguments is the home folder, also where the shell leaves it."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        with Termination() as termination:
            try:
                command(*expanded(args), **expanded(kwargs))
            except (Exception, KeyboardInterrupt) as error:
                code, text = _outcome(error, termination)
                if not text:
                    raise
                print(text, file=sys.stderr)
                raise typer.Exit(code) from None

    return run


def _outcome(error: BaseException, termination: Termination) -> tuple[int, str]:
    """Exit code and message of what ended a command; no message for a bug. What fails once the process is asked to end, or
    interrupted, fails because of that."""
    if termination.requested:
        return TERMINATED, "Terminated. Committed work is kept; rerun to resume."
    if any(isinstance(one, KeyboardInterrupt) for one in _chain(error)):
        return INTERRUPTED, "Interrupted. Committed work is kept; rerun to resume."
    known = error if isinstance(error, DataEngineError) else disk_error(error)
    return (known.exit_code, f"error: {visible_lines(str(known))}") if known else (1, "")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it was raised from or because of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def bring_up_to_date(path: str, options: CommandOptions) -> Recipe:
    """Load the recipe and run its stages with a progress display and a summary. Returns the recipe with the command line's
    changes."""
    from dataengine.cli import console, dry_run
    from dataengine.cli.run_json import run_json
    from dataengine.progress import Silent
    from dataengine.runs.runner import load_recipe, run_recipe
    from dataengine.storage.writable import unwritable

    loaded = load_recipe(path, options)
    with nullcontext(Silent()) if options.quiet else console.Progress() as progress:
        try:
            reports = run_recipe(loaded, options, progress)
        except RunError:
            if wrong := unwritable(loaded.workspace):
                place = "--workspace" if options.workspace else f"{loaded.line('workspace')}workspace"
                raise UsageError(f"{place}: {wrong}") from None
            raise
    if options.as_json:
        print(json.dumps(run_json(loaded, reports, options.dry_run), ensure_ascii=False, indent=1))
    elif not options.quiet:
        console.summary(loaded, reports, options.dry_run)
        if options.dry_run:
            dry_run.show(loaded, reports)
    return loaded
