"""Questions from boxes, points, polygons, lines of text and time spans in a source's metadata, answered by grounding strings.

The strings are those of Keye-VL (arXiv 2507.01949, Table 1) and Keye-VL-1.5 (arXiv 2509.01563, Table 1). A field is a list of
objects::

    {"boxes": [{"label": "dog", "box": [40, 60, 200, 310]}], "points": [{"label": "dog", "point": [120, 180]}],
     "polygons": [{"label": "dog", "polygon": [[40, 60], [200, 60], [120, 310]]}],
     "ocr": [{"text": "EXIT", "box": [5, 5, 80, 30]}], "spans": [{"caption": "a dog jumps", "start": 1.5, "end": 3.0}]}
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataengine.config.cot import GroundingConfig
from dataengine.cot.core import grounding
from dataengine.cot.core import wording_grounding as w
from dataengine.cot.core.formats import FormatError
from dataengine.cot.core.grounding import SIDE, Label, Shape, Span

_MOST = 64
"""Entries of one field that are looked at; a question gives at most so many places."""


@dataclass(frozen=True)
class Grounded:
    """A question with its answer, or why an entry cannot be asked about."""

    question: str
    answer: str
    answer_type: str
    problem: str = ""


def grounded(metadata: Mapping[str, Any], config: GroundingConfig, size: tuple[int, int] | None) -> Iterator[Grounded]:
    """Questions about the fields of one sample. ``size``: width and height in pixels, None where they are unknown."""
    scale = _scale(config, size)
    for shape, key in (("box", config.boxes), ("point", config.points), ("polygon", config.polygons)):
        yield from _objects(_entries(metadata, key), shape, config, scale)  # type: ignore[arg-type]
    yield from _texts(_entries(metadata, config.ocr), config, scale)
    yield from _spans(_entries(metadata, config.spans), config)


def _entries(metadata: Mapping[str, Any], key: str | None) -> list[Mapping[str, Any]]:
    value = metadata.get(key) if key else None
    rows = value if isinstance(value, list) else []
    return [row for row in rows[:_MOST] if isinstance(row, Mapping)]


def _scale(config: GroundingConfig, size: tuple[int, int] | None) -> tuple[float, float] | None:
    """Factors from the source's coordinates to thousandths."""
    if config.units == "pixels":
        return None if size is None or min(size) < 1 else (SIDE / size[0], SIDE / size[1])
    return (1.0, 1.0) if config.units == "thousandths" else (float(SIDE), float(SIDE))


def _objects(
    rows: Sequence[Mapping[str, Any]], shape: Shape, config: GroundingConfig, scale: tuple[float, float] | None
) -> Iterator[Grounded]:
    """A question for each label, answered by all places that have it, and for the only place of a label what it is."""
    by_label: dict[str, list[tuple[int, ...]]] = {}
    for row in rows:
        label = row.get(config.label)
        try:
            place = _place(row.get(shape), shape, config, scale)
        except FormatError as error:
            yield Grounded(w.choose(shape, str(label)), "", "text", _reason(error))
            continue
        if isinstance(label, str) and label.strip():
            by_label.setdefault(" ".join(label.split()), []).append(place)
    for label, places in by_label.items():
        yield from _answered(shape, label, sorted(set(places)), "object_ref")
        if len(places) == 1 and len(by_label) > 1:
            where = Label(shape, tuple(places)).render()
            yield Grounded(w.choose("what", where), label, "word" if len(label.split()) <= 3 else "text")


def _texts(
    rows: Sequence[Mapping[str, Any]], config: GroundingConfig, scale: tuple[float, float] | None
) -> Iterator[Grounded]:
    """What a place says, and all text with its places, as the source lists it."""
    labels = []
    for row in rows:
        shape: Shape = "polygon" if "polygon" in row else "box"
        text = row.get(config.text)
        try:
            place = _place(row.get(shape), shape, config, scale)
            label = Label(shape, (place,), "ocr_text", " ".join(str(text).split()))
        except FormatError as error:
            yield Grounded(w.choose("read", str(text)), "", "text", _reason(error))
            continue
        labels.append(label.render())
        yield Grounded(w.choose("read", Label(shape, (place,)).render()), label.text, "text")
    if len(labels) > 1:
        yield Grounded(w.choose("read all", labels[0]), "\n".join(labels), "text")


def _spans(rows: Sequence[Mapping[str, Any]], config: GroundingConfig) -> Iterator[Grounded]:
    """When an event happens, and all events with their times."""
    events = []
    for row in rows:
        start, end, caption = row.get("start"), row.get("end"), row.get(config.caption)
        try:
            span = Span(round(_number(start), 1), round(_number(end), 1), " ".join(str(caption).split()).rstrip("."))
        except FormatError as error:
            yield Grounded(w.choose("when", str(caption)), "", "text", _reason(error))
            continue
        events.append(span)
        yield Grounded(w.choose("when", span.caption), span.render(), "text")
    if len(events) > 1:
        ordered = sorted(events, key=lambda span: (span.start, span.end, span.caption))
        yield Grounded(w.choose("events", ordered[0].caption), "\n".join(s.render() for s in ordered), "text")


def _answered(shape: Shape, label: str, places: list[tuple[int, ...]], name: grounding.Name) -> Iterator[Grounded]:
    question = w.choose(shape, label)
    try:
        answer = Label(shape, tuple(places), name, label).render()
    except FormatError as error:
        yield Grounded(question, "", "text", _reason(error))
    else:
        yield Grounded(question, answer, "box" if shape == "box" and len(places) == 1 else "text")


def _place(value: Any, shape: Shape, config: GroundingConfig, scale: tuple[float, float] | None) -> tuple[int, ...]:
    """A place in thousandths, 0 to 999. Raises FormatError."""
    if scale is None:
        raise FormatError.because("pixels of a sample whose size is unknown")
    numbers = [_number(n) for n in _flat(value)]
    if shape == "box" and config.box_format == "xywh" and len(numbers) == 4:
        numbers = [numbers[0], numbers[1], numbers[0] + numbers[2], numbers[1] + numbers[3]]
    scaled = [round(n * scale[at % 2]) for at, n in enumerate(numbers)]
    if any(not -1 <= n <= SIDE + 1 for n in scaled):
        raise FormatError.because("outside of the picture")
    place = tuple(min(max(n, 0), SIDE - 1) for n in scaled)
    if shape == "polygon" and not grounding.is_clockwise(place):
        corners = list(zip(place[::2], place[1::2], strict=False))[::-1]
        place = tuple(n for corner in corners for n in corner)
    return Label(shape, (place,)).places[0]


def _flat(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise FormatError.because("no list of coordinates")
    return [n for one in value for n in (one if isinstance(one, list) else [one])]


def _reason(error: FormatError) -> str:
    """Without the entry's own values, for counting."""
    return error.message.partition(":")[0]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FormatError.because("not a number")
    return float(value)
