"""Pictures of the GPU check, and rates of stages' workers over them."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import workers
from PIL import Image
from sklearn.datasets import load_sample_images

from dataengine.stage import Feed, Part
from dataengine.storage.workspace import Workspace

_AT_ONCE = 2


@dataclass
class Row:
    model: str
    way: str
    rate: float
    bare: float

    def __str__(self) -> str:
        share = self.rate / self.bare
        return f"| {self.model} | {self.way} | {self.rate:,.0f} | {share:.3f} |"


def jpegs(count: int) -> list[bytes]:
    """Different crops of two photographs, 500 × 375."""
    draw = np.random.default_rng(0)
    photos = [Image.fromarray(picture) for picture in load_sample_images().images]
    crops = []
    for n in range(count):
        left, top = int(draw.integers(0, 140)), int(draw.integers(0, 52))
        out = io.BytesIO()
        photos[n % 2].crop((left, top, left + 500, top + 375)).save(out, "JPEG", quality=90)
        crops.append(out.getvalue())
    return crops


def rate(work: Callable[[], int], seconds: float) -> float:
    """Pictures a second of ``work``, which gives their number; repeated for ``seconds`` after one round to warm up."""
    work()
    _wait()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        count += work()
        _wait()
    return count / (time.perf_counter() - start)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@dataclass
class Corpus:
    """JPEGs, and the parts of a stage over them."""

    workspace: Workspace
    jpegs: list[bytes]
    parts: list[Part]

    def through(
        self, title: str, make: Callable[[], Any], bare: float, children: Sequence[int], seconds: float
    ) -> Iterator[str]:
        """Rows of a stage's worker with so many decode children, fed as beside a GPU."""
        for n in children:
            worker = make()
            worker.feed = Feed(n, _AT_ONCE)
            yield str(Row("", f"{title}, {n}", rate(lambda: workers.made(worker, self.parts, _AT_ONCE), seconds), bare))  # noqa: B023
            worker.close()
