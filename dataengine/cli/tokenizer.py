"""``dataengine tokenizer``: train, evaluate, export and convert visual tokenizers."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataengine.cli.common import RecipeArgument, WorkersOption, WorkspaceOption, exits
from dataengine.errors import UsageError

if TYPE_CHECKING:
    from dataengine.config.recipe import Recipe
    from dataengine.stage import Run
    from dataengine.tokenize.kelix_plan import Plan

app = typer.Typer(help="Train, evaluate and export the visual tokenizer of a recipe.", no_args_is_help=True)


def _fitted(recipe: Recipe, show: bool = True) -> Run:
    """Run the stages down to the fitted tokenizer; the finished run."""
    from dataengine import pipeline
    from dataengine.cli import console

    with console.Progress() as progress:
        run, reports = pipeline.until(recipe, "tokenize.fit", progress)
    if show:
        console.summary(recipe, reports, dry_run=False)
    return run


@app.command()
@exits
def train(recipe: RecipeArgument, workspace: WorkspaceOption = None, workers: WorkersOption = None) -> None:
    """Train the tokenizer of RECIPE on its kept samples; a killed training resumes from its last checkpoint."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes

    run = _fitted(recipes.load(recipe, workspace=workspace, workers=workers))
    output = run.records["tokenize.fit"].parts["all"]
    rows = [(role, run.workspace.store.uri(file.key)) for role, file in sorted(output.files.items())]
    console.print_rows(f"tokenizer {output.facts['id']}", rows)


@app.command()
@exits
def plan(
    recipe: RecipeArgument,
    workspace: WorkspaceOption = None,
    measure: Annotated[
        bool,
        typer.Option("--measure/--no-measure", help="Time two real steps of each stage on the recipe's device, here."),
    ] = True,
) -> None:
    """Print what training the tokenizer of RECIPE takes, and what stands in its way: parameters, samples, memory, steps, hours.
    Nothing is written."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.tokenize.kelix_plan import COLUMNS

    training = _planned(recipes.load(recipe, workspace=workspace), measure)
    console.print_rows("model", training.model)
    console.print_rows("corpus", training.corpus)
    console.print_table("stages, on each process", COLUMNS, training.stages)
    if training.problems:
        raise UsageError("\n".join(training.problems))


def _planned(recipe: Recipe, measure: bool) -> Plan:
    from dataengine import pipeline
    from dataengine.errors import RunError
    from dataengine.models.device import start_torch
    from dataengine.tokenize.factory import configure
    from dataengine.tokenize.kelix_checks import check_config, check_corpus, corpus_of
    from dataengine.tokenize.kelix_plan import plan as planned

    config, problems, corpus = configure(_kelix(recipe, "plan"), recipe.seed), list[str](), None
    try:
        check_config(config)
        with closing(pipeline.committed_so_far(recipe)) as run:
            if "filter" in run.records and "dedup" in run.records:
                corpus = corpus_of(run, config)
                check_corpus(config, corpus)
    except (UsageError, RunError) as error:
        problems.append(str(error))
    device = start_torch(recipe.tokenize.device if recipe.tokenize else "cpu", config.training.threads)
    training = planned(config, corpus, device, measure and not problems)
    training.problems[:0] = problems
    return training


@app.command("eval")
@exits
def evaluate(
    recipe: RecipeArgument,
    workspace: WorkspaceOption = None,
    workers: WorkersOption = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Also train and evaluate a single codebook of the same total size.")
    ] = False,
    labels: Annotated[
        str | None, typer.Option(help="CSV, JSONL or Parquet table with columns id and label: a linear probe on them.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of the small decoders and language models.")] = 300,
) -> None:
    """Evaluate the tokenizer of RECIPE on held-out samples: codebook usage, and reconstruction, linear probes, retrieval and
    caption perplexity from its codes beside its continuous features. The table goes into the tokenizer's card."""
    from dataengine.cli import console
    from dataengine.config import recipe as recipes
    from dataengine.tokenize.quality import EXPLAINED, Effort, judge, rows, store

    loaded = recipes.load(recipe, workspace=workspace, workers=workers)
    labelled = _labels(labels)
    variants = {"tokenizer": loaded} | ({"one codebook": with_one_codebook(loaded)} if baseline else {})
    runs = {name: _fitted(variant, show=False) for name, variant in variants.items()}
    results = {name: judge(run, labelled, Effort(steps=steps)) for name, run in runs.items()}
    console.print_table("held-out pictures", ["", *results], rows(list(results.values())))
    print(EXPLAINED)
    print(store(runs["tokenizer"], results["tokenizer"]))


def _labels(path: str | None) -> dict[str, str] | None:
    from dataengine.tokenize.kelix.labelled import labels_of

    return labels_of(path) if path else None


@app.command()
@exits
def export(
    recipe: RecipeArgument,
    folder: Annotated[str, typer.Argument(metavar="OUT", help="Folder or s3:// prefix to write to.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Copy the trained tokenizer of RECIPE to OUT, with configuration, card (and the evaluation, if there is one) and loss curve,
    for use as a checkpoint in other recipes."""
    from dataengine.config import recipe as recipes
    from dataengine.storage.store import Store
    from dataengine.tokenize.quality import JSON, TABLE, stored

    run = _fitted(recipes.load(recipe, workspace=workspace), show=False)
    target = Store(folder)
    evaluation = stored(run)
    for role, file in run.records["tokenize.fit"].parts["all"].files.items():
        data = run.workspace.store.get(file.key)
        target.put(file.key.rpartition("/")[2], data + evaluation.get(TABLE, b"") if role == "card" else data)
    if JSON in evaluation:
        target.put(JSON, evaluation[JSON])
    print(target.uri(""))


class Form(StrEnum):
    checkpoint = "checkpoint"
    published = "published"


@app.command()
@exits
def convert(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Folder, index or .safetensors file of a published model; with --to published, a checkpoint.",
        ),
    ],
    folder: Annotated[str, typer.Argument(metavar="OUT", help="Folder or s3:// prefix to write to.")],
    to: Annotated[
        Form, typer.Option(help="A checkpoint for recipes, or weights under the published names.")
    ] = Form.checkpoint,
    config: Annotated[
        str | None,
        typer.Option(
            help="YAML file with the kelix tokenizer's fields, or the published tokenizer's config.json (default: preset kelix)."
        ),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(help="With --to published: copy this whole model, with the tokenizer in place of its own."),
    ] = None,
    prefix: Annotated[
        str, typer.Option(help="What the tokenizer's names start with in the model.")
    ] = "visual_tokenizer.",
    ignore: Annotated[
        list[str] | None, typer.Option(help="Also ignore tensors whose names start so; may be given again.")
    ] = None,
) -> None:
    """Convert a whole published Kelix model to a checkpoint for recipes (tokenizer: {name: checkpoint, path: OUT}), or a
    checkpoint back. Tensors keep their bits and types; no code of the model is run, pickle files are refused."""
    from dataengine.cli import console
    from dataengine.config import yaml_loader
    from dataengine.tokenize.factory import configure
    from dataengine.tokenize.kelix.config import KelixConfig
    from dataengine.tokenize.kelix.convert import to_checkpoint, to_published

    if to == Form.published:
        done = to_published(model, folder, into, prefix)
    else:
        if config and not config.endswith(".json"):
            settings = yaml_loader.load(config, KelixConfig)
        else:
            settings = configure({"name": "kelix", "preset": "kelix", **_published(config)})
        done = to_checkpoint(model, folder, settings, prefix, ignore or [])
    console.print_rows(done.uri, done.facts)


def _published(path: str | None) -> dict[str, Any]:
    """Fields of the kelix tokenizer for a published tokenizer's config.json. Raises UsageError."""
    from pathlib import Path

    from dataengine.errors import InputError
    from dataengine.text.bounded_json import parse_json
    from dataengine.tokenize.kelix.published_fields import settings

    if path is None:
        return {}
    try:
        return settings(dict(parse_json(Path(path).read_text())))
    except (OSError, InputError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is no JSON file with a tokenizer's configuration: {error}") from None


def _kelix(recipe: Recipe, command: str) -> dict[str, Any]:
    """Settings of the recipe's Kelix tokenizer. Raises UsageError where it has another, or none."""
    settings: dict[str, Any] = recipe.tokenize.tokenizer if recipe.tokenize else {}
    if settings.get("name") != "kelix":
        has = settings.get("name", "none: add `tokenize: {}` to it")
        raise UsageError(
            f"tokenizer {command} needs the kelix tokenizer (tokenize.tokenizer.name); the recipe has {has}"
        )
    return settings


def with_one_codebook(recipe: Recipe) -> Recipe:
    """The same recipe with all entries in one codebook. Raises UsageError for any tokenizer but kelix."""
    from dataengine.tokenize.factory import configure

    settings = _kelix(recipe, "eval")
    quantiser = configure(settings).quantiser
    joined = {**settings.get("quantiser", {}), "codebooks": 1, "entries": quantiser.codebooks * quantiser.entries}
    changed = recipe.tokenize.model_copy(update={"tokenizer": {**settings, "quantiser": joined}})  # type: ignore[union-attr]
    return recipe.model_copy(update={"tokenize": changed, "lock": None})
