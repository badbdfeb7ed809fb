"""What card and Croissant say of take-downs; how many, never what."""

from __future__ import annotations

from dataengine.ingest.hash_lists import TAKEN_DOWN
from dataengine.release.manifest import Manifest
from dataengine.shards.json_types import known


def steps(m: Manifest) -> list[str]:
    """A sentence or two; nothing where nothing was taken down."""
    refused, removed = m.ledger.failure.get(TAKEN_DOWN, 0), known(m.taken_down, None)
    if not refused and removed is None:
        return []
    sentences = [f"{refused:,} inputs were taken down and are kept out since."]
    if removed is not None:
        sentences.append(
            f"After its samples had been chosen, {removed.samples:,} of them, {removed.records:,} chain-of-thought records and "
            f"documents of {removed.sequences:,} sequences were removed for it. How often rules, scores and shares of a mix "
            "occur is stated as of before."
        )
    return sentences


def on_card(m: Manifest) -> str:
    """The card's section."""
    text = " ".join(steps(m))
    return f"## Take-downs\n\n{text} The ledger names their inputs as `{TAKEN_DOWN}`." if text else ""
