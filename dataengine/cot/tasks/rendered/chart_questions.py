"""Questions about the values of rendered charts: single ones, comparisons, crossings, and what is missing or claimed."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import effort
from dataengine.cot.tasks.rendered import wording_charts as w
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.charts import LABELS, STEP, STEPS, Chart, bars, lines
from dataengine.cot.tasks.rendered.effort import Effort, Sentence
from dataengine.cot.tasks.rendered.words import NUMBER_WORDS, joined, signed, some

_Counts = tuple[int, ...]
_USUAL: _Counts = (5, 6)
_FEW, _MANY = (3, 4), (6, 7)
"""Bars or points of charts that auto-think reads at once, and of those that it goes through."""


def _scene(
    chart: Chart,
    kind: str,
    answer: str,
    slots: dict[str, str],
    steps: list[Sentence],
    work: Effort,
    check: Sentence = ("",),
) -> Scene:
    return Scene(
        kind,
        answer,
        "number" if answer.isdigit() else "word",
        chart.paint,
        {"title": chart.title, **slots},
        tuple(steps),
        w.FINALS[kind],
        w.PLAIN[kind],
        json.dumps(chart.data()),
        (_layout(chart, kind in w.TRAP),),
        (check,),
        work,
    )


def _layout(chart: Chart, trap: bool) -> Sentence:
    """``trap``: all bars are named."""
    labels, scale = joined(chart.labels), f"from 0 to {STEP * STEPS} in steps of {STEP}"
    if len(chart.series) > 1:
        first, second = chart.series
        return (
            f'The chart "{chart.title}" has two lines, {first} and {second} in the legend, over {labels}.',
            f"The legend names two lines, {first} and {second}; along the axis are {labels}.",
            f"Two lines, {first} and {second}, run over {labels}; the scale goes {scale}.",
            f"There are two lines, one for {first} and one for {second}.",
            f"The legend has {first} and {second}.",
        )
    short = "The number of each bar is above it." if chart.numbered else f"The scale at the left goes {scale}."
    numbers = "each with its number above it" if chart.numbered else f"and the scale at the left goes {scale}"
    return (
        f'The chart "{chart.title}" has bars for {labels}, {numbers}.',
        f"From left to right there are bars for {labels}, {numbers}.",
        f'Under the title "{chart.title}" I see bars for {labels}, {numbers}.',
        *([] if trap else [short, ""]),
    )


def _bar(chart: Chart, label: str) -> Sentence:
    value = chart.only[label]
    if chart.numbered:
        return (
            f"The number above the bar for {label} is {value}.",
            f"The bar for {label} is marked {value}.",
            f"Above {label} it says {value}.",
        )
    return (
        f"The bar for {label} ends at the line marked {value}.",
        f"The top of the bar for {label} is level with {value} on the scale.",
        f"Followed across to the scale, the bar for {label} reaches {value}.",
    )


def _value(draw: Draw, counts: _Counts = _USUAL) -> Scene:
    chart = bars(draw, counts)
    label = draw.choice(chart.labels)
    next_ = chart.labels[chart.labels.index(label) - 1 if label != chart.labels[0] else 1]
    check = (f"The bar beside it, for {next_}, has {chart.only[next_]}.", "")
    step = _bar(chart, label)
    return _scene(chart, "value", str(chart.only[label]), {"label": label}, [step], effort.bar(chart.numbered), check)


def _compared(draw: Draw, counts: _Counts = _USUAL) -> Scene:
    chart = bars(draw, counts)
    more, less = sorted(some(draw, chart.labels, 2), key=lambda label: -chart.only[label])
    a, b = chart.only[more], chart.only[less]
    steps = [_bar(chart, more), _bar(chart, less)]
    steps += [(f"The difference is {a} - {b} = {a - b}.", f"Subtracting one from the other, {a} - {b} = {a - b}.")]
    check = (f"Adding it back gives {b} + {a - b} = {a}.", f"Indeed, {b} + {a - b} = {a}.", "")
    work = effort.two_bars(chart.numbered)
    return _scene(chart, "difference", str(a - b), {"more": more, "less": less}, steps, work, check)


def _ranked(draw: Draw, counts: _Counts = _USUAL) -> Scene:
    chart, place = bars(draw, counts), draw.below(3)
    order = sorted(chart.labels, key=lambda label: -chart.only[label])
    listed = ", ".join(f"{label} {chart.only[label]}" for label in chart.labels)
    tallest, rest = joined(order[: place + 1]), joined(order[place + 1 :] or order[:1])
    steps: list[Sentence] = [
        (f"From left to right I read {listed}.", f"Bar by bar, the values are {listed}.", f"The bars show {listed}."),
        (f"In falling order, the first are {tallest}.", f"From the tallest down: {tallest}.")
        if place
        else (f"The tallest of them is that for {order[0]}.", f"None is taller than the bar for {order[0]}."),
    ]  # fmt: skip
    lower = len(order) - place - 1
    check = ("",) if not lower else (
        f"The bar{'s' if lower > 1 else ''} for {rest} {'are' if lower > 1 else 'is'} lower.",
        f"{rest} {'are' if lower > 1 else 'is'} below that.",
        "",
    )  # fmt: skip
    nth = ("tallest", "second-tallest", "third-tallest")[place]
    return _scene(chart, "rank", order[place], {"nth": nth}, steps, effort.bars(len(order)), check)


def _above(draw: Draw, counts: _Counts = _USUAL) -> Scene:
    """How many bars end above a level; each number of bars is as likely as any other."""
    chart = bars(draw, counts)
    order = sorted(chart.only.values(), reverse=True)
    count = 1 + draw.below(len(order) - 1)
    step, shift = (1, 1) if chart.numbered else (STEP, STEP // 2)
    if not (levels := range(order[count] + shift, order[count - 1], step)):
        return _above(draw, counts)
    level = draw.choice(levels)
    over, under = (
        joined([f"{label} ({value})" for label, value in chart.only.items() if (value > level) == above])
        for above in (True, False)
    )
    how_many: Sentence = (f"That is {NUMBER_WORDS[count]} of them.", f"So {NUMBER_WORDS[count]} of the bars count.")
    steps: list[Sentence] = [
        (f"The bars above {level} are {over}.", f"More than {level} is shown for {over}."),
        how_many,
    ]
    if count == 1:
        steps = [
            (f"The only bar above {level} is {over}.", f"Only {over} is above {level}."),
            ("That makes one bar.", ""),
        ]
    are_below = f"others, {under}, stay" if len(order) - count > 1 else f"other, {under}, stays"
    check = (f"The {are_below} below {level}.", "")
    return _scene(chart, "above", str(count), {"level": str(level)}, steps, effort.bars(len(order)), check)


def _crossing(draw: Draw, counts: _Counts = _USUAL) -> Scene:
    """From which label on one line runs above the other."""
    chart = lines(draw, counts)
    (first, before), (second, after) = chart.series.items()
    at = next(n for n, (a, b) in enumerate(zip(before, after, strict=True)) if b > a)
    label = chart.labels[at]
    until = "; ".join(f"{one} {a} and {b}" for one, a, b in zip(chart.labels[:at], before, after, strict=False))
    steps: list[Sentence] = [
        (f"For {first} and {second} I read at first: {until}.", f"Point by point, {first} and {second} are at: {until}."),
        (f"So far {first} is higher.", f"Up to there, the line for {second} is the lower one."),
        (f"At {label} it is {before[at]} for {first} and {after[at]} for {second}.",
         f"Then, at {label}, {second} has {after[at]} and {first} only {before[at]}."),
    ]  # fmt: skip
    check: Sentence = (
        f"From there on, {second} stays on top.",
        f"After that, {first} is never above {second} again.",
        "",
    )
    if label == chart.labels[-1]:
        check = (f"{label} is the last label.", "")
    slots = {"first": first, "second": second}
    return _scene(chart, "crossing", label, slots, steps, effort.two_lines(len(chart.labels)), check)


def _rise(draw: Draw, counts: _Counts = _USUAL) -> Scene:
    """Between which two neighbouring labels a line rises most."""
    chart = lines(draw, counts)
    name = draw.choice(list(chart.series))
    values = chart.series[name]
    rises = sorted(((b - a, n) for n, (a, b) in enumerate(pairwise(values))), reverse=True)
    if rises[0][0] <= 0 or rises[0][0] == rises[1][0]:
        return _rise(draw, counts)
    listed = ", ".join(f"{label} {value}" for label, value in zip(chart.labels, values, strict=True))
    at = rises[0][1]
    changes = ", ".join(f"{signed(b - a)}" for a, b in pairwise(values))
    start, end = chart.labels[at], chart.labels[at + 1]
    steps: list[Sentence] = [
        (f"The line for {name} reads: {listed}.", f"The values of {name} are: {listed}."),
        (f"From one label to the next it changes by {changes}.", f"That gives these steps: {changes}."),
        (f"The steepest rise is from {values[at]} to {values[at + 1]}, between {start} and {end}.",
         f"The largest step up, {signed(rises[0][0])}, is between {start} and {end}."),
    ]  # fmt: skip
    work = effort.line(len(chart.labels))
    return _scene(chart, "rise", f"from {start} to {end}", {"name": name}, steps, work)


_COMPUTED: tuple[Callable[[Draw, _Counts], Scene], ...] = (_compared, _ranked, _above, _crossing, _rise)


def _mixed(draw: Draw) -> Scene:
    """A value or a computation, on a chart of few labels or of many."""
    counts = draw.choice((_FEW, _MANY))
    return draw.choice((_value, draw.choice(_COMPUTED)))(draw, counts)


def _trap(draw: Draw) -> Scene:
    """A bar that is there or not, in the same words, or a claim about one that is true or not, half of the time each."""
    chart = bars(draw)
    label, work = draw.choice(chart.labels), effort.bar(chart.numbered)
    if not draw.below(3):
        return _claim(chart, label, draw)
    if draw.below(2):
        return _scene(chart, "asked", str(chart.only[label]), {"label": label}, [_bar(chart, label)], work)
    names = next(names for names in LABELS if {*chart.labels} <= {*names})
    label = draw.choice([name for name in names if name not in chart.labels])
    step = (f"{label} is not one of them.", f"There is no bar for {label}.", f"None of these is {label}.")
    return _scene(chart, "missing", f"no {label}", {"label": label}, [step], work)


def _claim(chart: Chart, label: str, draw: Draw) -> Scene:
    value = chart.only[label]
    claimed = draw.choice([value + d for d in (-30, -20, -10, 10, 20, 30) if 0 < value + d < 100])
    if draw.below(2):
        claimed = value
    right: Sentence = (f"So {claimed} is right.", "The question has it right.", f"That is indeed {claimed}.")
    wrong: Sentence = (f"So {claimed} is not right.", f"The question has {claimed} instead, which is wrong.")
    steps = [_bar(chart, label), right if claimed == value else wrong]
    slots = {"label": label, "claimed": str(claimed)}
    return _scene(chart, "claim", str(value), slots, steps, effort.bar(chart.numbered))


VALUE = Maker("charts and tables", _value, w.VALUE)
COMPUTED = Maker("charts and tables", lambda draw: draw.choice(_COMPUTED)(draw, _USUAL), w.COMPUTED)
TRAP = Maker("charts and tables", _trap, w.TRAP)
MIXED = Maker("charts and tables", _mixed, {**w.VALUE, **w.COMPUTED})
