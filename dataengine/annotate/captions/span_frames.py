"""Prepares frames of the parts of a video for the encoder that matches captions with them. Runs in the decode child."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video import reader


class Preparer(Protocol):
    """Of a scorer or an encoder what runs in the decode child."""

    frames: int
    """Of each part, from the middles of equal spans, as of whole videos."""

    def prepare(self, frames: Sequence[Pixels]) -> Any: ...


def prepare(context: tuple[Limits, Preparer], item: tuple[bytes, list[tuple[float, float]]]) -> list[Any]:
    """``item`` is (media bytes, start and end of each part in seconds); of each part what the encoder takes of its frames. All
    parts share one decoding pass. Raises InputError."""
    limits, encoder = context
    data, spans = item
    clip = reader.probe(data, limits)
    middles = (np.arange(encoder.frames) + 0.5) / encoder.frames
    wanted = [np.unique(clip.at(start + middles * (end - start))) for start, end in spans]
    every = np.unique(np.concatenate(wanted))
    frames = reader.stream(data, clip, every)
    prepared = {int(index): encoder.prepare([frame]) for index, frame in zip(every, frames, strict=True)}
    return [np.concatenate([prepared[int(index)] for index in some]) for some in wanted]
