"""``dataengine search``: the samples of an index that are nearest to a text, a picture, a sample or a sequence of items."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataengine.cli.common import WorkspaceOption, exits
from dataengine.errors import UsageError

if TYPE_CHECKING:
    from dataengine.browse.results import Result
    from dataengine.browse.target import Target


def register(app: typer.Typer) -> None:
    """Add the command to ``dataengine``."""
    app.command()(search)


@exits
def search(
    where_from: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|RELEASE",
            help="A recipe (.yaml), or a release: WORKSPACE/releases/NAME, or a copy of one made with `index.release`.",
        ),
    ],
    text: Annotated[str | None, typer.Option("--text", help="Search by a text.")] = None,
    image: Annotated[Path | None, typer.Option("--image", help="Search by a picture or video in a file.")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Search by an indexed sample or item.")] = None,
    history: Annotated[
        Path | None,
        typer.Option("--history", help="Search by a file of ids, the oldest first: a JSON list, or one a line."),
    ] = None,
    k: Annotated[int, typer.Option("--k", min=1, max=10_000, help="Results.")] = 20,
    beam: Annotated[
        int | None,
        typer.Option(
            "--beam",
            min=1,
            max=1_000_000,
            help="Leaves of the tree that are searched (nprobe of an IVF, efSearch of an HNSW): more find more, slower.",
            show_default="256; of each id of --history 64",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            "--where", help="Condition on annotations, as in a policy: 'width >= 512'. Of a RELEASE with --recipe."
        ),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Write a contact sheet with thumbnails to this .html or .png.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="RECIPE",
            help="Recipe that made the RELEASE: for --where, and for --text and --image where it has a `clip` scorer.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Search the index of RECIPE or RELEASE by a text, a picture, a sample, or a sequence of items.

    What a text is compared with depends on the recipe's encoder: with a `clip` scorer with pictures, without one with captions
    alone; the output says which."""
    from dataengine.browse.target import open_target

    if sum(option is not None for option in (text, image, id_, history)) != 1:
        raise UsageError("name what to search by: one of --text, --image, --id, --history")
    if history is not None and sheet is not None:
        raise UsageError("--sheet shows the results of --text, --image or --id, not of --history")
    target = open_target(where_from, workspace, recipe)
    if history is not None:
        _by_history(target, history, k, beam, where, as_json)
        return
    hits, title, meaning, seconds = _hits(target, text, image, id_, k, beam, where)
    if sheet is not None:
        from dataengine.browse.results import write_sheet

        write_sheet(sheet, title, target.index, hits, target.limits)
    _print(hits, title, meaning, seconds, as_json)
    if sheet is not None and not as_json:
        print(f"\n{sheet}")


def _hits(
    target: Target, text: str | None, image: Path | None, id_: str | None, k: int, beam: int | None, where: str | None
) -> tuple[list[Result], str, str, float]:
    """Results, what was searched for, what the scores compare, and the seconds that the search alone took."""
    from dataengine.browse.history import well_formed
    from dataengine.browse.results import results
    from dataengine.index.search import BEAM, WHOLE

    for option, value in (("--id", id_), ("--text", text)):
        well_formed(option, value or "")
    beam = BEAM if beam is None else beam
    index, allowed = target.index, target.allowed(where)
    if id_ is not None:
        [row] = index.rows_with([id_])
        if row < 0:
            raise UsageError(
                f"--id {id_}: it is not in the index, which has {len(index):,} ids, such as {index.ids()[0]}; a copy is there as "
                "its representative (`dataengine explain` names it)"
            )
        start = time.perf_counter()
        hits = index.search(index.take(row[None])[0], k + 1, beam, allowed)
        others = [hit for hit in results(index, hits) if hit.id != id_][:k]
        return others, id_, "its vector with those of the others", time.perf_counter() - start
    queries = target.queries()
    if text is not None:
        query, title = queries.text(text), text
    else:
        assert image is not None
        query, title = queries.image(image), image.name
    start = time.perf_counter()
    hits = index.search(query.vector, k, beam, allowed, query.part if query.part != slice(None) else WHOLE)
    return results(index, hits), title, query.meaning, time.perf_counter() - start


def _print(hits: list[Result], title: str, meaning: str, seconds: float, as_json: bool) -> None:
    from dataengine.cli import console

    if as_json:
        shown: Any = {"query": title, "compares": meaning, "hits": [hit.to_json() for hit in hits]}
        print(json.dumps(shown, ensure_ascii=False, indent=1))
        return
    lines = [f"{hit.score:.4f}  {hit.id}  {hit.caption or ''}" for hit in hits]
    console.write("\n".join([f"\n{title}", *(lines or ["nothing found: no vector meets the conditions"])]))
    console.write(f"\nscores compare {meaning}; searched in {1000 * seconds:.1f} ms")


def _by_history(target: Target, path: Path, k: int, beam: int | None, where: str | None, as_json: bool) -> None:
    from dataengine.browse.history import read
    from dataengine.cli import console
    from dataengine.index import behaviour

    beam = behaviour.BEAM if beam is None else beam
    result = behaviour.search(target.index, read(path), k, beam, allowed=target.allowed(where))
    units = {"multimodal": result.multimodal, "co-occurrence": result.cooccurrence}
    if as_json:
        shown: Any = {"unknown": result.unknown, **{name: unit.to_json() for name, unit in units.items()}}
        print(json.dumps(shown, ensure_ascii=False, indent=1))
        return
    for name, unit in units.items():
        if unit.absent:
            console.write(f"\n{name}: not searched: {unit.absent}")
            continue
        nodes = [(f"{n.score:.4f}", f"{n.depth}/{n.number}", f"{n.size:,}", " ".join(n.history)) for n in unit.nodes]
        console.print_table(f"{name}: nodes", ("score", "depth/node", "vectors", "nearest of the sequence"), nodes)
        items = [f"{item.score:.4f}  {item.id}  {item.caption or ''}" for item in unit.items]
        console.write("\n".join([f"\n{name}: items", *(items or ["none"])]))
    if result.unknown:
        console.write(
            f"\nids of --history that are not in the index: {len(result.unknown):,}, such as {result.unknown[0]}"
        )
