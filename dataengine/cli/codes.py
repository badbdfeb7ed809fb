"""``dataengine codes``: quantitative codes of a table of embeddings, and of a recipe's samples as a table."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from dataengine.cli.common import RecipeArgument, WorkspaceOption, exits

app = typer.Typer(
    help="Describe embeddings by discrete codes (semantic ids): fit, encode, export.", no_args_is_help=True
)


class Preset(StrEnum):
    qarm = "qarm"
    onerec = "onerec"


EmbeddingsArgument = Annotated[
    str, typer.Argument(metavar="EMBEDDINGS", help="Parquet file or s3:// object with columns `pid` and `embedding`.")
]
ModelOption = Annotated[
    str, typer.Option(help="Name of the model that the embeddings are of; codebooks of another model are refused.")
]


@app.command()
@exits
def fit(
    embeddings: EmbeddingsArgument,
    out: Annotated[str, typer.Argument(metavar="OUT", help="File to write the codebooks to, as NAME.safetensors.")],
    preset: Annotated[
        Preset, typer.Option(help="qarm: six levels. onerec: three levels of 8192 codes.")
    ] = Preset.onerec,
    levels: Annotated[int | None, typer.Option(min=1, max=26, help="Levels, instead of the preset's.")] = None,
    size: Annotated[int | None, typer.Option(min=1, max=65_536, help="Codes a level, instead of the preset's.")] = None,
    vq_items: Annotated[int, typer.Option(min=0, max=1_000_000, help="Items of VQ codes; 0: no VQ codes.")] = 0,
    nearest: Annotated[int, typer.Option(min=1, max=1000, help="Items of a VQ code.")] = 25,
    samples: Annotated[int, typer.Option(min=1, help="Vectors to fit on, at most.")] = 200_000,
    iterations: Annotated[int, typer.Option(min=1, max=1000, help="Iterations of k-means a level.")] = 15,
    seed: Annotated[int, typer.Option(min=0, help="What is drawn depends on it.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the fit; they change no result.")] = 1,
    model: ModelOption = "",
) -> None:
    """Fit codebooks (residual k-means, QARM) on EMBEDDINGS. Interrupted, it goes on with the level that it was at."""
    from dataengine.cli import console
    from dataengine.config.index_codes import CodesConfig, VqConfig
    from dataengine.index.codes import parquet_tables

    vq = VqConfig(items=vq_items, nearest=min(nearest, vq_items)) if vq_items else None
    shape: dict[str, Any] = {"preset": preset.value, "levels": levels, "size": size}
    config = CodesConfig(**shape, vq=vq, fit_samples=samples, iterations=iterations, threads=threads)
    codebooks = parquet_tables.fit(embeddings, out, config, seed, model)
    rows = [
        ("codebooks", codebooks.id),
        ("levels", ", ".join(f"{n:,}" for n in codebooks.sizes)),
        ("components", f"{codebooks.dim:,}"),
    ]
    console.print_rows(out, [*rows, ("VQ items", f"{len(codebooks.item_ids):,}")])


@app.command()
@exits
def encode(
    embeddings: EmbeddingsArgument,
    codebooks: Annotated[
        str,
        typer.Argument(
            metavar="CODEBOOKS",
            help="File of `codes fit` or of a workspace's index/codebooks, or published weights (.safetensors, .pt, .bin).",
        ),
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Parquet file to write: `pid` and `codes`.")],
    model: ModelOption = "",
    text: Annotated[
        bool, typer.Option("--text", help="Add `semantic_id`: <|sid_begin|><s_a_340>…<|sid_end|>.")
    ] = False,
) -> None:
    """Write the codes of EMBEDDINGS by fitted CODEBOOKS; a row without a usable vector has none."""
    from dataengine.cli import console
    from dataengine.index.codes import codebooks as files
    from dataengine.index.codes import parquet_tables

    written = parquet_tables.encode(embeddings, files.read(codebooks), out, model, text)
    without = [(f"- without codes: {why}", f"{n:,}") for why, n in sorted(written.without.items())]
    console.print_rows(out, [("rows", f"{written.rows:,}"), *without, *_quality(written.quality)])


@app.command()
@exits
def export(
    recipe: RecipeArgument,
    out: Annotated[
        str,
        typer.Argument(metavar="OUT", help="Folder or s3:// prefix for codes.parquet (`pid`, `codes`)."),
    ],
    workspace: WorkspaceOption = None,
    every: Annotated[bool, typer.Option("--all", help="Also samples that the filter policy has dropped.")] = False,
) -> None:
    """Write the codes of RECIPE's kept samples, with VQ codes where it has them and `semantic_id`; its index must be made."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.export.codes import export as write

    written = write(recipes.load(recipe, workspace=workspace), out, every)
    console.print_rows(out, [("rows", f"{written.rows:,}"), *_quality(written.quality)])


def _quality(quality: dict[str, Any]) -> list[tuple[str, str]]:
    """How good the codes are, as rows for a person."""
    error = (
        [] if quality["error"] is None else [("error: lost of a vector's squared length", f"{quality['error']:.1%}")]
    )
    levels = [
        (f"level {n}: codes used, perplexity", f"{one['used']:.1%} of {one['size']:,}, {one['perplexity']:,.1f}")
        for n, one in enumerate(quality["levels"], 1)
    ]
    return [*error, ("share all codes with another", f"{quality['collision_rate']:.1%}"), *levels]
