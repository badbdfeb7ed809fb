"""Names of the kinds of near-duplicates, as they are in edges, groups and the ledger."""

from __future__ import annotations

PIXELS, PERCEPTUAL, ALIGNED, VIDEO = "pixels", "perceptual", "aligned", "video"
SEMANTIC, TEXT = "semantic", "text"
