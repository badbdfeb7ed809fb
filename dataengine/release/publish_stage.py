"""Publish stage: copies the finished release to the recipe's ``release.publish``, as the last stage."""

from __future__ import annotations

from typing import Any

from dataengine.config.recipe import Recipe
from dataengine.errors import UsageError
from dataengine.release.publish import publish
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output


class ReleasePublish(TableStage):
    """Up to date as long as the release is the one that was published; a changed release needs another target."""

    name = "release.publish"
    version = "1"
    needs = ("release",)

    def active(self, recipe: Recipe) -> bool:
        return recipe.release.publish is not None

    def validate(self, recipe: Recipe) -> None:
        target = recipe.release.publish or ""
        if "://" in target and not target.startswith("s3://"):
            raise UsageError(f"release.publish: {target} is neither a folder nor s3://bucket/prefix")

    def settings(self, recipe: Recipe) -> Any:
        return recipe.release.publish

    def compute(self, run: Run, key: str) -> Output:
        release = run.workspace.store.uri(f"releases/{run.recipe.name}")
        publication = publish(release, run.recipe.release.publish or "")
        return Output({}, {"files": publication.files, "bytes": publication.bytes}, {"target": publication.target})
