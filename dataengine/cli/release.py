"""``dataengine publish`` and ``dataengine verify``: copy a finished release to its readers, and check that it is whole."""

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
    """Copy RELEASE to TARGET, the manifest last, so that readers see all of it or nothing; of two publishers one wins."""
    from dataengine.cli import console
    from dataengine.release import publish as publishing

    with console.Progress() as bar:

        def progress(done: int, total: int) -> None:
            bar.step("publish") if done else bar.start("publish", total, total)

        publication = publishing.publish(
            release, target, unconditional=unconditional, read_back=read_back, progress=progress
        )
    rows = [("files", publication.files), ("bytes", publication.bytes), ("files sent", publication.sent)]
    console.print_rows("already published" if publication.already else "published", [(n, f"{v:,}") for n, v in rows])
    console.write(f"\n{publication.target}/")


@exits
def verify(
    release: ReleaseArgument,
    workers: Annotated[
        int, typer.Option(min=1, help="DataLoader workers of one rank, to check the number of shards.")
    ] = 1,
    ranks: Annotated[int, typer.Option(min=1, help="Training processes that share the shards.")] = 1,
) -> None:
    """Read every byte of RELEASE and check it against its manifest: checksums, counts, keys, records, codes, ledger."""
    from dataengine.cli import console
    from dataengine.verify.verify import verify as check

    with console.Progress() as bar:

        def progress(done: int, total: int) -> None:
            bar.step("verify") if done else bar.start("verify", total, total)

        result = check(release, workers=workers, ranks=ranks, progress=progress)
    console.print_rows("verified", result.rows())
    for warning in result.warnings:
        console.write(f"warning: {warning}")
    if result.errors:
        raise RunError(result.text())
