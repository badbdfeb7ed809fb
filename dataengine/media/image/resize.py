"""Native-resolution resizing (smart_resize): sides are multiples of the patch size, aspect ratio kept, tokens within bounds."""

from __future__ import annotations

import math

from dataengine.errors import InputError

PATCH = 28
_MAX_ASPECT = 200


def smart_resize(height: int, width: int, *, min_tokens: int, max_tokens: int, patch: int = PATCH) -> tuple[int, int]:
    """``(height, width)`` in pixels, multiples of ``patch``, with ``min_tokens`` to ``max_tokens`` patches.

    The rule of the Keye processors (Keye-VL-1.5, arXiv 2509.01563, and keye-vl-utils): round to the nearest patch; past
    a bound, scale both sides by one ratio, down or up to whole patches. A strip longer than ``max_tokens`` times its
    short side still gets one row, and so may pass the bound. Raises InputError for an aspect ratio above 200.
    """
    if max(height, width) > _MAX_ASPECT * min(height, width):
        raise InputError(
            "aspect",
            f"{width}×{height}: the aspect ratio is above {_MAX_ASPECT}; drop such media by a policy rule on `aspect`",
        )
    h, w = (max(1, round(side / patch)) for side in (height, width))
    if h * w > max_tokens:
        ratio = math.sqrt(height * width / (max_tokens * patch**2))
        h, w = (max(1, math.floor(side / ratio / patch)) for side in (height, width))
    elif h * w < min_tokens:
        ratio = math.sqrt(min_tokens * patch**2 / (height * width))
        h, w = (math.ceil(side * ratio / patch) for side in (height, width))
    return h * patch, w * patch
