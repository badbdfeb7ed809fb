"""``dataengine filter``: applies the policy; with ``--try`` shows what another rule would change, and writes it as a new
version."""

from __future__ import annotations

import json
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataengine.cli.command_options import CommandOptions
from dataengine.cli.common import RecipeArgument, bring_up_to_date, exits
from dataengine.cli.run_options import stage_options
from dataengine.errors import UsageError

if TYPE_CHECKING:
    from dataengine.browse.what_if import Moved, Trial
    from dataengine.policy.model import Policy
    from dataengine.policy.trial import Change

_TRY = "Try a change; nothing is run or written"


class OnMissing(StrEnum):
    drop = "drop"
    keep = "keep"


def register(app: typer.Typer, panel: str) -> None:
    """Add the command to ``dataengine``."""
    app.command("filter", rich_help_panel=panel)(filter_command)


@exits
@stage_options
def filter_command(
    recipe: RecipeArgument,
    options: CommandOptions,
    conditions: Annotated[
        list[str] | None,
        typer.Option(
            "--try",
            help="Condition to try, such as 'blur >= 40': in place of the rule about the same columns, or of RULE in "
            "'RULE: blur >= 40', else beside all others.",
            rich_help_panel=_TRY,
        ),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Name of a rule to leave out.", rich_help_panel=_TRY)
    ] = None,
    on_missing: Annotated[
        OnMissing, typer.Option(help="What an added rule does with a missing value.", rich_help_panel=_TRY)
    ] = OnMissing.drop,
    show: Annotated[
        int, typer.Option(min=0, max=10_000, help="Samples that change sides to show.", rich_help_panel=_TRY)
    ] = 20,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Write a contact sheet of what changes sides to this .html or .png.", rich_help_panel=_TRY),
    ] = None,
    write: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Write the change as a new version of the policy, NAME.yaml.", rich_help_panel=_TRY
        ),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(help="Reason of the changed rule, as the card will state it; with --write.", rich_help_panel=_TRY),
    ] = None,
) -> None:
    """Apply the filter policy's rules to the scores; decodes no media. With --try or --without: show what another policy would
    keep and drop."""
    if conditions or without:
        if write is not None and conditions and not (reason or "").strip():
            raise UsageError("--write needs --reason TEXT: why the rule is as it is now, for the card")
        _what_if(
            recipe,
            options.workspace,
            conditions or [],
            without or [],
            on_missing,
            show,
            sheet,
            options.as_json,
            write,
            reason,
        )
        return
    if write or reason or sheet:
        raise UsageError("--write, --reason and --sheet belong to a trial: add --try 'blur >= 40' or --without RULE")
    bring_up_to_date(recipe, replace(options, only="filter"))


def _what_if(
    recipe: str,
    workspace: str | None,
    conditions: list[str],
    without: list[str],
    on_missing: OnMissing,
    show: int,
    sheet: Path | None,
    as_json: bool,
    write: str | None,
    reason: str | None,
) -> None:
    from dataengine.browse import sheet as sheets
    from dataengine.browse.session import opened
    from dataengine.browse.what_if import compare, moved, places
    from dataengine.policy import edit
    from dataengine.policy.annotated import known_columns
    from dataengine.policy.load import load
    from dataengine.policy.trial import UNSTATED, tried

    if sheet is not None:
        sheets.check_name(sheet)
    with opened(recipe, workspace) as session:
        run = session.needed("dedup", "score")
        known, path = known_columns(run.recipe), run.recipe.filter.policy
        before = load(path, known)
        after, changes = tried(before, conditions, without, known, on_missing.value, reason or UNSTATED)
        target = edit.target_of(path, write) if write is not None else None
        trial = compare(session, before, after)
        columns = [c for change in changes for rule in (change.after, change.before) if rule for c in rule.columns]
        rows = moved(session, before, after, columns, show)
        if sheet is not None:
            located = places(run, [row.id for row in rows])
            title = f"{before.name}: {', '.join(change.rule for change in changes)} changed"
            cells = [sheets.Cell(r.id, _side(r), f"{_values(r)} {r.caption or r.uri}", located.get(r.id)) for r in rows]
            sheets.write_sheet(sheet, title, cells, run.workspace.store, run.recipe.limits.to_limits())
    written = edit.write(target, path, after, changes, known) if target is not None else None
    files = {"sheet": str(sheet) if sheet else None, "policy": str(target) if target else None}
    if as_json:
        print(json.dumps(_json(path, before, changes, trial, rows, files), ensure_ascii=False, indent=1))
    else:
        _print(path, before, changes, trial, rows)
        _print_files(sheet, target, written)


def label(row: Moved) -> str:
    """What changes for a sample, and its values."""
    return f"{row.before} → {row.after}  {_values(row)}"


def _values(row: Moved) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in row.values.items())


def _side(row: Moved) -> str:
    return f"out: {row.after}" if row.before == "kept" else f"in, was {row.before}"


def _value(value: Any) -> str:
    return "missing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _print(path: str, before: Policy, changes: list[Change], trial: Trial, rows: list[Moved]) -> None:
    from dataengine.cli import console

    console.write(f"policy {before.name} version {before.version} ({path}), with a change that is only tried:")
    for change in changes:
        console.write(f"  {change.text()}")
    steps: list[tuple[str, ...]] = [("samples", f"{trial.samples:,}", f"{trial.samples:,}", "")]
    for step in trial.steps:
        counts = ["" if n is None else f"-{n:,}" if n else "0" for n in (step.before, step.after)]
        steps.append((step.rule, *counts, _signed((step.after or 0) - (step.before or 0))))
    steps.append(
        ("= kept", f"{trial.kept_before:,}", f"{trial.kept_after:,}", _signed(trial.kept_after - trial.kept_before))
    )
    console.print_table("dropped by", ("rule", "now", "tried", "change"), steps)
    if not trial.moves:
        console.write("\nno sample changes sides")
        return
    moves = [(f"{old} → {new}", f"{n:,}") for (old, new), n in trial.moves.items()]
    console.print_rows("samples that change sides", moves)
    if rows:
        total = sum(trial.moves.values())
        console.write(f"\n{len(rows):,} of {total:,}:" if len(rows) < total else "")
        for row in rows:
            console.write(f"{row.id}  {label(row)}  {row.uri} of {row.source}")


def _signed(number: int) -> str:
    return f"{number:+,}" if number else ""


def _print_files(sheet: Path | None, target: Path | None, written: Policy | None) -> None:
    from dataengine.cli import console

    if sheet is not None:
        console.write(f"\n{sheet}")
    if target is not None and written is not None:
        console.write(
            f"\n{target}: policy {written.name} version {written.version}; name it under `filter: {{policy: …}}` in the recipe "
            "and run it"
        )


def _json(
    path: str, before: Policy, changes: list[Change], trial: Trial, rows: list[Moved], files: dict[str, str | None]
) -> dict[str, Any]:
    return {
        "policy": {"path": path, "name": before.name, "version": before.version, "digest": before.digest},
        "changes": [change.text() for change in changes],
        "samples": trial.samples,
        "kept": {"before": trial.kept_before, "after": trial.kept_after},
        "dropped": [step.__dict__ for step in trial.steps],
        "moves": [{"before": old, "after": new, "samples": n} for (old, new), n in trial.moves.items()],
        "shown": [row.to_json() for row in rows],
        "written": {name: place for name, place in files.items() if place},
    }
