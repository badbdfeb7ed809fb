"""What is searched: a recipe's index, that in a release, or where a release has none that of the workspace it lies in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine.browse.query import Queries
from dataengine.config import recipe as recipes
from dataengine.config.packaged import is_recipe
from dataengine.errors import UsageError
from dataengine.index.manifest import pointed
from dataengine.index.search import Index, Mask, open_index
from dataengine.index.vectors_stage import of_samples
from dataengine.media.limits import Limits
from dataengine.release.index_stages import MANIFEST
from dataengine.shards.json_types import known
from dataengine.storage.store import Store

if TYPE_CHECKING:
    from dataengine.config.recipe import Recipe
    from dataengine.models.encoders import Encoder
    from dataengine.release.reader import Published
    from dataengine.stage import Run


@dataclass(frozen=True)
class Target:
    """An opened index. ``run``: has the annotations, or raises UsageError; ``release``: what is searched, of a workspace's index
    the kept samples alone (``masked``)."""

    index: Index
    limits: Limits
    encoder: Callable[[], Encoder]
    run: Callable[[], Run]
    release: Published | None = None
    masked: bool = False

    def queries(self) -> Queries:
        return Queries(self.index.manifest, self.encoder, self.limits)

    def allowed(self, where: str | None) -> Mask | None:
        """Rows that may be hits; None: all. Raises UsageError for a condition that cannot be evaluated."""
        masks = list[Mask]()
        if where is not None:
            from dataengine.browse.where import ids_where

            masks.append(self._mask(ids_where(self.run(), where)))
        if self.release is not None and self.masked:
            masks.append(self._mask(self.release.inputs(lambda t: pc.equal(t["outcome"], pa.scalar("kept")))["id"]))
        if not masks:
            return None
        allowed: Mask = np.logical_and.reduce(masks)
        return allowed

    def _mask(self, ids: pa.ChunkedArray[Any]) -> Mask:
        mask = pc.is_in(self.index.ids(), value_set=ids.combine_chunks())
        return np.asarray(mask.to_numpy(zero_copy_only=False), np.bool_)


def open_target(place: str, workspace: str | None, recipe: str | None = None) -> Target:
    """``recipe``: what made a release, for annotations and for the encoder of queries. Raises UsageError where there is no
    index."""
    if is_recipe(place):
        if recipe is not None:
            raise UsageError("--recipe is for a release; here the recipe is named already")
        return _of_recipe(place, workspace)
    if workspace is not None:
        raise UsageError("--workspace is for a recipe; a release is read from its own place")
    return _of_release(place, recipe)


def _of_recipe(place: str, workspace: str | None) -> Target:
    loaded = recipes.load(place, workspace=workspace)
    if loaded.index is None:
        raise UsageError(f"{place} has no index: add `index: {{of: both}}` to it and run `dataengine run {place}`")
    index = open_index(loaded.workspace, pointed(Store(loaded.workspace), loaded.name, loaded.index))

    def encoder() -> Encoder:
        from dataengine.models.encoders import encoder_of

        return encoder_of(loaded)

    return Target(index, loaded.limits.to_limits(), encoder, lambda: _run_of(loaded))


def _run_of(recipe: Recipe) -> Run:
    """The run whose annotations a condition reads. Raises UsageError where it is not up to date."""
    from dataengine.pipeline import committed

    return committed(recipe, "filter" if of_samples(recipe) else "index")


def _of_release(place: str, recipe_place: str | None) -> Target:
    from dataengine.release.reader import open_release

    release = open_release(place)
    section = known(release.manifest.index, None)
    if section is None:
        raise UsageError(f"{place} was made without an index: add `index: {{of: both}}` to its recipe and run it again")
    inside = known(section.released, None) is not None
    workspace, separator, _ = release.store.url.rpartition("/releases/")
    if not inside and not separator:
        raise UsageError(
            f"the index of this release stays in the workspace that made it, and {place} lies in none (WORKSPACE/releases/NAME): "
            "search there, or by its RECIPE; with `index: {release: true}` the next release has an index of its own"
        )

    recipe = None if recipe_place is None else recipes.load(recipe_place, workspace=None if inside else workspace)

    def encoder() -> Encoder:
        from dataengine.models.encoders import StandIn, encoder_of

        if recipe is not None:
            return encoder_of(recipe)
        encoder = StandIn()
        if encoder.version != section.model:
            raise UsageError(
                f"a query needs {section.model}, the model of this release's index: name a recipe that says where its "
                "checkpoint lies (--recipe RECIPE)"
            )
        return encoder

    def run() -> Run:
        if recipe is None:
            raise UsageError(
                "--where reads annotations, which lie in the workspace and in no release: name the recipe that made it, "
                "--recipe RECIPE"
            )
        if recipe.name != release.manifest.name:
            raise UsageError(
                f"--recipe {recipe_place} makes release {recipe.name}, and this one is {release.manifest.name}: name the recipe "
                "that made it, for --where"
            )
        return _run_of(recipe)

    index = open_index(release.store.url, MANIFEST) if inside else open_index(workspace, section.manifest)
    return Target(index, Limits(), encoder, run, release, masked=not inside)
