"""Plots as files of SVG: lines on a logarithmic axis. Deterministic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH = 720

Point = tuple[float, float]
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito: told apart by colour-blind readers


def log_lines(series: Mapping[str, Sequence[Point]], x_title: str, y_title: str) -> str:
    """A file of its own: lines through ``(x, y)``, y on a logarithmic axis with a rule a decade. Points that have no place
    there (y not finite, or not above 0) are left out, and of more than one a pixel column the lowest and the highest stay."""
    shown = {name: [(x, y) for x, y in points if math.isfinite(y) and y > 0] for name, points in series.items()}
    xs, ys = ([point[axis] for points in shown.values() for point in points] or [1.0] for axis in (0, 1))
    first, last = min(xs), max(max(xs), min(xs) + 1)
    low, high = math.floor(math.log10(min(ys))), math.floor(math.log10(max(ys))) + 1
    left, right, top, bottom = 60, _WIDTH - 20, 20, 340

    def place(x: float, y: float) -> Point:
        across = left + (right - left) * (x - first) / (last - first)
        return across, bottom - (bottom - top) * (math.log10(y) - low) / (high - low)

    drawn = [f'<rect width="{_WIDTH}" height="400" fill="#fff"/>']
    for decade in range(low, high + 1):
        y = place(first, 10.0**decade)[1]
        drawn.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#ddd"/>')
        drawn.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:g}</text>')
    drawn.append(f'<text x="{left}" y="{bottom + 18}">{first:g}</text>')
    drawn.append(f'<text x="{right}" y="{bottom + 18}" text-anchor="end">{last:g}</text>')
    drawn.append(f'<text x="{(left + right) / 2:g}" y="{bottom + 18}" text-anchor="middle">{escape(x_title)}</text>')
    drawn.append(
        f'<text transform="translate(14 {(top + bottom) / 2:g}) rotate(-90)" text-anchor="middle">{escape(y_title)}</text>'
    )
    for at, (name, points) in enumerate(shown.items()):
        colour, x = _COLOURS[at % len(_COLOURS)], left + at * (right - left) / len(shown)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in _thinned([place(*point) for point in points]))
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        drawn.append(f'<path d="M{x:.1f} 383h18" stroke="{colour}" stroke-width="3"/>')
        drawn.append(f'<text x="{x + 24:.1f}" y="387">{escape(name)}</text>')
    size = f'width="{_WIDTH}" height="400" viewBox="0 0 {_WIDTH} 400"'
    font = 'font-family="sans-serif" font-size="12" fill="#333"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>{"".join(drawn)}</svg>\n'


def _thinned(points: Sequence[Point]) -> list[Point]:
    columns: dict[int, list[Point]] = {}
    for point in points:
        columns.setdefault(round(point[0]), []).append(point)
    kept = ({min(column, key=lambda p: p[1]), max(column, key=lambda p: p[1])} for column in columns.values())
    return [point for column in kept for point in sorted(column)]
