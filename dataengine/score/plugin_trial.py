"""Tries the scorers of plugins on a made picture: what no look at a class can tell."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from dataengine.config.recipe import Recipe
from dataengine.errors import UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.plugins.failure import ERROR, in_words
from dataengine.score.factory import of_recipe
from dataengine.score.plugin import (
    AnyOfModel,
    Fault,
    PluginEmbeddingScorer,
    PluginFileScorer,
    PluginPixelScorer,
    PluginScorer,
    rows_of,
)

_SIZE = (96, 128, 3)


def try_scorers(recipe: Recipe) -> None:
    """Raises UsageError where a plugin's scorer raises, or gives another form than its ``fields`` state; names every mistake."""
    mistakes = []
    for scorer in of_recipe(recipe):
        if isinstance(scorer, PluginScorer) and (wrong := fault_of(scorer)) is not None:
            mistakes.append(f"score.scorers: {scorer.origin}: {wrong.message}")
    if mistakes:
        raise UsageError("\n".join(mistakes))


def fault_of(scorer: PluginScorer) -> Fault | None:
    """What goes wrong on a picture, alone and as all frames of a video. That the scorer declines it by an InputError is no
    fault."""
    pixels: Pixels = np.random.default_rng(0).integers(0, 256, _SIZE, np.uint8)
    prepared, captions = _arguments(scorer, pixels)
    faults = [one for one in scorer.outcomes(prepared, captions) if isinstance(one, Fault)]
    if faults or not isinstance(scorer, AnyOfModel):
        return next((fault for fault in faults if fault.failure == ERROR), None)
    values = [one["value"] for one in prepared] if isinstance(scorer, PluginPixelScorer) else prepared
    try:  # as one batch, too
        rows_of(scorer, values, captions)
    except Exception as error:
        return Fault(ERROR, in_words(error))
    return None


def _arguments(scorer: PluginScorer, pixels: Pixels) -> tuple[list[Any], list[Any]]:
    if isinstance(scorer, PluginPixelScorer):
        scorer.setup("cpu", 1)
        return [scorer.prepare([pixels]), scorer.prepare([pixels] * scorer.frames)], [["a picture"], []]
    if isinstance(scorer, PluginEmbeddingScorer):
        unit = np.eye(1, scorer.encoder.dims[0], dtype=np.float32)
        return [unit[0]], [unit]
    if isinstance(scorer, PluginFileScorer) and "image" in scorer.kinds:
        return [scorer.prepare_file(_png(pixels), Limits())], [[]]
    return [], []


def _png(pixels: Pixels) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    return out.getvalue()
