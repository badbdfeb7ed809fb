"""What is browsed: a recipe's workspace, or a release alone, as tables of one DuckDB database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock

from dataengine import contracts
from dataengine.browse.shard_search import ShardSearch, search_of
from dataengine.browse.view_engine import ViewEngine
from dataengine.config import recipe as recipes
from dataengine.config.packaged import is_recipe
from dataengine.errors import UsageError
from dataengine.pipeline import committed_so_far
from dataengine.release.ledger import is_ledger
from dataengine.release.reader import Published, open_release
from dataengine.stage import Run
from dataengine.storage.workspace import File, Workspace


@dataclass(frozen=True)
class Session:
    """``run``: of a recipe, with the commits of its stages that are up to date; ``published``: a finished release, of that recipe
    where it is finished. One of them is there. ``lock``: held by who uses the engine's own connection while others may, too."""

    engine: ViewEngine
    run: Run | None = None
    published: Published | None = None
    place: str = ""
    lock: RLock = field(default_factory=RLock, repr=False, compare=False)

    @cached_property
    def ledger(self) -> str:
        """contracts.LEDGER of a release that is named without its recipe."""
        assert self.published is not None
        release = self.published
        listed = [f for f in release.manifest.files if is_ledger(f.path)]
        files = [File(f.path, f.sha256, f.bytes, 1) for f in listed]
        return self.engine.scan(Workspace(release.store.url), files, contracts.LEDGER)

    @cached_property
    def shards(self) -> ShardSearch:
        """Finds samples in the shards of the release; there must be one."""
        assert self.published is not None
        return search_of(self.engine, self.lock, self.published)

    def needed(self, *stages: str) -> Run:
        """The run. Raises UsageError where a stage is not up to date, or there is no recipe."""
        if self.run is None:
            raise UsageError(f"{self.place} is a release: name its RECIPE, whose workspace has the scores")
        for stage in stages:
            if stage not in self.run.records:
                raise UsageError(
                    f"{stage} is not up to date: run `dataengine {stage.partition('.')[0]} {self.place}` first"
                )
        return self.run


@contextmanager
def opened(place: str, workspace: str | None = None) -> Iterator[Session]:
    """A recipe (.yaml) or release. Nothing is written. Raises UsageError, RunError."""
    with closing(ViewEngine()) as engine:
        if is_recipe(place):
            loaded = recipes.load(place, workspace=workspace)
            yield of_run(engine, committed_so_far(loaded), place)
        elif workspace is not None:
            raise UsageError("--workspace is for a recipe; a release is read from its own place")
        else:
            yield Session(engine, published=open_release(place), place=place)


def of_run(engine: ViewEngine, run: Run, place: str = "") -> Session:
    """A session over the commits that ``run`` knows."""
    browsed = Run(run.recipe, engine.table_engine)
    browsed.records = dict(run.records)
    release = None
    if "release" in run.records:
        release = open_release(run.workspace.store.uri(f"releases/{run.recipe.name}"))
    return Session(engine, browsed, release, place)
