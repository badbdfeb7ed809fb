"""What a model may be asked to ask about: the capabilities of the tree of tasks that pictures or videos can be asked for, each
with what a good question of it is."""

from __future__ import annotations

from collections.abc import Mapping

from dataengine.cot.core.seeded import Draw

PICTURES, VIDEOS = ("image", "video"), ("video",)
CAPABILITIES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "objects": (PICTURES, "what a thing is that can be told from its looks and its place"),
    "attributes": (
        PICTURES,
        "colour, material, shape, state or clothing of one thing that the question makes unmistakable",
    ),
    "counting": (PICTURES, "how many of something there are, where all of them can be seen and counted"),
    "relations": (PICTURES, "where things are to one another: left, behind, nearest, touching, larger"),
    "actions": (PICTURES, "what somebody or something is doing, and to what"),
    "text": (PICTURES, "what is written somewhere, or what follows from it"),
    "charts and tables": (PICTURES, "a value, a comparison or a sum from a chart or a table that is shown"),
    "documents": (PICTURES, "a fact from a page, a form, a receipt or a slide that is shown"),
    "math and science": (
        PICTURES,
        "a quantity or a law that follows from a figure, a formula or an apparatus that is shown",
    ),
    "geography": (PICTURES, "a place, a map or a landscape that visible features identify beyond doubt"),
    "commonsense": (
        PICTURES,
        "a purpose, a danger or a use that follows from what is visible and from everyday knowledge",
    ),
    "video events": (VIDEOS, "what happens, who does it, and how it ends"),
    "order": (VIDEOS, "which of several visible events comes first, last, or between others"),
    "causality": (VIDEOS, "why something that is shown happens, where the cause is shown as well"),
    "temporal grounding": (VIDEOS, "at how many seconds, as a whole number, something is first shown"),
}


def drawn(kind: str, shares: Mapping[str, float], count: int, draw: Draw) -> list[str]:
    """``count`` capabilities for a sample of a kind, those of larger shares sooner; a capability without a share has 1."""
    weights = {name: shares.get(name, 1.0) for name, (kinds, _) in CAPABILITIES.items() if kind in kinds}
    return draw.weighted_order(weights)[:count]


def described(names: list[str]) -> str:
    """A line for each."""
    return "\n".join(f"- {name}: {CAPABILITIES[name][1]}" for name in names)
