"""What ``--dry-run`` prints beside the stages: the sources, what would be trained, and an estimate of time and space."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataengine.browse.estimate import Estimate
    from dataengine.browse.preview import Seen
    from dataengine.config.recipe import Recipe
    from dataengine.progress import StageReport

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def outlook(recipe: Recipe, reports: Sequence[StageReport]) -> dict[str, Any]:
    """Sources, training and estimate of a recipe that was validated, as JSON."""
    seen, lines, expected = _outlook(recipe, reports)
    sources = [asdict(one) | {"inputs": one.inputs} for one in seen]
    return {
        "sources": sources,
        "trained": lines,
        "estimate": asdict(expected) | {"seconds": round(expected.seconds, 1)},
    }


def _outlook(recipe: Recipe, reports: Sequence[StageReport]) -> tuple[list[Seen], list[str], Estimate]:
    from dataengine.browse.estimate import estimate, trained
    from dataengine.browse.preview import preview

    seen = preview(recipe)
    workers = recipe.workers if isinstance(recipe.workers, int) else os.cpu_count() or 1
    return seen, trained(recipe, reports), estimate(recipe, seen, reports, workers)


def show(recipe: Recipe, reports: Sequence[StageReport]) -> None:
    """Print them."""
    from dataengine.cli import console

    seen, lines, expected = _outlook(recipe, reports)
    head = ("source", "inputs", "pictures", "videos", "other", "with captions", "files", "bytes")
    if seen:
        console.print_table("sources", head, [_row(one) for one in seen])
    for one in seen:
        if one.columns:
            console.write(f"\ncolumns of {one.name}: {', '.join(one.columns)}")
        if one.captions:
            console.write(f"\ncaptions of {one.name}:")
            for caption in one.captions:
                console.write(f"  {caption if len(caption) <= 100 else caption[:99] + '…'}")
    for line in lines:
        console.write(f"\nto be trained: {line}")
    console.write(f"\n{_sentence(expected)}")


def _row(one: Seen) -> tuple[str, ...]:
    about = "" if one.exact else "~"
    counts = [f"{about}{n:,}" for n in (one.inputs, one.pictures, one.videos, one.others)]
    captioned = "?" if one.captioned is None else f"{about}{one.captioned:,}"
    return (one.name, *counts, captioned, f"{one.files:,}", size(one.bytes))


def _sentence(expected: Estimate) -> str:
    if not expected.due:
        return "nothing is left to be made"
    if not expected.cpu:
        return f"no estimate: there is no rate for {', '.join(expected.without) or 'what is left'}"
    processes = "1 worker" if expected.workers == 1 else f"{expected.workers} workers"
    parts = [
        f"estimate: {duration(expected.seconds)} on {processes} ({duration(expected.cpu)} of CPU); at most "
        f"{size(expected.workspace)} in the workspace, {size(expected.release)} of it the release, if all is kept"
    ]
    if expected.without:
        parts.append(f"not in it: {', '.join(expected.without)}")
    return "\n".join([*parts, "It may be wrong by a factor of two: docs/performance.md says what the rates are from."])


def size(count: int) -> str:
    """``1234567`` → ``1.2 MB``."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 99.5 else f"{value:.2g} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """``5400`` → ``1.5 h``."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.0f} s"
