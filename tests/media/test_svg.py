"""SVG plots that stand alone: lines on a logarithmic axis."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

from dataengine.media.svg import log_lines
from dataengine.tokenize.kelix.curve import picture


def points(svg: str) -> list[list[tuple[float, float]]]:
    lines = [e.get("points", "") for e in ET.fromstring(svg).iter() if e.tag.endswith("polyline")]
    return [[(float(x), float(y)) for x, y in (p.split(",") for p in line.split())] for line in lines]


def test_equal_ratios_are_equally_far_apart() -> None:
    [line] = points(log_lines({"a": [(0, 10.0), (1, 1.0), (2, 0.1)]}, "step", "loss"))
    (x0, y0), (x1, y1), (x2, y2) = line
    assert x1 - x0 == x2 - x1 > 0 and abs((y1 - y0) - (y2 - y1)) < 0.2 and y0 < y1


def test_values_without_a_place_are_left_out_and_long_curves_thinned() -> None:
    wild = [(0, math.nan), (1, 0.0), (2, -1.0), (3, math.inf), (4, 2.0)]
    long = [(x, 1.0 + x % 7) for x in range(100_000)]
    few, many, none = points(log_lines({"a<b": wild, "long": long, "none": []}, "step", "loss"))
    assert len(few) == 1 and none == [] and 600 <= len(many) <= 1400
    assert {y for _, y in many} >= {min(y for _, y in many), max(y for _, y in many)}


def test_the_loss_curve_has_the_steps_of_both_trainings_in_a_row() -> None:
    curve = {"encoder": [2.0, 1.0], "codes": [1.0, 0.5, 0.4], "vq": [0.1, 0.05, 0.01]}
    svg = picture(curve)
    assert svg == picture(curve)
    encoder, codes, vq = points(svg.decode())
    assert [len(encoder), len(codes), len(vq)] == [2, 3, 3]
    assert encoder[-1][0] < codes[0][0] == vq[0][0]
    assert points(picture({"encoder": [], "codes": [math.nan], "vq": []}).decode()) == [[], [], []]
