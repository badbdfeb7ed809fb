"""The tracks of a recipe, in the order of the stages that make them. A new one is one line here."""

from __future__ import annotations

from dataengine.annotate import asr, ocr
from dataengine.annotate.captions import track as captions
from dataengine.annotate.text import track as text
from dataengine.annotate.track import Track
from dataengine.config.recipe import Recipe


def tracks(recipe: Recipe) -> list[Track]:
    """Raises UsageError where one cannot be made: its package is not installed, or its checkpoint is not there."""
    config = recipe.annotate
    if config is None:
        return []
    wanted = [
        ocr.track(config.ocr) if config.ocr else None,
        asr.track(config.asr) if config.asr else None,
        captions.track(recipe) if config.captions else None,
        text.track(judged) if (judged := config.judged_text) else None,
    ]
    return [track for track in wanted if track is not None]
