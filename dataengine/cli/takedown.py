"""``dataengine takedown``: takes samples out of a release and its workspace, and keeps them out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from dataengine.cli.common import exits
from dataengine.cli.release import ReleaseArgument

if TYPE_CHECKING:
    from dataengine.takedown.places import Places
    from dataengine.takedown.takedown import Done, Plan

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command to ``dataengine``."""
    app.command()(takedown)


@exits
def takedown(
    release: ReleaseArgument,
    ids: Annotated[
        str | None,
        typer.Option(
            "--ids", metavar="FILE", help="An id, SHA-256, uri, path or URL a line; lines with # first are comments."
        ),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="FILE", help="A picture or video: it and its near-duplicates; repeatable."),
    ] = None,
    near_duplicates: Annotated[
        bool, typer.Option("--near-duplicates", help="With --ids: near-duplicates of these as well.")
    ] = False,
    to: Annotated[
        str | None, typer.Option("--to", metavar="PLACE", help="Where the new release goes. (default: RELEASE-VERSION)")
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Version of the new release. (default: the next patch)")
    ] = None,
    workspace: Annotated[
        str | None,
        typer.Option("--workspace", help="Workspace to clean, too. (default: the one that RELEASE lies in)"),
    ] = None,
    tombstones: Annotated[
        str | None,
        typer.Option(
            "--tombstones", metavar="FILE", help="Also add to this list, for media.known_bad of other recipes."
        ),
    ] = None,
    delete_old: Annotated[
        bool, typer.Option("--delete-old", help="Delete the affected files of RELEASE, and its manifest, at the end.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without, only say what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Write a release that continues RELEASE without some samples: only shards, chain-of-thought records and sequences that have
    something of them change. A tombstone keeps them out of later runs, the workspace loses them, and a scan of every byte says
    what is left. A call that was killed is run again (docs/takedown.md)."""
    from dataengine.cli import console
    from dataengine.errors import UsageError
    from dataengine.takedown import asked
    from dataengine.takedown.places import places_of
    from dataengine.takedown.takedown import apply as take_down
    from dataengine.takedown.takedown import plan, require_nothing_left

    if near_duplicates and ids is None:
        raise UsageError(
            "--near-duplicates is for --ids; a picture of --image is taken with its near-duplicates anyway"
        )
    wanted = asked.read(ids, image or [], near_duplicates)
    places = places_of(release, workspace, to, version, tombstones, delete_old)
    if not apply:
        _print_plan(plan(places, wanted), places, as_json)
        return
    with console.Progress() as bar:

        def progress(name: str, done: int, total: int) -> None:
            bar.step(name) if done else bar.start(name, total, total)

        done = take_down(places, wanted, progress)
    _print_done(done, places, as_json)
    require_nothing_left(done)


def _print_plan(planned: Plan, places: Places, as_json: bool) -> None:
    from dataengine.cli import console

    if as_json:
        console.write(json.dumps({"applied": False, **_facts(planned, places)}, sort_keys=True))
        return
    _print_inputs(planned)
    console.print_rows(f"would go from {places.release}", [*planned.effects.rows(), ("new release", places.to)])
    where = places.workspace or "no workspace"
    console.write(f"\nNothing was written: rerun with --apply. It would also be taken out of {where}.")


def _print_inputs(planned: Plan) -> None:
    from dataengine.cli import console
    from dataengine.takedown.asked import listed

    named = sorted((id_, planned.targets.uris.get(id_, "")) for id_ in planned.targets.ids)
    more = f" ({len(named) - _SHOWN:,} more)" if len(named) > _SHOWN else ""
    console.print_table(f"to be taken down{more}", ("id", "an input with it"), named[:_SHOWN])
    if similar := planned.targets.similar:
        console.write(
            f"{len(similar):,} near-duplicates of these stay: {listed(sorted(similar))}. Where a sample that goes "
            "stood for its group, the recipe's next run may release another of it; --near-duplicates takes them as well."
        )
    if failed := planned.targets.failed:
        console.write(
            f"{len(failed):,} named inputs had failed when the release was made: {listed(sorted(failed))}. Nothing of them "
            "is released, and nothing keeps them out later: name their SHA-256, or the files with --image."
        )


def _print_done(done: Done, places: Places, as_json: bool) -> None:
    from dataengine.cli import console
    from dataengine.takedown import rewrite, scan

    if as_json:
        scanned = [vars(place) for place in done.places]
        facts = {
            "applied": True,
            **_facts(done.plan, places),
            "scan": scanned,
            "left": done.left(),
            "holding": done.holding(),
        }
        console.write(json.dumps(facts, sort_keys=True))
        return
    if done.written is None:
        _print_inputs(done.plan)
        console.write(f"No input is what was named; {done.tombstones:,} hashes are new among the tombstones.")
        return
    _print_inputs(done.plan)
    rows = [*done.plan.effects.rows(), ("hashes new among the tombstones", f"{done.tombstones:,}")]
    rows += [(f"files {what}", f"{n:,}") for what, n in rewrite.counts(done.written).items()]
    rows += [("files left out", path) for path in done.written.dropped]
    if places.workspace is not None:
        rows += [("parts of ingest written again", f"{done.parts:,}"), ("objects purged", f"{len(done.purged.keys):,}")]
    if places.delete_old:
        rows.append(("files of the old release deleted", f"{done.deleted:,}"))
    console.print_rows("taken down" if not done.written.already else "taken down (the release was there already)", rows)
    console.print_table("scan of every byte", scan.COLUMNS, [place.cells() for place in done.places])
    for name in done.holding():
        console.write(f"still holds it: {name}; delete it, old object versions included, or run its recipe again")
    console.write(f"\n{places.to}/")


def _facts(planned: Plan, places: Places) -> dict[str, object]:
    e = planned.effects
    return {
        "release": places.release,
        "to": places.to,
        "workspace": places.workspace,
        "ids": sorted(e.ids),
        "shards": {name: sorted(ids) for name, ids in sorted(e.shards.items())},
        "records": {name: len(ids) for name, ids in sorted(e.records.items())},
        "sequences": {name: dict(files) for name, files in sorted(e.sequences.items())},
        "left_out": sorted(e.unreadable),
        "near_duplicates": sorted(planned.targets.similar),
        "failed": sorted(planned.targets.failed),
    }
