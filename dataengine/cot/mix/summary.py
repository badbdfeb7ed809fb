"""What a run of CoT has made and lost, as tables for the terminal, the card and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Table = tuple[str, tuple[str, ...], list[Sequence[str]]]
"""Title, headings, rows."""


def tables(facts: Mapping[str, Any]) -> list[Table]:
    """The funnel by step, every loss by reason, the yield by mode, task and teacher, planted errors and how many were caught.
    ``facts`` are those of cot.mix, as in the manifest."""
    found: list[Table] = []
    if facts.get("funnel"):
        columns = ("step", "entering", "dropped", "remaining")
        steps = [[str(row["step"]), *(f"{row[name]:,}" for name in columns[1:])] for row in facts["funnel"]]
        found.append(("questions by step", columns, [*steps]))
    if facts["rejected"]:
        found.append(("lost because", ("reason", "questions"), _counts(facts["rejected"])))
    for by, yields in sorted(facts.get("yield", {}).items()):
        told = [(name, f"{y['questions']:,}", f"{y['kept']:,}") for name, y in yields.items() if name]
        found.append((f"kept by {by}", (by, "questions", "kept"), [*told]))
    if facts.get("quality"):
        found.append(("questions by quality score", ("score", "questions"), _counts(facts["quality"])))
    if facts.get("planted"):
        caught = facts.get("caught", {})
        wrong = [(kind, f"{n:,}", f"{caught.get(kind, 0):,}") for kind, n in facts["planted"].items()]
        found.append(("paths that are wrong on purpose", ("error", "planted", "caught"), [*wrong]))
    if facts.get("shortages"):
        found.append(("fewer than the mix asks for", ("cell", "missing"), _counts(facts["shortages"])))
    return found


def _counts(counts: Mapping[str, int]) -> list[Sequence[str]]:
    return [(name, f"{n:,}") for name, n in counts.items()]
