"""embed: one embedding a view and model of every distinct sample, and of captions, written once for all that compare them.

Read by semantic duplicates, the preset keye_posttrain, decontamination of CoT questions, the scorer ``clip`` and the index;
active only where one of them is in the recipe.
A file is named by what it was made from, so a reader that is added later embeds only what was not embedded before.
"""

from __future__ import annotations

from typing import Any

from dataengine.config.contamination import KeyePosttrain
from dataengine.config.recipe import Recipe
from dataengine.embed.prepared import VERSION
from dataengine.embed.worker import CAPTIONS, INNER, PICTURES, VIDEOS, EmbedWorker
from dataengine.models.encoders import encoder_of
from dataengine.samples.selection import Selection, distinct
from dataengine.samples.stage import PlannedStage
from dataengine.stage import Run, Worker


def roles_of(recipe: Recipe) -> tuple[str, ...]:
    """What the recipe's stages read: whole and inner views of pictures, videos, captions."""
    semantic = recipe.dedup.semantic
    presets = recipe.contamination.presets if recipe.contamination else []
    compared = any(isinstance(p, KeyePosttrain) for p in presets)
    compared |= any(config.get("name") == "clip" for config in recipe.score.scorers)
    compared |= recipe.index is not None and recipe.index.of != "items"
    questions = recipe.question_contamination is not None
    wanted = {
        PICTURES: compared or questions or semantic is not None,
        INNER: semantic is not None,
        VIDEOS: compared or questions,
        CAPTIONS: compared or (semantic is not None and semantic.caption_threshold is not None),
    }
    return tuple(role for role, is_read in wanted.items() if is_read)


class Embed(PlannedStage):
    """Copies are embedded, too: one that is dropped may be the one that a benchmark has."""

    name = "embed"
    version = "1"
    needs = ("dedup.unique",)

    def active(self, recipe: Recipe) -> bool:
        return bool(roles_of(recipe))

    def validate(self, recipe: Recipe) -> None:
        encoder_of(recipe).validate()

    def settings(self, recipe: Recipe) -> Any:
        return [VERSION, recipe.limits.model_dump(), encoder_of(recipe).version, roles_of(recipe)]

    def device(self, recipe: Recipe) -> str:
        return recipe.score.device

    def selection(self, run: Run) -> Selection:
        samples = distinct(run)
        return samples if VIDEOS in roles_of(run.recipe) else samples.that('u."kind" = ?', "image")

    def reads_captions(self, recipe: Recipe) -> bool:
        return CAPTIONS in roles_of(recipe)

    def worker(self, run: Run) -> Worker:
        recipe, score = run.recipe, run.recipe.score
        encoder, roles = encoder_of(recipe), roles_of(recipe)
        return EmbedWorker(recipe.limits.to_limits(), run.workspace, encoder, roles, score.device, score.threads)
