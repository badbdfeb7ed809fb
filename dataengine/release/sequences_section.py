"""Says which sequences were packed for training, from which mix, and what was left out. From the manifest alone."""

from __future__ import annotations

from typing import TypeAlias

from dataengine.release.card_text import plural, table
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_sequences import Sequences, SequenceSet
from dataengine.shards.json_types import known

Titled: TypeAlias = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
_SETS = (
    "set",
    "layout",
    "length",
    "sequences",
    "tokens",
    "padding",
    "packing",
    "formats",
    "summary tokens",
    "FLOPs imbalance (before)",
)
_MIX = ("set", "share of", "share", "tokens requested", "available", "reached", "ran out")


def sequences(m: Manifest) -> str:
    """Section of the card; "" where none were packed."""
    section = known(m.sequences, None)
    if section is None:
        return ""
    text = f"## Training sequences\n\n{' '.join(sentences(section))}"
    return "\n\n".join([text, *(table(columns, rows) for _, columns, rows in tables(section))])


def tables(s: Sequences) -> list[Titled]:
    """Title, columns and rows of each table."""
    titled: list[Titled] = [
        ("sets of sequences", _SETS, _sets(s)),
        ("mix, in tokens", _MIX, _mix(s)),
        ("documents", ("set", "what became of them", "documents"), _outcomes(s)),
    ]
    if s.texts:
        texts: list[tuple[str, ...]] = [(reason, f"{n:,}") for reason, n in s.texts.items()]
        titled.append(("texts", ("rows of text corpora", "number"), texts))
    return titled


def sentences(s: Sequences) -> list[str]:
    """The tokenizer and what holds for all sets."""
    maker = "trained on these texts" if s.tokenizer.trained else "named by the recipe"
    lines = [
        f"Text was tokenized by tokenizer `{s.tokenizer.id}` ({maker}, {plural(s.tokenizer.size, 'token')}); visual codes have "
        f"ids from {s.tokenizer.first_code:,} on.",
        "Documents lie in sequences by a shuffle of all of them; `cu_seqlens` are their borders, positions start anew in each, "
        "and none was cut but where the set says so.",
    ]
    if s.tokenizer.appended:
        lines.append(
            f"The tokenizer had no {', '.join(s.tokenizer.appended)}: these were given ids after its last one."
        )
    if any(one.summary for one in s.sets):
        lines.append(
            "Summary tokens follow the Kwai Summary Attention report (arXiv 2604.24432); lengths do not count them, and "
            "`_set.json` has their settings."
        )
    return lines


def steps(m: Manifest) -> list[str]:
    """What was done, for Croissant."""
    section = known(m.sequences, None)
    if section is None:
        return []
    sets = "; ".join(
        f"{one.name}: {one.sequences:,} of {one.length:,} positions ({one.layout})" for one in section.sets
    )
    return [f"Training sequences were packed: {sets}."]


def _sets(s: Sequences) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in s.sets:
        positions = one.sequences * one.length
        padding = f"{one.padding / positions:.2%}" if positions else "-"
        balance = f"{one.imbalance:.2%} ({one.imbalance_before:.2%}) over {one.ranks}" if one.ranks else "-"
        numbers = (f"{one.length:,}", f"{one.sequences:,}", f"{one.tokens:,}", padding)
        rows.append((one.name, one.layout, *numbers, one.packing, ", ".join(one.formats), _summaries(one), balance))
    return rows


def _summaries(one: SequenceSet) -> str:
    if (layout := one.summary) is None:
        return "-"
    aligned = ", chunks aligned with visual blocks" if layout.align_visual else ""
    return f"{layout.tokens} after every {layout.chunk}, documents {layout.documents}{aligned}"


def _mix(s: Sequences) -> list[tuple[str, ...]]:
    return [
        (
            *(one.name, cell.cell, "-" if cell.share is None else f"{cell.share:.1%}"),
            *(f"{n:,}" for n in (cell.requested, cell.available, cell.reached)),
            "yes" if cell.ran_out else "",
        )
        for one in s.sets
        for cell in one.cells
    ]


def _outcomes(s: Sequences) -> list[tuple[str, ...]]:
    return [(one.name, outcome, f"{n:,}") for one in s.sets for outcome, n in one.outcomes.items()]
