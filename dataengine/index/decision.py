"""The tree of an index as a decision that the recipe's lock keeps: new samples join it, until the settings that it was fitted
with change or ``index.rebuild`` is set."""

from __future__ import annotations

from importlib.metadata import version as installed

from dataengine.config.lock import LockedTree, kept_record, locked_files
from dataengine.config.recipe import Recipe
from dataengine.errors import RunError
from dataengine.stage import Run
from dataengine.storage.workspace import Record, digest

_STAGE = "index.tree"


def settings_digest(recipe: Recipe) -> str:
    """Digest of all settings that a tree is fitted with."""
    config = recipe.index
    if config is None:
        raise ValueError("the recipe has no index")
    return digest(config.of, config.caption_weight if config.of == "both" else None, config.leaf_size)


def kept_tree(run: Run) -> LockedTree | None:
    """The tree that the lock names for the recipe's settings; None where it has to be fitted anew."""
    entry = run.lock.content.tree
    return entry if entry is not None and not why_anew(run) else None


def why_anew(run: Run) -> str:
    """Why the tree is fitted anew, "" where the lock names one for the recipe's settings."""
    entry, place = run.lock.content.tree, run.lock.place or "the lock"
    if entry is None:
        return f"{place} names no tree of an index"
    if run.recipe.index is not None and run.recipe.index.rebuild:
        return "`index.rebuild` is set"
    if entry.settings != settings_digest(run.recipe):
        return f"the tree that {place} names was fitted with other settings (of, caption_weight or leaf_size)"
    return ""


def record(run: Run) -> Record | None:
    """The tree that the lock names; None where it is not in the workspace."""
    entry = kept_tree(run)
    return None if entry is None else kept_record(_STAGE, entry, entry.folder, run.workspace.store)


def check(run: Run, model: str) -> None:
    """Raises RunError where the tree that the lock names was fitted on vectors of another model."""
    entry = kept_tree(run)
    if entry is not None and entry.facts["model"] != model:
        raise RunError(
            f"the tree that {run.lock.place or 'the lock'} names was fitted on vectors of {entry.facts['model']}, and these are "
            f"of {model}: vectors of two models cannot be compared. Go back to that model, or set `index.rebuild: true`"
        )


def keep(run: Run) -> str:
    """Name the run's tree in the lock. Returns a sentence for a person, "" where nothing is new. Raises RunError where the lock
    names another tree that is not in the workspace."""
    output, reason = run.records[_STAGE].parts["all"], why_anew(run)
    kept, earlier = kept_tree(run), run.lock.content.tree
    if kept is not None:
        if kept.id != output.facts["id"]:
            raise RunError(
                f"{run.lock.place} names tree {kept.id}, but it is not in this workspace "
                f"({run.workspace.store.uri(kept.folder)}), and fitting it again here gives another one "
                f"({output.facts['id']}), for the samples are others. Copy that folder from the workspace where it was "
                "fitted, or set `index.rebuild: true`"
            )
        return ""
    folder = next(iter(output.files.values())).key.rpartition("/")[0]
    entry = LockedTree(
        id=output.facts["id"],
        settings=settings_digest(run.recipe),
        engine=installed("dataengine-multimodal"),
        folder=folder,
        counts=output.counts,
        facts=output.facts,
        files=locked_files(output),
    )
    failure = run.lock.keep(tree=entry)
    if entry == earlier or run.lock.place is None:
        return ""
    anew = f" (fitted anew: {reason})" if earlier is not None else ""
    if failure:
        return f"tree {entry.id}{anew} is in no lock, so new samples fit it again: {run.lock.place}: {failure}"
    return f"tree {entry.id} is kept by {run.lock.place}{anew}"
