"""Training pictures and random-crop batches. A batch depends on the seed and the step alone, so that interrupted training
resumes exactly."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.samples.draws import draw
from dataengine.tokenize.kelix.pixels import TOKEN

_Frames = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Picture:
    """One still or frame ``(28 h, 28 w, 3)`` with a caption ("" for none)."""

    id: str
    frame: _Frames
    caption: str = ""


def few(pictures: Iterable[Picture], most: int, side: int, seed: int) -> list[Picture]:
    """A sample of at most ``most`` pictures, each cut to a window of twice ``side`` tokens a side, chosen by id and seed. Memory
    does not depend on the sizes of pictures or the number of video frames."""
    windows = ((draw(seed, p.id, "window"), p) for p in pictures)
    small = (replace(p, frame=_window(p.frame, 2 * side * TOKEN, word)) for word, p in windows)
    return heapq.nsmallest(most, small, key=lambda p: (draw(seed, p.id, "picture"), p.id))


def _window(frame: _Frames, side: int, word: int) -> _Frames:
    top, left = (at % max(1, n - side + 1) for at, n in zip(divmod(word, 1 << 32), frame.shape, strict=False))
    return frame[top : top + side, left : left + side].copy()


class Crops:
    """Crops of ``side`` tokens a side; a smaller picture is mirrored at its edges until it is large enough."""

    def __init__(self, pictures: Sequence[Picture], side: int, count: int, seed: int) -> None:
        if not pictures:
            raise RunError("no sample to fit the tokenizer on: was everything filtered out, or held out?")
        self._pictures = sorted(pictures, key=lambda p: p.id)
        self._side, self._count, self._seed = side * TOKEN, count, seed

    def batch(self, step: int) -> tuple[_Frames, list[str]]:
        """Crops ``(count, side, side, 3)`` and their captions for one step."""
        words = np.random.PCG64([self._seed, step]).random_raw((self._count, 4))
        chosen = [self._pictures[int(n) % len(self._pictures)] for n in words[:, 0]]
        frames = np.stack([self._cut(p.frame, *map(int, w[1:])) for p, w in zip(chosen, words, strict=True)])
        return frames, [p.caption for p in chosen]

    def _cut(self, frame: _Frames, y: int, x: int, flip: int) -> _Frames:
        missing = [max(0, self._side - n) for n in frame.shape[:2]]
        if any(missing):
            frame = np.pad(frame, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
        top, left = y % (frame.shape[0] - self._side + 1), x % (frame.shape[1] - self._side + 1)
        cut = frame[top : top + self._side, left : left + self._side]
        return cut[:, ::-1] if flip % 2 else cut
