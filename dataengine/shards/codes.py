"""Decodes the visual codes of a shard's sample from its ``.json`` and ``.codes.npy``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataengine.errors import InputError, RunError
from dataengine.text.bounded_json import parse_json
from dataengine.tokenize.base import Codes, Timeline
from dataengine.tokenize.codec import from_npy


def codes_of_sample(fields: Mapping[str, bytes]) -> Codes:
    """Codes of the members ``{extension: bytes}`` of a sample. Raises RunError where it has none, or damaged ones."""
    try:
        described = parse_json(fields["json"]).get("codes")
        if described is None or "codes.npy" not in fields:
            raise RunError("the sample has no codes")
        return from_npy(fields["codes.npy"], tuple(described["grid"]), _timeline(described))
    except (InputError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"the sample's .json does not describe its codes: {error!r}") from None


def _timeline(described: Mapping[str, Any]) -> Timeline | None:
    """Of a video; None for a picture."""
    if "frame_kinds" not in described:
        return None
    h, w = described["fast_grid"]
    return Timeline(tuple(described["frame_kinds"]), tuple(described["frame_times"]), (h, w))
