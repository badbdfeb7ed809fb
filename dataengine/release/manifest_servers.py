"""The section of a release's manifest on model servers: which models were asked."""

from __future__ import annotations

from typing import Literal

from dataengine.shards.json_types import Closed


class AskedModel(Closed):
    """A model behind a server. ``name``: the server's in the recipe; ``kind``: whether it ran at a url or the run started it;
    ``digest``: of the model and all settings that change its completions. No address is published."""

    name: str
    model: str
    version: str
    kind: Literal["url", "command", "packaged"]
    digest: str
