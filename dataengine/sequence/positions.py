"""Position ids of a document for 1D RoPE and for the 3D RoPE (t, h, w) of Qwen-VL and Keye-VL-1.5.

Text counts up in all three axes. A picture or frame has its row and column on the last two; what follows it goes on from the
largest of them. Qwen2.5-VL (arXiv 2502.13923) gives a video's frames ``t`` by their time, 2 steps a second; in Keye-VL-1.5's code
each frame is a block of its own with its time as text before it, so ``t`` goes on from the largest, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dataengine.sequence.model import MediaSpan

#: Steps of ``t`` a second (``tokens_per_second`` in Qwen2.5-VL's vision configuration).
STEPS_A_SECOND = 2


def text_positions(length: int) -> NDArray[np.int32]:
    """(L,) 0, 1, 2, …"""
    return np.arange(length, dtype=np.int32)


def rope_3d(length: int, media: Sequence[MediaSpan], by_time: bool) -> NDArray[np.int32]:
    """(3, L) positions of a document whose pictures and frames are ``media``, in order. ``by_time``: frames that follow one
    another without text between them are one video, whose ``t`` follows its frames' seconds."""
    out = np.empty((3, length), np.int32)
    at = base = 0
    for run in _videos(media, by_time):
        text = run[0].start - at
        out[:, at : run[0].start] = base + np.arange(text)
        base += text
        first = run[0].seconds
        largest = base
        for span in run:
            t = base + (max(0, round((span.seconds - first) * STEPS_A_SECOND)) if by_time and first >= 0 else 0)
            _, h, w = span.grid
            out[0, span.start : span.stop] = t
            out[1, span.start : span.stop] = base + np.repeat(np.arange(h), w)
            out[2, span.start : span.stop] = base + np.tile(np.arange(w), h)
            largest = max(largest, t, base + h - 1, base + w - 1)
        at, base = run[-1].stop, largest + 1
    out[:, at:] = base + np.arange(length - at)
    return out


def _videos(media: Sequence[MediaSpan], by_time: bool) -> list[list[MediaSpan]]:
    """Frames that are one block of positions."""
    runs: list[list[MediaSpan]] = []
    for span in media:
        if by_time and runs and span.seconds >= 0 and runs[-1][-1].stop == span.start:
            runs[-1].append(span)
        else:
            runs.append([span])
    return runs
