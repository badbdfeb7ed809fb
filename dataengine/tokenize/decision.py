"""A fitted tokenizer as a decision that the recipe's lock keeps: across moved thresholds and new batches, until the settings it
was fitted with change or ``tokenize.refit`` is set."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version as installed

from dataengine.config.lock import FittedOn, LockedTokenizer, kept_record, locked_files
from dataengine.config.recipe import Recipe
from dataengine.errors import RunError
from dataengine.plugins.offers import Plugin
from dataengine.plugins.origin import Origin
from dataengine.stage import Run
from dataengine.storage.workspace import Record, digest
from dataengine.tokenize.external import ExternalConfig
from dataengine.tokenize.factory import configure, of_plugin

_STAGE = "tokenize.fit"
#: What draws are for.
HELD_OUT = "held out"


def settings_digest(recipe: Recipe) -> str:
    """Digest of all settings that a tokenizer is fitted with; of a checkpoint, of its bytes."""
    block = recipe.tokenize
    if block is None:
        raise ValueError("the recipe has no tokenizer")
    config = configure(block.tokenizer, recipe.seed, recipe.plugins)
    if isinstance(config, ExternalConfig):
        return digest(config.identity())
    code = [plugin.code for plugin in plugins_of(recipe)]
    return digest(config.model_dump(mode="json"), block.fit_samples, block.held_out, recipe.seed, *code)


def plugin_of(recipe: Recipe) -> Origin | None:
    """The recipe's tokenizer, where a plugin has it."""
    return None if recipe.tokenize is None else of_plugin(recipe.tokenize.tokenizer.get("name"), recipe.plugins)


def kept_tokenizer(run: Run) -> LockedTokenizer | None:
    """The tokenizer that the lock names for the recipe's settings; None where it has to be fitted anew."""
    entry = run.lock.content.tokenizer
    return entry if entry is not None and not why_anew(run) else None


def why_anew(run: Run) -> str:
    """Why the tokenizer is fitted anew, "" where the lock names one for the recipe's settings."""
    entry, place = run.lock.content.tokenizer, run.lock.place or "the lock"
    if entry is None:
        return f"{place} names no tokenizer"
    if run.recipe.tokenize is not None and run.recipe.tokenize.refit:
        return "`tokenize.refit` is set"
    if entry.settings != settings_digest(run.recipe):
        return (
            f"the tokenizer that {place} names was fitted with other settings (tokenizer, fit_samples, held_out, seed) or by "
            "another plugin"
        )
    return ""


def record(run: Run) -> Record | None:
    """The result of the fit that the lock names; None where it is not in the workspace."""
    entry = kept_tokenizer(run)
    return None if entry is None else kept_record(_STAGE, entry, f"tokenizers/{entry.id}", run.workspace.store)


def held_out_bound(run: Run) -> int | None:
    """The largest draw of samples that the kept tokenizer was not fitted on, and must not have been; -1 where it was fitted on
    all; None where no tokenizer is kept."""
    entry = kept_tokenizer(run)
    return None if entry is None else int(entry.fitted_on.held_out_below or "-1", 16)


def keep(run: Run, fitted_on: FittedOn) -> str:
    """Name the run's tokenizer in the lock, with what it was fitted on. Returns a sentence for a person."""
    output, reason = run.records[_STAGE].parts["all"], why_anew(run)
    earlier = run.lock.content.tokenizer
    entry = LockedTokenizer(
        id=output.facts["id"],
        settings=settings_digest(run.recipe),
        engine=installed("dataengine-multimodal"),
        fitted_on=fitted_on,
        counts=output.counts,
        facts=output.facts,
        files=locked_files(output),
    )
    failure = run.lock.keep(tokenizer=entry)
    if entry == earlier or run.lock.place is None:
        return ""
    anew = f" (fitted anew: {reason})" if earlier is not None else ""
    if failure:
        return (
            f"tokenizer {entry.id}{anew} is in no lock, so a moved threshold fits it again: {run.lock.place}: {failure}. Name a "
            "place that can be written as `lock:` in the recipe"
        )
    return f"tokenizer {entry.id} is kept by {run.lock.place}{anew}"


def check(run: Run) -> None:
    """Raises RunError where the run's tokenizer is not the one that the lock names."""
    entry = kept_tokenizer(run)
    fitted = run.records[_STAGE].parts["all"].facts["id"]
    if entry is not None and entry.id != fitted:
        raise RunError(f"{_elsewhere(run, entry)}, and fitting it again here gives another one ({fitted}). {_ADVICE}")


def check_samples(run: Run, fitted_on: Callable[[Run], FittedOn]) -> None:
    """Before the tokenizer that the lock names is fitted again. Raises RunError where it was fitted on other samples."""
    entry = kept_tokenizer(run)
    if entry is None or entry.fitted_on.digest == fitted_on(run).digest:
        return
    count = entry.fitted_on.samples
    raise RunError(
        f"{_elsewhere(run, entry)}, nor can it be fitted again: its {count:,} samples were others. {_ADVICE}"
    )


_ADVICE = (
    "Copy this folder from the workspace where it was fitted; or name an exported one in the recipe, as `tokenizer: {name: "
    "checkpoint, path: FOLDER}`; or set `tokenize.refit: true`, and all samples are encoded again"
)


def _elsewhere(run: Run, entry: LockedTokenizer) -> str:
    where = run.workspace.store.uri(f"tokenizers/{entry.id}")
    return f"{run.lock.place} names tokenizer {entry.id}, but it is not in this workspace ({where})"


def plugins_of(recipe: Recipe) -> tuple[Plugin, ...]:
    """What a worker needs to load the recipe's tokenizer."""
    origin = plugin_of(recipe)
    return (origin.plugin,) if origin is not None else ()
