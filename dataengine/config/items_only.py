"""Recipes that index a table of items and make nothing else: they name no sources, no filter policy and no release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Blocks that need samples.
_OF_SAMPLES = ("annotate", "contamination", "tokenize", "cot", "sequence", "continues")
#: What stands in for the blocks that are missing; no stage of the index reads them.
_UNREAD = {
    "filter": {"policy": "web-v1"},
    "release": {"title": "An index of items", "license": "other", "description": "No release is made."},
}
_SOURCES = [{"type": "folder", "name": "none", "path": "."}]


def indexes_items_alone(fields: Any) -> bool:
    """Whether a recipe's fields ask for an index of items and for nothing that is made of samples."""
    if not isinstance(fields, Mapping) or fields.get("sources"):
        return False
    if any(fields.get(name) is not None for name in _OF_SAMPLES):
        return False
    index = fields.get("index")
    return isinstance(index, Mapping) and index.get("of") == "items" and not index.get("release")


def completed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of such a recipe with all that a recipe has to have; its ``sources`` stand for none."""
    return {**_UNREAD, **fields, "sources": _SOURCES}
