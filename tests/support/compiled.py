"""What a decode child compiles: at import, and at the first call, when it may not keep it."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from dataengine.media.video.similarity import similarity


@numba.njit(cache=True)
def _doubled(number: Any) -> Any:
    return 2 * number


def compute(context: None, item: int) -> tuple[float, int]:
    """The similarity of two black pictures, and twice the item."""
    black = np.zeros((28, 28, 3), np.uint8)
    return similarity(black, black), int(_doubled(item))
