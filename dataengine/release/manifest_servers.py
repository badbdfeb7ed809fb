"""The section of a release's manifest on model servers: which models were asked."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from dataengine.shards.json_types import Closed, Count, Counts


class Asked(Closed):
    """What a server was asked for. ``requests``: answered or failed, each once; ``failures``: by class. Tokens of the answers,
    where they are known."""

    purpose: str
    requests: Count
    failures: Counts
    tokens_in: Count | UnsetType = UNSET
    tokens_out: Count | UnsetType = UNSET


class AskedModel(Closed):
    """A model behind a server. ``name``: the server's in the recipe; ``kind``: whether it ran at a url, the run started it, or a
    plugin asks it; ``digest``: of the model and all settings that change its completions. No address is published."""

    name: str
    model: str
    version: str
    kind: Literal["url", "command", "packaged", "client"]
    digest: str
    asked: list[Asked] | UnsetType = UNSET
