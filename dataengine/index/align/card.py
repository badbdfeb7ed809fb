"""Model card of a projection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def card(facts: Mapping[str, Any]) -> str:
    """Markdown from the facts of the stage that trained it."""
    width, dim = facts["dims"]
    fates = "\n".join(f"- {number:,} {fate}" for fate, number in facts["fates"].items())
    return f"""# Projection {facts["id"]}

A linear map of {width:,} to {dim:,} components over embeddings of {facts["model"] or "a model that is not stated"}, trained by
InfoNCE on pairs that belong together (item alignment, QARM, arXiv 2411.11739).

| retrieval of {facts["held_out_pairs"]:,} held-out pairs among {facts["candidates"]:,} | recall@{facts["k"]} |
| --- | ---: |
| vectors as they are | {facts["recall_raw"]:.1%} |
| aligned | {facts["recall"]:.1%} |

Pairs:

{fates}

Loss {facts["first_loss"]:g} in the first epoch, {facts["last_loss"]:g} in the last. The figure is of pairs of the same kind as
those that it was trained on; of other kinds of likeness it says nothing. Vectors of another model must not be projected.
"""
