"""``dataengine browse``: a private page over all inputs of a recipe or release."""

from __future__ import annotations

from typing import Annotated

import typer

from dataengine.cli.common import WorkspaceOption, exits
from dataengine.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command to ``dataengine``."""
    app.command()(browse)


@exits
def browse(
    target: Annotated[
        str,
        typer.Argument(metavar="RECIPE|RELEASE", help="A recipe (.yaml), or the folder or s3:// prefix of a release."),
    ],
    workspace: WorkspaceOption = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine see the page if it is not loopback.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")] = 0,
) -> None:
    """Look at all inputs in a browser: kept, filtered, duplicate and failed, by rule, source and score, with pictures.

    Only reads; of a recipe also before its run is finished. The printed address holds a token: who has it sees the media."""
    from dataengine.browse.page.content import content
    from dataengine.browse.page.server import BrowseServer

    with content(target, workspace) as shown:
        try:
            server = BrowseServer(shown, target, host, port)
        except OSError as error:
            raise UsageError(f"{host}:{port}: {error.strerror}: choose another --port, or 0 for a free one") from None
        with server:
            print(f"{shown.table.total:,} inputs: {server.address}\nCtrl-C stops the server.", flush=True)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print()
