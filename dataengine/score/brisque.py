"""BRISQUE: no-reference image quality by the regression that its authors trained on the LIVE database, from a package."""

from __future__ import annotations

import pickletools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.media.image.brisque import FEATURES, features
from dataengine.media.image.pixels import Pixels
from dataengine.media.image.quality import at_most
from dataengine.score.base import Columns, stored
from dataengine.storage.pinned_packages import BRISQUE

_SIDE = 768
"""Longer side at which it is measured: that of the pictures of the LIVE database."""


class Brisque:
    """``brisque``: about 0 to 100, undistorted photographs below 30. Of a video the mean over its frames."""

    name = "brisque"
    version = f"live-{BRISQUE.sha256[:8]}-1"
    fields = [pa.field("brisque", pa.float64())]  # noqa: RUF012
    frames = 4
    min_side: int | None = None

    def validate(self) -> None: ...

    def prepare(self, frames: Sequence[Pixels]) -> Any:
        """``(F, 36)``."""
        return np.stack([features(at_most(frame, _SIDE)) for frame in frames])

    def setup(self, device: str, threads: int) -> None:
        self._low, self._high = _ranges(BRISQUE.read("brisque/models/normalize.pickle"))
        self._weights, self._vectors, self._gamma, self._rho = _regression(BRISQUE.read("brisque/models/svm.txt"))

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        return {"brisque": [stored(float(np.mean([self._quality(frame) for frame in p]))) for p in prepared]}

    def _quality(self, frame: NDArray[np.float64]) -> float:
        scaled = -1 + 2 * (frame - self._low) / (self._high - self._low)
        distances = np.square(self._vectors - scaled).sum(axis=1)
        return float(self._weights @ np.exp(-self._gamma * distances)) - self._rho


def _ranges(data: bytes) -> NDArray[np.float64]:
    """Least and greatest value of each feature; the pickle's numbers are listed, and nothing of it runs."""
    numbers = [value for code, value, _ in pickletools.genops(data) if code.name == "BINFLOAT"]
    if len(numbers) != 2 * FEATURES:
        raise RunError(f"{BRISQUE.archive}: expected {2 * FEATURES} ranges, got {len(numbers)}")
    return np.array(numbers).reshape(2, FEATURES)


def _regression(data: bytes) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Weights, support vectors, width of the kernel and offset of a LIBSVM regression."""
    head, _, body = data.decode("ascii").partition("SV\n")
    settings = dict(line.split(" ", 1) for line in head.splitlines())
    rows = [line.split() for line in body.splitlines()]
    vectors = np.zeros((len(rows), FEATURES))
    for n, row in enumerate(rows):
        for place, value in (cell.split(":") for cell in row[1:]):
            vectors[n, int(place) - 1] = float(value)
    return np.array([float(row[0]) for row in rows]), vectors, float(settings["gamma"]), float(settings["rho"])
