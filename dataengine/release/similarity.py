"""Says in words how similar a duplicate is to its representative, with the bound that its kind is held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataengine.release.manifest_sections import Dedup


def similarity(dedup: Dedup, row: Mapping[str, Any]) -> str:
    """``row``: a duplicate, as contracts.LEDGER; without the name of its kind."""
    kind, distance = row["kind"], row["distance"]
    if kind == "exact":
        return "same bytes"
    if kind == "pixels":
        return "same image once decoded"
    if kind == "aligned":
        return f"{distance:g} of 64 bits differ, and one can be aligned with the other"
    if kind == "perceptual":
        return f"{distance:g} of 64 bits differ (bound: at most {dedup.radius})"
    if kind == "video":
        return f"{1 - distance:.0%} of the frames match (bound: at least {dedup.video_overlap:.0%})"
    if kind == "semantic" and dedup.semantic is not None:
        return f"cosine similarity {1 - distance:.4g} (bound: at least {dedup.semantic.threshold:g})"
    return f"distance {distance:g}"
