"""Facts about one sequence, as names and numbers for a table above it."""

from __future__ import annotations

import numpy as np

from dataengine.sequence.formats.description import SetDescription
from dataengine.sequence.model import PackedSequence, Role

#: What each role is called, and the colours of its text: in the terminal, and on a page.
ROLES: dict[Role, tuple[str, str, str]] = {
    Role.TEXT: ("text", "default", "#222222"),
    Role.USER: ("user", "bright_blue", "#1f5fa8"),
    Role.ASSISTANT: ("assistant", "green", "#1d6b3c"),
    Role.REASONING: ("reasoning", "yellow", "#8a5a00"),
    Role.TOOL_OUTPUT: ("tool output", "magenta", "#8b2f8b"),
    Role.SPECIAL: ("special", "cyan", "#0b7285"),
    Role.CODE: ("codes", "bright_magenta", "#7048c6"),
    Role.MEDIA: ("media", "bright_cyan", "#0a6e7c"),
    Role.SUMMARY: ("summary", "red", "#c2342b"),
    Role.PADDING: ("padding", "bright_black", "#777777"),
}


def facts_of(sequence: PackedSequence, about: SetDescription, key: str) -> list[tuple[str, str]]:
    """Rows of the table."""
    length, targets = len(sequence), int(sequence.loss_mask.sum())
    rows = [
        ("sequence", f"{key} of {about.name}, layout {about.layout}"),
        ("positions", f"{length:,}" + (f" of {about.width} tokens" if about.width > 1 else "")),
        ("documents", f"{len(sequence.documents):,}"),
        ("targets", f"{targets:,} ({targets / length:.1%})"),
        ("padding", f"{sequence.padding:,} ({sequence.padding / length:.1%})"),
    ]
    counts = np.bincount(sequence.roles, minlength=len(Role))
    rows += [(f"- {ROLES[role][0]}", f"{counts[role]:,}") for role in ROLES if counts[role]]
    if about.summary:
        s = about.summary
        rows.append(("chunks", f"{s.chunk} tokens + {s.tokens} summary, windows {s.windows}, documents {s.documents}"))
    return rows
