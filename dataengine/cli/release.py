"""``dataengine publish`` and ``dataengine verify``: a finished release on its way to readers, and proof that it is whole."""

from __future__ import annotations

from typing import Annotated

import typer

from dataengine.cli.common import exits
from dataengine.errors import RunError

ReleaseArgument = Annotated[
    str, typer.Argument(metavar="RELEASE", help="Folder or s3:// prefix of a release: WORKSPACE/releases/NAME.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``dataengine``."""
    app.command()(publish)
    app.command()(verify)


@exits
def publish(
    release: ReleaseArgument,
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="s3:// prefix or folder; nothing in it is overwritten.")
    ],
    unconditional: Annotated[
        bool,
        typer.Option("--unconditional", help="Go on where the server ignores If-None-Match: for a single publisher."),
    ] = False,
    read_back: Annotated[
        bool, typer.Option("--read-back", help="Read every byte from TARGET again before the manifest is written.")
    ] = False,
) -> None:
    """Copy RELEASE to TARGET, the manifest last: readers see all of it or nothing, and of two publishers one wins."""
    from dataengine.cli import console
    from dataengine.release import publish as publishing

    with console.Progress() as bar:

        def progress(done: int, total: int) -> None:
            bar.advance("publish") if done else bar.start("publish", total, total)

        told = publishing.publish(release, target, unconditional=unconditional, read_back=read_back, progress=progress)
    rows = [("files", told.files), ("bytes", told.bytes), ("sent now", told.sent)]
    console.print_rows("already published" if told.already else "published", [(n, f"{v:,}") for n, v in rows])
    print(f"\n{told.target}/")


@exits
def verify(
    release: ReleaseArgument,
    workers: Annotated[
        int, typer.Option(min=1, help="DataLoader workers of one rank, to check the shards' number.")
    ] = 1,
    ranks: Annotated[int, typer.Option(min=1, help="Training processes that share the shards.")] = 1,
) -> None:
    """Read every byte of RELEASE and hold it against its manifest: hashes, counts, keys, records, codes, ledger."""
    from dataengine.cli import console
    from dataengine.verify.verify import verify as check

    with console.Progress() as bar:

        def progress(done: int, total: int) -> None:
            bar.advance("verify") if done else bar.start("verify", total, total)

        found = check(release, workers=workers, ranks=ranks, progress=progress)
    console.print_rows("verified", found.rows())
    for warning in found.warnings:
        print(f"warning: {warning}")
    if found.errors:
        raise RunError(found.text())
