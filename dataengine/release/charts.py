"""Charts of a release's pages: shapes that stretch, beside labels that are ordinary text and so stay readable on a phone.

Without scripts, deterministic. Scales are logarithmic where small numbers would be lost beside large ones, and say so.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from dataengine.release.html_parts import cut_end, escaped
from dataengine.release.manifest_sections import Histogram, Quantiles
from dataengine.release.thresholds import Threshold
from dataengine.shards.json_types import known

#: The largest number is so many times the smallest where a scale is logarithmic.
_FAR = 1000
_NAME = 60
_WIDE, _HIGH = 240.0, 60.0
_LOG_NOTE = '<p class="facts">Logarithmic scale.</p>'

Bar = tuple[str, int, str]
"""Name, number, and the CSS class that is its colour."""


def bars(rows: Sequence[Bar]) -> str:
    """A bar a row, with its name and number."""
    numbers = [number for _, number, _ in rows if number]
    log = bool(numbers) and max(numbers) >= _FAR * min(numbers)
    drawn = "".join(
        f'<div class="bar"><span class="name">{escaped(cut_end(name, _NAME))}</span><span class="track">'
        f'<i class="{kind}" style="width:{100 * _length(number, numbers, log):.1f}%"></i></span>'
        f'<span class="number">{number:,}</span></div>'
        for name, number, kind in rows
    )
    return f'<div class="bars">{drawn}</div>{_LOG_NOTE if log else ""}'


def _length(number: int, numbers: Sequence[int], log: bool) -> float:
    if not number:
        return 0.0
    most = max(numbers)
    share = math.log1p(number) / math.log1p(most) if log else number / most
    return max(share, 0.004)


def histogram(name: str, h: Histogram, quantiles: Mapping[str, Quantiles], marks: Sequence[Threshold] = ()) -> str:
    """A score's samples by value, all in grey and the kept ones in green, with a line at each threshold of the policy."""
    most = max([1, *h.before])
    high = [number for number in (*h.before, *h.after) if number]
    log = bool(high) and most >= _FAR * min(high)
    shapes = "".join(
        f'<path class="{kind}" d="{_columns([_length(number, high, log) for number in series])}"/>'
        for kind, series in (("before", h.before), ("after", h.after))
    )
    lines, notes = "", []
    least = min(h.edges[0], known(quantiles["before"].min, h.edges[0]))
    for mark in marks:
        place = position(h.edges, mark.value)
        beyond = "" if least <= mark.value <= h.edges[-1] else ", beyond all values"
        lines += f'<path class="mark" d="M{place * _WIDE:.1f} 0V{_HIGH:g}"/>'
        when = f" when {mark.when}" if mark.when else ""
        notes.append(f"{mark.rule}: kept {mark.op} {mark.value:g}{when}{beyond}")
    scales = [*(["values"] if h.log else []), *(["heights"] if log else [])]
    noted = f"logarithmic {' and '.join(scales)}" if scales else ""
    svg = (
        f'<svg viewBox="0 0 {_WIDE:g} {_HIGH:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escaped(f"histogram of {name}")}">{shapes}{lines}</svg>'
    )
    below = f", and less: from {least:g}" if least < h.edges[0] else ""
    ends = f'<div class="ends"><span>{h.edges[0]:g}{below}</span><span>{noted}</span><span>{h.edges[-1]:g}</span></div>'
    rules = "".join(f'<div class="rule">{escaped(note)}</div>' for note in notes)
    return f'<div class="chart"><h3>{escaped(name)}</h3>{svg}{ends}{rules}{_summary(quantiles)}</div>'


def position(edges: Sequence[float], value: float) -> float:
    """Where a value lies on the scale of ``edges``, 0 to 1: bins are equally wide, and a value is placed within its own."""
    if value <= edges[0] or edges[0] == edges[-1]:
        return 0.0 if value <= edges[0] else 1.0
    if value >= edges[-1]:
        return 1.0
    place = bisect_right(edges, value) - 1
    return (place + (value - edges[place]) / (edges[place + 1] - edges[place])) / (len(edges) - 1)


def _columns(heights: Sequence[float]) -> str:
    """Path of columns side by side, of these heights, 0 to 1."""
    wide = _WIDE / len(heights)
    return "".join(
        f"M{n * wide:.1f} {_HIGH:g}V{_HIGH * (1 - height):.1f}h{wide:.1f}V{_HIGH:g}z"
        for n, height in enumerate(heights)
        if height
    )


def _summary(quantiles: Mapping[str, Quantiles]) -> str:
    sentences = []
    for when, words in (("before", "all"), ("after", "kept")):
        q = quantiles[when]
        middle, low, high = (known(value, None) for value in (q.p50, q.p10, q.p90))
        spread = f", median {middle:g}, middle 80 % {low:g} to {high:g}" if middle is not None else ""
        sentences.append(f"{words}: {q.count:,}{spread}")
    return "".join(f'<div class="facts">{escaped(line)}</div>' for line in sentences)
