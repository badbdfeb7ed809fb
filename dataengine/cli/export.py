"""``dataengine export``: write a finished release in the layout of a trainer."""

from __future__ import annotations

from typing import Annotated

import typer

from dataengine.cli.common import RecipeArgument, WorkspaceOption, exits
from dataengine.export.options import Form, MediaAs, Signal, ToolsAs, Trainer

app = typer.Typer(help="Write a finished release in the layout of a trainer.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """Write a finished release in the layout of a trainer."""


@app.command()
@exits
def kelix(
    release: Annotated[
        str, typer.Argument(metavar="RELEASE", help="Folder or s3:// prefix of a release: WORKSPACE/releases/NAME.")
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Folder or s3:// prefix to write to; must be empty.")],
    form: Annotated[
        Form,
        typer.Option(
            "--as",
            help="segments: media and caption, for pre-training. messages: media from the user, caption from the assistant. "
            "t2i: caption from the user, image from the assistant (aspect ratio above 3:4). cot: the chain-of-thought records.",
        ),
    ] = Form.segments,
    media: Annotated[
        MediaAs,
        typer.Option(
            help="inline: images as base64 in the rows. files: in OUT/media. none: codes only. "
            "Videos are files unless none."
        ),
    ] = MediaAs.inline,
    rows: Annotated[int, typer.Option(min=1, help="Rows a file.")] = 1000,
    split: Annotated[str, typer.Option(help="Split of the release.")] = "train",
    codes: Annotated[
        bool | None,
        typer.Option(
            "--codes/--no-codes", help="Add a column `codes` with the visual codes. (default: if the release has any)"
        ),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="The user's text, with {kind} for messages, {caption} for t2i.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="Column `source`, by which the trainer chooses its system prompt. (default: from the release's name)"
        ),
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(help="Prefix of media paths in the rows. (default: OUT as an absolute path)")
    ] = None,
    tools: Annotated[
        ToolsAs,
        typer.Option(
            help="cot: outputs of tools as the user's turns (no loss on them), in the reply as the record has them, or no "
            "such records."
        ),
    ] = ToolsAs.turns,
) -> None:
    """Write RELEASE as the Parquet files that the released Kelix trainer reads: part-00000-of-00010.parquet and so on."""
    from dataengine.cli import console
    from dataengine.export.kelix import Options, export

    options = Options(form, media, split, rows, prompt, prefix, source, codes, tools)
    with console.Progress() as bar:

        def progress(done: int, total: int) -> None:
            if done == 1:
                bar.start("export", total, total)
            bar.step("export")

        written = export(release, out, options, progress)
    rows_written = [("files", len(written.files)), ("rows", written.rows)]
    rows_written += [(f"- left out: {reason}", count) for reason, count in written.left_out.items()]
    console.print_rows("written", [(name, f"{count:,}") for name, count in rows_written])
    console.write(f"\n{out.rstrip('/')}/")


@app.command()
@exits
def messages(
    release: Annotated[
        str, typer.Argument(metavar="RELEASE", help="Folder or s3:// prefix of a release: WORKSPACE/releases/NAME.")
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Folder to write to; must be empty.")],
    split: Annotated[str, typer.Option(help="Split of the release.")] = "train",
) -> None:
    """Write the chain-of-thought records of RELEASE as JSONL chats with their media, as LLaMA-Factory and TRL load them."""
    from dataengine.cli import console
    from dataengine.export.messages import export

    with console.Progress() as bar:

        def progress(done: int, total: int) -> None:
            if done == 1:
                bar.start("export", total, total)
            bar.step("export")

        written = export(release, out, split, progress)
    console.print_rows("written", [("records", f"{written.records:,}"), ("media", f"{written.media:,}")])
    console.write(f"\n{out.rstrip('/')}/")


@app.command()
@exits
def preferences(
    recipe: RecipeArgument,
    out: Annotated[str, typer.Argument(metavar="OUT", help="Folder or s3:// prefix to write to; must be empty.")],
    workspace: WorkspaceOption = None,
    signal: Annotated[
        Signal,
        typer.Option(
            "--as",
            help="pairs: a sound and a wrong reply, for DPO and MPO. rl: questions that the models answer right sometimes, with "
            "hints. steps: reasoning by step, with labels.",
        ),
    ] = Signal.pairs,
    trainer: Annotated[Trainer, typer.Option("--to", help="Whose layout. LLaMA-Factory reads pairs.")] = Trainer.trl,
    split: Annotated[str, typer.Option(help="Split of the release.")] = "train",
    most: Annotated[int, typer.Option(min=1, help="Pairs of one question at most.")] = 1,
    rows: Annotated[int, typer.Option(min=1, help="Rows a file.")] = 1000,
) -> None:
    """Write the graded reasoning paths of RECIPE's last run as JSONL for preference, reinforcement or process-reward training."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.export.preferences import Options, export
    from dataengine.pipeline import committed

    run = committed(recipes.load(recipe, workspace=workspace), "cot")
    with console.Progress() as bar:

        def progress(done: int, total: int) -> None:
            if done == 1:
                bar.start("export", total, total)
            bar.step("export")

        written = export(run, out, Options(signal, trainer, split, rows, most), progress)
    figures = [("files", len(written.files)), ("rows", written.rows), ("media", written.media)]
    figures += [(f"- left out: {reason}", count) for reason, count in written.left_out.items()]
    console.print_rows("written", [(name, f"{count:,}") for name, count in figures])
    console.write(f"\n{out.rstrip('/')}/")


@app.command("plugin")
@exits
def of_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the exporter.")],
    release: Annotated[
        str, typer.Argument(metavar="RELEASE", help="Folder or s3:// prefix of a release: WORKSPACE/releases/NAME.")
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Folder or s3:// prefix to write to; must be empty.")],
    plugin: Annotated[
        list[str] | None,
        typer.Option("--plugin", metavar="FILE", help="Python file with the exporter. (default: an installed package)"),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of the exporter.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of the release.")] = "train",
) -> None:
    """Write RELEASE by the exporter NAME of a plugin (docs/plugins.md)."""
    from dataengine.cli import console
    from dataengine.export.plugin import export, parsed

    written = export(name, release, out, split, plugin or [], parsed(option or []))
    console.print_rows("written", [(what, f"{count:,}") for what, count in written.items()])
    console.write(f"\n{out.rstrip('/')}/")
