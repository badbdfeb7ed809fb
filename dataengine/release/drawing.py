"""Plots of the report as inline SVG: bars with numbers, and quantiles of a score before and after. Deterministic text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _LABEL, _ROW = 720, 230, 22


def bars(rows: Sequence[tuple[str, int, str]]) -> str:
    """A bar a row: ``(name, number, class)``; the class is the CSS colour."""
    most = max((n for _, n, _ in rows), default=0) or 1
    room = _WIDTH - _LABEL - 90
    drawn = []
    for at, (name, number, kind) in enumerate(rows):
        y, wide = at * _ROW, number / most * room
        drawn.append(
            f'<text x="{_LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(_short(name))}</text>'
            f'<rect class="{kind}" x="{_LABEL}" y="{y + 3}" width="{max(wide, 1 if number else 0):.1f}" height="{_ROW - 6}"/>'
            f'<text x="{_LABEL + wide + 6:.1f}" y="{y + 15}">{number:,}</text>'
        )
    return _svg(len(rows) * _ROW, drawn)


def spreads(rows: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """For each score its range, the middle 80 % and the median, of all samples and of those that were kept, on one scale."""
    drawn, y = [], 0
    for name, both in rows.items():
        known = [spread for spread in both.values() if "min" in spread]
        low, high = min(s["min"] for s in known), max(s["max"] for s in known)
        drawn.append(f'<text x="{_LABEL - 8}" y="{y + 20}" text-anchor="end">{escape(_short(name))}</text>')
        drawn.append(f'<text class="end" x="{_LABEL}" y="{y + 40}">{low:g}</text>')
        drawn.append(f'<text class="end" x="{_WIDTH - 40}" y="{y + 40}" text-anchor="end">{high:g}</text>')
        for when, spread in both.items():
            if "min" in spread:
                drawn.append(_spread(spread, low, high, y + (6 if when == "before" else 18), when))
        y += 2 * _ROW + 4
    return _svg(y, drawn)


def _spread(spread: Mapping[str, float], low: float, high: float, y: int, kind: str) -> str:
    room = _WIDTH - _LABEL - 40

    def x(value: float) -> float:
        return _LABEL + (room * (value - low) / (high - low) if high > low else room / 2)

    first, middle, last = x(spread["p10"]), x(spread["p50"]), x(spread["p90"])
    return (
        f'<line class="{kind}" x1="{x(spread["min"]):.1f}" x2="{x(spread["max"]):.1f}" y1="{y + 4}" y2="{y + 4}"/>'
        f'<rect class="{kind}" x="{first:.1f}" y="{y}" width="{max(last - first, 1):.1f}" height="8"/>'
        f'<rect class="median" x="{middle - 1:.1f}" y="{y - 1}" width="2" height="10"/>'
    )


def _short(name: str) -> str:
    return name if len(name) <= 36 else f"{name[:35]}…"


def _svg(height: int, drawn: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">{"".join(drawn)}</svg>'
