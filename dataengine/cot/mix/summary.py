"""Summary tables of a CoT run for the terminal, the card and the report: funnel, losses, yields, caught errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Table = tuple[str, tuple[str, ...], list[Sequence[str]]]
"""Title, headings, rows."""
_FAMILIES = 12


def tables(facts: Mapping[str, Any]) -> list[Table]:
    """The funnel by step, every loss by reason, the yield by mode, task and teacher, injected errors and how many were caught.
    ``facts`` are those of cot.mix, as in the manifest."""
    rows: list[Table] = []
    if facts.get("funnel"):
        columns = ("step", "entering", "dropped", "remaining")
        steps = [[str(row["step"]), *(f"{row[name]:,}" for name in columns[1:])] for row in facts["funnel"]]
        rows.append(("questions by step", columns, [*steps]))
    if facts.get("capabilities"):
        steps = list(next(iter(facts["capabilities"].values())))
        lost = [[name, *(f"{row[step]:,}" for step in steps)] for name, row in facts["capabilities"].items()]
        rows.append(("questions by capability, and where they were lost", ("capability", *map(str, steps)), [*lost]))
    if facts["rejected"]:
        rows.append(("questions lost, by reason", ("reason", "questions"), _counts(facts["rejected"])))
    for by, yields in sorted(facts.get("yield", {}).items()):
        groups = [(name, f"{y['questions']:,}", f"{y['kept']:,}") for name, y in yields.items() if name]
        rows.append((f"kept by {by}", (by, "questions", "kept"), [*groups]))
    if facts.get("quality"):
        rows.append(("questions by quality score", ("score", "questions"), _counts(facts["quality"])))
    if facts.get("planted"):
        caught = facts.get("caught", {})
        wrong = [(kind, f"{n:,}", f"{caught.get(kind, 0):,}") for kind, n in facts["planted"].items()]
        rows.append(("paths with an injected error", ("error", "injected", "caught"), [*wrong]))
    if facts.get("mix"):
        rows.append(_mix(facts))
    if facts.get("answers"):
        rows.append(_answers(facts["answers"]))
    if facts.get("shortages"):
        rows.append(("shortages of the mix", ("cell", "uses missing"), _counts(facts["shortages"])))
    return rows


def _mix(facts: Mapping[str, Any]) -> Table:
    """Uses by cell: a record that is repeated three times is three."""
    cells, whole = facts["mix"], sum(cell["share"] for cell in facts["mix"])
    trained = max(sum(cell["planned"] for cell in cells), 1)
    columns = ("cell", "share asked", "share trained on", "uses asked", "uses there", "uses planned")
    rows = [
        (
            cell["name"],
            f"{cell['share'] / whole:.1%}",
            f"{cell['planned'] / trained:.1%}",
            *(f"{cell[name]:,}" for name in ("wanted", "available", "planned")),
        )
        for cell in cells
    ]
    scarcest = f"; scarcest: {facts['scarcest']}" if facts.get("scarcest") else ""
    return f"the mix as it is trained on{scarcest}", columns, [*rows]


def _answers(families: Mapping[str, Mapping[str, int]]) -> Table:
    """Families in which one answer is most of the records, the most one-sided ones first."""
    by_share = sorted(families.items(), key=lambda item: (-item[1]["most"] / item[1]["records"], item[0]))[:_FAMILIES]
    rows = [
        (name, f"{one['records']:,}", f"{one['answers']:,}", f"{one['most'] / one['records']:.1%}")
        for name, one in by_share
    ]
    return "most frequent answer of a family, the largest shares", ("family", "records", "answers", "share"), [*rows]


def _counts(counts: Mapping[str, int]) -> list[Sequence[str]]:
    return [(name, f"{n:,}") for name, n in counts.items()]
