"""The section of a release's manifest on captions that models have written."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from dataengine.shards.json_types import Closed, Count, Counts


class CaptionModel(Closed):
    """A model that writes captions. ``server``: its name in the recipe; ``model``: its id, with a digest of the settings that
    change its replies; ``sees``: whether it is shown pictures; ``packaged``: name of a small model of a package, else ""."""

    server: str
    model: str
    sees: bool
    packaged: str


class Captions(Closed):
    """Synthetic captions by style, part of a video and server; why others could not be had; faults of those that were written;
    and by which rule the caption of each sample was chosen. ``prompts``: digest of each template."""

    models: list[CaptionModel]
    prompts: dict[str, str]
    samples: Annotated[Count, Meta(description="that captions were asked for")]
    written: Count
    styles: Counts
    spans: Counts
    servers: Counts
    failures: Counts
    faults: Counts
    rejected: Count
    rejected_for: list[str]
    rule: str
    share: float | None
    chosen: Annotated[
        Counts, Meta(description="samples in the shards by style of their caption; source, none, not captioned")
    ]
    tokens_in: Count
    tokens_out: Count
