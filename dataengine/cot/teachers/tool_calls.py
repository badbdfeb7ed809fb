"""Tool definitions of the chat-completions interface for the tools on pictures, and tool calls as a program of ``core.tools``.

Nothing of a call is run here or trusted: it becomes text, which the tools' own parser takes or refuses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dataengine.cot.core.measure import QUALITIES
from dataengine.models.serving.completion import Completion, ToolCall

_EDGES = ("left", "top", "right", "bottom")
_THOUSANDTHS = {"type": "integer", "minimum": 0, "maximum": 1000}
_MEASURES = [f"{rank}{name}" for name in QUALITIES for rank in ("", "lowest ", "highest ")]
#: Description and parameters by tool, in the order in which they stand in a program.
TOOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "crop": ("Cut out a box; edges in thousandths of the sides.", dict.fromkeys(_EDGES, _THOUSANDTHS)),
    "zoom": ("Enlarge.", {"factor": {"type": "number", "minimum": 1, "maximum": 4}}),
    "rotate": ("Turn clockwise.", {"degrees": {"type": "integer", "enum": [90, 180, 270]}}),
    "flip": ("Mirror.", {"way": {"type": "string", "enum": ["horizontal", "vertical"]}}),
    "contrast": ("Change the contrast.", {"factor": {"type": "number", "minimum": 0.25, "maximum": 4}}),
    "measure": (
        "Mean of a quality in a box, or of its lowest or highest cell.",
        {"what": {"type": "string", "enum": _MEASURES}, **dict.fromkeys(_EDGES, _THOUSANDTHS)},
    ),
}


def definitions() -> tuple[dict[str, Any], ...]:
    """``tools`` of a request."""
    return tuple(
        {
            "type": "function",
            "function": {"name": name, "description": description, "parameters": _object(parameters)},
        }
        for name, (description, parameters) in TOOLS.items()
    )


def text_of(completion: Completion) -> str:
    """The text of a completion; its tool calls as a fenced program after it, or after the reasoning where it has no text."""
    if not completion.tool_calls:
        return completion.text
    return f"{completion.text or completion.reasoning}\n{as_fence(completion.tool_calls)}".lstrip()


def as_fence(calls: Sequence[ToolCall]) -> str:
    """Tool calls as a fenced program, a line each."""
    return "\n".join(["```python", *map(_line, calls), "```"])


def _line(call: ToolCall) -> str:
    arguments = json.loads(call.arguments)
    parameters = TOOLS[call.name][1] if call.name in TOOLS else {}
    ordered = [arguments.pop(key) for key in parameters if key in arguments]
    values = ", ".join(json.dumps(v, ensure_ascii=False) for v in [*ordered, *arguments.values()])
    return f"{call.name}({values})".replace("\n", " ")


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
