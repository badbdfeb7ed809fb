"""Tools on a picture as the interface's tool calls: their definitions, and calls of a reply as a program of ``cot.tools``.

Nothing of a call is run here or trusted: it becomes text, which the tools' own parser takes or refuses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dataengine.cot.core.measure import QUALITIES

_EDGES = ("left", "top", "right", "bottom")
_WHOLE = {"type": "integer", "minimum": 0, "maximum": 1000}
_WHATS = [f"{rank}{name}" for name in QUALITIES for rank in ("", "lowest ", "highest ")]
#: Arguments by tool, in the order in which they stand in a program.
TOOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "crop": ("Cut out a box; edges in thousandths of the sides.", dict.fromkeys(_EDGES, _WHOLE)),
    "zoom": ("Enlarge.", {"factor": {"type": "number", "minimum": 1, "maximum": 4}}),
    "rotate": ("Turn clockwise.", {"degrees": {"type": "integer", "enum": [90, 180, 270]}}),
    "flip": ("Mirror.", {"way": {"type": "string", "enum": ["horizontal", "vertical"]}}),
    "contrast": ("Change the contrast.", {"factor": {"type": "number", "minimum": 0.25, "maximum": 4}}),
    "measure": (
        "Mean of a quality in a box, or of its lowest or highest cell.",
        {"what": {"type": "string", "enum": _WHATS}, **dict.fromkeys(_EDGES, _WHOLE)},
    ),
}


def definitions() -> list[dict[str, Any]]:
    """``tools`` of a request."""
    return [
        {"type": "function", "function": {"name": name, "description": told, "parameters": _object(arguments)}}
        for name, (told, arguments) in TOOLS.items()
    ]


def as_fence(calls: Sequence[Any]) -> str:
    """The calls of a reply as a fenced program, a line each. Raises LookupError, TypeError, AttributeError or ValueError for
    what is no list of calls."""
    return "\n".join(["```python", *(_line(call["function"]) for call in calls), "```"])


def _line(function: Any) -> str:
    name, given = str(function["name"]), function.get("arguments") or "{}"
    arguments = json.loads(given) if isinstance(given, str) else given
    wanted = TOOLS[name][1] if name in TOOLS else {}
    known = [arguments.pop(key) for key in wanted if key in arguments]
    told = ", ".join(_value(v) for v in [*known, *arguments.values()])
    return f"{name}({told})".replace("\n", " ")


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
