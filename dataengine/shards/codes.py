"""The codes of a sample in a shard, from its ``.json`` and ``.codes.npy``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dataengine.errors import RunError
from dataengine.tokenize.base import Codes, Timeline
from dataengine.tokenize.codec import from_npy


def codes_of_sample(fields: Mapping[str, bytes]) -> Codes:
    """Codes of the members ``{extension: bytes}`` of a sample. Raises RunError where it has none, or damaged ones."""
    told = json.loads(fields["json"]).get("codes")
    if told is None or "codes.npy" not in fields:
        raise RunError("the sample has no codes")
    return from_npy(fields["codes.npy"], tuple(told["grid"]), _timeline(told))


def _timeline(told: Mapping[str, Any]) -> Timeline | None:
    if "frame_kinds" not in told:
        return None
    h, w = told["fast_grid"]
    return Timeline(tuple(told["frame_kinds"]), tuple(told["frame_times"]), (h, w))
