"""Reading the ``codes`` of a sample's JSON."""

from __future__ import annotations

from typing import Any


def tokens_of(told: dict[str, Any]) -> int:
    """How many tokens a sample says it has."""
    t, h, w = told["grid"]
    if "frame_kinds" not in told:
        return int(t * h * w)
    sizes = [h * w, told["fast_grid"][0] * told["fast_grid"][1]]
    return sum(sizes[kind] for kind in told["frame_kinds"])
