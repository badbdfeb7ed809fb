"""``dataengine gc``: deletes what no kept recipe and no release of a workspace needs."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from dataengine.cli.common import WorkspaceOption, exits
from dataengine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataengine.storage.garbage import Garbage, Kept
    from dataengine.storage.store import Store

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def register(app: typer.Typer) -> None:
    """Add the command to ``dataengine``."""
    app.command()(gc)


@exits
def gc(
    where: Annotated[
        list[str],
        typer.Argument(
            metavar="WORKSPACE|RECIPE...", help="A workspace, or recipes (.yaml) of one, whose next run counts, too."
        ),
    ],
    workspace: WorkspaceOption = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; without, only say what would be.")] = False,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="Only what was written longer ago: 36h, 7d.")
    ] = "7d",
    forget: Annotated[
        list[str] | None,
        typer.Option("--forget", metavar="NAME", help="A recipe that is kept no longer; its release stays."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Find tables, parts, media, models and plans that nothing needs, and what they would free. Kept are: what the last run of
    every recipe used (and the next run of the named ones would), what they have not finished, releases, decisions of people,
    paid completions, and all younger than AGE. Beside a running job it only reports: deleting takes the workspace's lease, and
    ends with 5 where a run holds it."""
    from dataengine.storage import garbage
    from dataengine.storage.lease import Lease

    age = _seconds(older_than)
    store, kept = _kept(where, workspace, forget or [])
    if not delete:
        _print(garbage.find(store, kept(), age, time.time()), store, None, as_json)
        return
    from dataengine.monitoring.kept import forget as forget_recipe

    with closing(Lease(store, "gc", alone=True)) as lease:
        lease.take()
        unneeded = garbage.find(store, kept(), age, lease.now())
        for name in forget or []:
            forget_recipe(store, name)
        _print(unneeded, store, garbage.delete(store, unneeded, lease.take), as_json)


def _kept(where: list[str], workspace: str | None, forget: list[str]) -> tuple[Store, Callable[[], Kept]]:
    """The store of the workspace, and what to keep in it: of all recipes whose runs have reported there, and of those named."""
    from dataengine.config import recipe as recipes
    from dataengine.config.packaged import is_recipe
    from dataengine.monitoring import kept, run_log
    from dataengine.pipeline import execute
    from dataengine.storage.store import Store

    named = [recipes.load(path, workspace=workspace) for path in where if is_recipe(path)]
    places = {one.workspace.rstrip("/") for one in named}
    if named and (len(named) < len(where) or len(places) > 1):
        raise UsageError(f"name one workspace, or recipes of one: {', '.join(sorted({*places, *where}))}")
    if not named and (len(where) > 1 or workspace is not None):
        raise UsageError("name one workspace; --workspace is for a recipe")
    store = Store(places.pop() if named else where[0])
    known = run_log.recipes(store)
    unknown = kept.unknown_recipes(store, [*known, *(one.name for one in named)])
    if not (known or named or unknown):
        raise UsageError(f"{store.url}: no run has reported here. Is it a workspace?")
    if missing := sorted(set(forget) - {*known, *unknown}):
        raise UsageError(
            f"{store.url}: no run of a recipe `{missing[0]}` has reported here; there are {', '.join(known)}"
        )
    if both := sorted(set(forget) & {one.name for one in named}):
        raise UsageError(f"recipe {both[0]} is named to be kept and to be forgotten")
    if unreported := [name for name in unknown if name not in forget]:
        names = ", ".join(unreported)
        raise UsageError(
            f"{store.url}: no run of {names} has reported what it needs; name the recipe files, run them once more, or give "
            "them up with --forget"
        )

    def all_kept() -> Kept:
        total = kept.of_releases(store)
        for name in set(known) - set(forget):
            total |= kept.of_last_run(store, name)
        for one in named:
            total |= kept.of_plan(execute(one, dry_run=True))
        return total

    return store, all_kept


def _seconds(age: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", age)
    if match is None:
        raise UsageError(f"--older-than {age}: write a number and s, m, h or d, as in 36h")
    return float(match[1]) * _UNITS[match[2]]


def _print(unneeded: Garbage, store: Store, freed: int | None, as_json: bool) -> None:
    from dataengine.cli import console

    if as_json:
        sums = {"free": unneeded.free, "kept": unneeded.kept}
        by_kind = {
            name: {k: dict(zip(("objects", "bytes"), v, strict=True)) for k, v in s.items()} for name, s in sums.items()
        }
        console.write(json.dumps({"workspace": store.url, "deleted": freed is not None, **by_kind}, sort_keys=True))
        return
    rows = []
    for kind in sorted({*unneeded.free, *unneeded.kept}):
        free, kept = unneeded.free.get(kind, (0, 0)), unneeded.kept.get(kind, (0, 0))
        rows.append((kind, *(f"{n:,}" for n in (*free, *kept))))
    total = [sum(one[n] for one in sums.values()) for sums in (unneeded.free, unneeded.kept) for n in (0, 1)]
    rows.append(("total", *(f"{n:,}" for n in total)))
    verb = "freed" if freed is not None else "would be freed"
    console.print_table(store.url, ("kind", f"objects {verb}", "bytes", "objects kept", "bytes kept"), rows)
    if freed is None and unneeded.entries:
        console.write("\nNothing was deleted: rerun with --delete.")
