"""``dataengine stats`` and ``dataengine diff``: SQL over the tables of a run, and what is different between two releases."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from dataengine.cli.common import WorkspaceOption, exits


def register(app: typer.Typer) -> None:
    """Add the commands to ``dataengine``."""
    app.command()(stats)
    app.command()(diff)


@exits
def stats(
    where: Annotated[
        str, typer.Argument(metavar="RECIPE|RELEASE", help="A recipe (.yaml), or folder or s3:// prefix of a release.")
    ],
    sql: Annotated[
        str | None, typer.Option("--sql", help="One SELECT over the tables, in DuckDB's SQL. Without it: the tables.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Rows to print.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Answer SQL over all tables of a run, `inputs` first: one row an input with its outcome, facts and scores. Nothing is
    written, and a query reads no other files."""
    from dataengine.browse.session import opened
    from dataengine.browse.stats import query, tables
    from dataengine.cli import console

    with opened(where, workspace) as session, tables(session) as described:
        if sql is None:
            _list(described, as_json)
            return
        answer = query(session, sql, limit)
    if as_json:
        print(json.dumps(answer.to_json(), ensure_ascii=False, indent=1))
        return
    rows = [["" if value is None else str(value) for value in row] for row in answer.rows]
    console.print_lines(f"{len(rows):,} rows", answer.columns, rows)
    if answer.more:
        console.write(f"\nthere are more than {limit:,} rows: see --limit")


def _list(described: dict[str, list[tuple[str, str, int]]], as_json: bool) -> None:
    from dataengine.cli import console

    if as_json:
        listed: Any = {
            table: {"rows": columns[0][2], "columns": {name: kind for name, kind, _ in columns}}
            for table, columns in described.items()
        }
        print(json.dumps(listed, ensure_ascii=False, indent=1))
        return
    rows = [
        (name, f"{columns[0][2]:,}", ", ".join(one for one, _, _ in columns)) for name, columns in described.items()
    ]
    console.print_lines("tables", ("table", "rows", "columns"), rows)


@exits
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Folder or s3:// prefix of a release.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Another one.")],
    show: Annotated[int, typer.Option(min=0, max=10_000, help="Samples to name of those added, and removed.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Compare two releases: samples added and removed, and why; thresholds that moved; scores that shifted."""
    from dataengine.browse.compare import compare
    from dataengine.cli import console

    comparison = compare(old, new, show)
    if as_json:
        print(json.dumps(comparison.to_json(), ensure_ascii=False, indent=1))
        return
    d = comparison
    console.print_rows(
        "kept samples", [("in both", f"{d.same:,}"), ("added", f"{d.added:,}"), ("removed", f"{d.removed:,}")]
    )
    for title, reasons in (("added: before they were", d.added_from), ("removed: now they are", d.removed_because)):
        if reasons:
            console.print_rows(title, [(reason, f"{n:,}") for reason, n in reasons.items()])
    if d.rules:
        console.print_lines("rules", ("rule", "old", "new"), [(r.rule, r.old, r.new) for r in d.rules])
    if d.settings:
        console.print_lines("made differently", ("what", "old", "new"), d.settings)
    if d.scores:
        head = ("score", "old p10", "p50", "p90", "new p10", "p50", "p90")
        console.print_table("scores of kept samples, the most shifted first", head, [s.row() for s in d.scores])
    for title, rows in (("added", d.shown_added), ("removed", d.shown_removed)):
        if rows:
            console.print_lines(f"{title}, the first by id", ("id", "uri", "source", "why"), rows)
    if d.is_same():
        console.write("\nthe two releases keep the same samples by the same rules")
