"""``dataengine sequence show``: one packed sequence for a person to read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataengine.cli.common import exits


def register(app: typer.Typer) -> None:
    app.command()(show)


@exits
def show(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="Folder or s3:// prefix of a set: WORKSPACE/releases/NAME/sequences/SET/FORMAT."
        ),
    ],
    number: Annotated[int, typer.Argument(metavar="N", min=0, help="Number of the sequence, from 0.")] = 0,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a self-contained page instead of text in the terminal.")
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Checkpoint of the visual tokenizer that decodes codes to pictures. (default: the workspace's)",
        ),
    ] = None,
) -> None:
    """Show sequence N of a set: its documents, roles, targets and chunk borders in colour, its codes as thumbnails."""
    from dataengine.cli import console
    from dataengine.sequence.formats.reader import open_set
    from dataengine.sequence.show import facts, frames, page, pictures, runs, terminal

    stored = open_set(target)
    key, sequence = stored.at(number)
    rows = facts.facts_of(sequence, stored.about, key)
    parts = frames.frames_of(sequence, stored.about)
    images = pictures.decoded(parts, pictures.find_tokenizer(stored, tokenizer))
    shown = runs.runs_of(sequence, parts, runs.decoder_of(stored), runs.names_of(stored))
    if html is None:
        console.write_all(terminal.shown(sequence, rows, shown, images))
    else:
        html.write_bytes(page.page(sequence, rows, shown, images))
        console.write(str(html))
