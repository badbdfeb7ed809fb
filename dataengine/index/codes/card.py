"""Model card of fitted codebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def card(facts: Mapping[str, Any]) -> str:
    """Markdown from the facts of the stage that fitted them."""
    sizes = facts["sizes"]
    items = (
        f"\n- VQ codes: {facts['items']:,} items of the corpus are the codebook, a code is the numbers (from 1) of the "
        f"{facts['nearest']} nearest"
        if facts["items"]
        else ""
    )
    return f"""# Codebooks {facts["id"]}

Residual k-means over embeddings, as in QARM (arXiv 2411.11739): no encoder is trained, a code is the nearest centre of what the
levels before leave.

- Vectors: {facts["dim"]:,} components, of {facts["model"] or "a model that is not stated"}
- Levels: {len(sizes)}, with {", ".join(f"{n:,}" for n in sizes)} codes
- Fitted on {facts["samples"]:,} vectors, {facts["iterations"]} iterations of Lloyd's algorithm a level{items}
- Preset: `{facts["preset"]}`

`codebooks.safetensors` has the centres as `centroids.0`, `centroids.1`, … They name clusters of this corpus in the geometry of
one embedding model: of another corpus or model they say nothing, and two samples that share all codes may differ for a person.
"""
