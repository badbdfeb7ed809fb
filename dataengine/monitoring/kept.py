"""What ``dataengine gc`` must keep for recipes: what their last runs used, and what their next ones would."""

from __future__ import annotations

from collections.abc import Sequence

from dataengine.config import lock
from dataengine.monitoring import run_log
from dataengine.progress import StageReport
from dataengine.storage.garbage import Kept
from dataengine.storage.store import Store

#: An object for each recipe that was given up.
_FORGOTTEN = "forgotten"
#: Folders with a folder a recipe, where every recipe leaves something.
_OF_RECIPES = ("partitions", "continued", "costs")


def of_last_run(store: Store, recipe: str) -> Kept:
    """The results that the last runs of a recipe have made or passed; all parts of what these have not finished."""
    log = run_log.read(store, recipe)
    commits = {entry.origin.record for entry in log.stages.values() if entry.origin is not None}
    files = {key for entry in log.stages.values() for key in entry.files}
    unfinished = {name for name, entry in log.stages.items() if entry.state not in ("done", "up to date")}
    if log.run is None or log.run.state != "finished":
        unfinished |= set(log.run.stages if log.run else ()) - set(log.stages)
    return Kept(frozenset(commits), frozenset(files), frozenset(unfinished), log.unreadable)


def of_plan(reports: Sequence[StageReport]) -> Kept:
    """What the next run of a recipe would use, by the ``reports`` of a dry run; all parts of what it would go on with."""
    commits = {r.origin.record for r in reports if r.origin is not None and r.record is not None}
    records = [r.record for r in reports if r.record is not None]
    files = {file.key for record in records for out in record.parts.values() for file in out.files.values()}
    unfinished = {r.name for r in reports if r.state in ("pending", "waiting")}
    return Kept(frozenset(commits), frozenset(files), frozenset(unfinished))


def of_releases(store: Store) -> Kept:
    """Fitted models that the locks of the workspace's releases name, which releases that continue them need. Raises UsageError
    for a lock of another version."""
    models = set[str]()
    for name in _released(store):
        kept = lock.read(store.uri(f"releases/{name}/lock.yaml")) or lock.Lock()
        fits = (kept.tokenizer, kept.text_tokenizer, kept.projection, kept.codebooks)
        models |= {fit.id for fit in fits if fit is not None}
        models |= {kept.tree.folder.rpartition("/")[2]} if kept.tree is not None else set()
    return Kept(models=frozenset(models))


def unknown_recipes(store: Store, known: Sequence[str]) -> list[str]:
    """Recipes that have worked in the workspace, and of which no run has reported: an engine before this log made what they have,
    or the log could not be written. Those that were forgotten are none."""
    names = {*_released(store), *(entry.key.split("/")[1] for folder in _OF_RECIPES for entry in store.list(folder))}
    forgotten = {entry.key.split("/")[1].removesuffix(".json") for entry in store.list(_FORGOTTEN)}
    return sorted(names - forgotten - set(known))


def forget(store: Store, recipe: str) -> None:
    """Delete the log of a recipe: what only it needs is garbage from now on. Its release stays."""
    store.put(f"{_FORGOTTEN}/{recipe}.json", b"{}")
    store.delete([entry.key for entry in store.list(f"runs/{recipe}")])


def _released(store: Store) -> set[str]:
    """Names of the releases that were made in the workspace."""
    keys = (entry.key.split("/") for entry in store.list("stages/release"))
    return {parts[2].removesuffix(".json") for parts in keys if len(parts) == 3}
