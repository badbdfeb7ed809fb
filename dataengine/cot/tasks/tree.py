"""The tree of task families: what each asks for (its capability), what it needs, and how often it is tried (its share).

A share weighs the families of one cell of the mix against each other when a sample's questions are drawn. The recipe changes
shares by family (``cot.tasks``) or by capability (``cot.capabilities``); a family of share 0 is asked only where the recipe
names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from dataengine.errors import UsageError

Capability = Literal[
    "objects",
    "attributes",
    "counting",
    "relations",
    "actions",
    "text",
    "charts and tables",
    "documents",
    "math and science",
    "geography",
    "commonsense",
    "video events",
    "order",
    "causality",
    "grounding",
    "temporal grounding",
    "source",
    "pixel measurements",
]
"""``source``: whatever the source's own questions ask for. ``pixel measurements``: a test set of the record format, not for
training, since no model sees a mean brightness."""
Need = Literal["caption", "pairs", "boxes", "ocr", "spans", "other samples", "vlm"]
"""What a sample or a recipe must have besides the media: fields of the source, other samples, or a vision-language model."""
CAPABILITIES: tuple[Capability, ...] = get_args(Capability)


def shares_of(
    default: Mapping[str, float],
    capability_of: Mapping[str, Capability],
    tasks: Mapping[str, float],
    capabilities: Mapping[str, float],
) -> dict[str, float]:
    """The share of each family: that of ``tasks``, else its default times that of its capability (1 where there is none); of a
    default of 0, that of its capability alone. Raises UsageError for unknown names."""
    _check("tasks", "task", tasks, default)
    _check("capabilities", "capability", capabilities, CAPABILITIES)
    shares = {}
    for name, share in sorted(default.items()):
        capability = capability_of[name]
        by_capability = (share or 1.0) * capabilities[capability] if capability in capabilities else share
        shares[name] = tasks.get(name, by_capability)
    return shares


def _check(key: str, kind: str, names: Mapping[str, float], known: Mapping[str, float] | tuple[str, ...]) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise UsageError(
            f"cot.{key}: unknown {kind} `{unknown[0]}`; `dataengine cot tasks` lists them: {', '.join(sorted(known))}"
        )
