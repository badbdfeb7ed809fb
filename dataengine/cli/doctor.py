"""``dataengine doctor``: what this machine has of what a run needs, and what a decode child is confined by here."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dataengine.cli.common import exits
from dataengine.errors import RunError


def register(app: typer.Typer) -> None:
    """Add the command to ``dataengine``."""
    app.command()(doctor)


@exits
def doctor(
    workspace: Annotated[
        str | None, typer.Option("--workspace", help="Folder or s3:// prefix to write to as a test, and read back.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail also where a measure against hostile files is not in force.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this installation: libraries, Java, folders, and what holds a decoder that a hostile file has taken over. Starts a
    decode process and lets it try what it must not do. Fails where something needed is missing."""
    from dataengine.cli import console
    from dataengine.verify.installation import examine

    findings = examine(workspace)
    if as_json:
        print(json.dumps([finding.to_json() for finding in findings], indent=1, ensure_ascii=False))
    else:
        for group in dict.fromkeys(f.group for f in findings):
            print(f"\n{group}")
            console.print_pairs([(f.name, f.line) for f in findings if f.group == group])
    wrong = [f for f in findings if not f.good and (f.needed or (strict and f.protects))]
    if wrong:
        raise RunError(f"{len(wrong)} of {len(findings)} checks failed: {', '.join(f.name for f in wrong)}")
