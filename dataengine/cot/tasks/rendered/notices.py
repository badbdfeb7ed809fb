"""Rendered receipts, notices, opening hours and dated events."""

from __future__ import annotations

from dataclasses import dataclass

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas, effort
from dataengine.cot.tasks.rendered import wording_notices as w
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.effort import Sentence
from dataengine.cot.tasks.rendered.words import DAYS, GOODS, MONTHS, NAMES, SENTENCES, TOWNS, joined, ordinal, some
from dataengine.media.image.pixels import Pixels

_UNITS = ("euros", "dollars", "pounds", "crowns")


@dataclass(frozen=True)
class Receipt:
    shop: str
    lines: tuple[tuple[str, int, int], ...]
    paid: int
    unit: str
    theme: canvas.Theme

    @property
    def total(self) -> int:
        return sum(count * price for _, count, price in self.lines)

    def paint(self) -> Pixels:
        rows = [
            self.shop.upper(),
            f"Prices in {self.unit}",
            "",
            *(f"{c} x {name:<10}{p:>4} each" for name, c, p in self.lines),
            "",
            f"Paid in cash {self.paid:>9}",
        ]
        return canvas.pixels_of(canvas.page(rows, "mono", 19, self.theme))


def _receipt(draw: Draw) -> Scene:
    lines = tuple((good, 1 + draw.below(5), 2 + draw.below(15)) for good in some(draw, GOODS, 3 + draw.below(2)))
    total = sum(count * price for _, count, price in lines)
    shop, unit = f"{draw.choice(TOWNS)} market", draw.choice(_UNITS)
    receipt = Receipt(shop, lines, total + 1 + draw.below(30), unit, canvas.theme(draw))
    goods, paid = joined([name for name, _, _ in lines]), receipt.paid
    products = [f"{name}: {count} × {price} = {count * price}" for name, count, price in lines]
    opening: Sentence = (
        f"The receipt from {shop} lists {goods}, with the number of pieces and the price of each in {unit}.",
        f"There are {len(lines)} lines on the receipt, for {goods}; the prices are in {unit} for one piece.",
        f"Each line gives a number of pieces and a price in {unit}; the goods are {goods}.",
        f"The prices are in {unit} for one piece.",
        "",
    )
    steps: list[Sentence] = [(f"Line by line, {'; '.join(products)}.", f"I multiply each line: {'; '.join(products)}.")]
    summed = f"{' + '.join(str(c * p) for _, c, p in lines)} = {total}"
    check: Sentence = ("",)
    kind = draw.choice(("total", "change", "line"))
    if kind == "line":
        (_, next_), (amount, most) = sorted((c * p, name) for name, c, p in lines)[-2:]
        if amount == next(c * p for name, c, p in lines if name == next_):
            return _receipt(draw)
        steps += [(f"The largest of these is {amount}, for {most}.", f"With {amount}, {most} cost the most.")]
        check = (f"The next largest amount is that for {next_}.", f"After that comes the amount for {next_}.", "")
        answer = most
    else:
        steps += [(f"Together that is {summed}.", f"Added up, {summed}.")]
        answer = str(total)
    if kind == "change":
        back = paid - total
        steps += [(f"The customer paid {paid} {unit} in cash, and {paid} - {total} = {back}.",
                   f"At the bottom I read that {paid} {unit} were paid, so {paid} - {total} = {back} came back.")]  # fmt: skip
        check = (f"Indeed, {total} + {back} = {paid}.", "")
        answer = str(back)
    return Scene(
        kind,
        answer,
        "word" if kind == "line" else "number",
        receipt.paint,
        {"unit": unit},
        tuple(steps),
        w.FINALS[kind],
        opening=(opening,),
        check=(check,),
    )


_HEADS = {"date": "Date", "place": "Place", "time": "Begins", "host": "Host", "fee": "Entry"}
_EVENTS = ("concert", "lecture", "dance", "auction", "reading", "workshop", "fair")


def _event(draw: Draw, place: str, host: str) -> dict[str, str]:
    return {
        "date": f"{1 + draw.below(28)} {draw.choice(MONTHS)}",
        "place": f"{place} Hall",
        "time": f"{8 + draw.below(12)}:{draw.choice(('00', '15', '30', '45'))}",
        "host": host,
        "fee": f"{2 + draw.below(28)} crowns",
    }


def _notice(draw: Draw, count: int) -> Scene:
    """One field of one of the events on a notice."""
    names = some(draw, _EVENTS, count)
    events = [_event(draw, *pair) for pair in zip(some(draw, TOWNS, count), some(draw, NAMES, count), strict=True)]
    order = draw.shuffled(sorted(_HEADS))
    lines = list[str]()
    for name, event in zip(names, events, strict=True):
        lines += [name.upper(), *(f"{_HEADS[field]}: {event[field]}" for field in order), ""]
    lines += [draw.choice(SENTENCES)]
    paint = canvas.later(lines, draw.choice(("sans", "serif", "mono", "hand")), 22, canvas.theme(draw))
    kind, at = draw.choice(sorted(_HEADS)), draw.below(count)
    what, value, head = names[at], events[at][kind], _HEADS[kind]
    listed = joined([f"a{'n' if name[0] == 'a' else ''} {name}" for name in names])
    others = joined([event[kind] for name, event in zip(names, events, strict=True) if name != what] or [""])
    opening: Sentence = (f"The notice announces {listed}.", f"On the notice I find {listed}.")
    steps: list[Sentence] = [
        (f"The part about the {what} is the {ordinal(at + 1)} from the top.", f"The {what} comes {ordinal(at + 1)}."),
        (f'Its line "{head}" says {value}.', f'There, after "{head}", I read {value}.'),
    ]
    check: Sentence = (f"The other part{'s have' if count > 2 else ' has'} {others} there.", "")
    return Scene(
        kind,
        value,
        "ocr",
        paint,
        {"what": what},
        tuple(steps),
        plain=("{answer}",),
        shown="\n".join(lines),
        opening=(opening,),
        check=(check,) if count > 1 else (),
        effort=effort.notice(count),
    )


def _hours(draw: Draw) -> Scene:
    """How long a shop is still open, or until it opens, from the sign on its door."""
    opens, closes, late = 7 + draw.below(4), 16 + draw.below(4), draw.choice(DAYS[:5])
    times = {day: (60 * opens, 60 * (closes + (2 if day == late else 0))) for day in DAYS[:5]}
    times["Saturday"] = (60 * opens + 90, 780)
    rows = [f"{day:<10} {_clock(start)} - {_clock(end)}" for day, (start, end) in times.items()]
    paint = canvas.later(["OPENING HOURS", "", *rows, "Sunday     closed"], "mono", 20, canvas.theme(draw))
    day, kind = draw.choice(DAYS[:6]), draw.choice(("until_closing", "until_opening", "open_minutes"))
    other = draw.choice([one for one in times if one != day])
    start, end = times[day]
    opening: Sentence = (
        "The sign gives the opening hours day by day; on Sunday the shop is closed.",
        "On the sign there is a line for each day from Monday to Sunday.",
        "The sign lists all seven days with their hours, and the shop is closed on Sunday.",
    )
    steps: list[Sentence] = [
        (f"On {day} the shop is open from {_clock(start)} to {_clock(end)}.",
         f"The line for {day} says {_clock(start)} to {_clock(end)}.")
    ]  # fmt: skip
    if kind == "open_minutes":
        minutes, now = end - start, ""
        steps += _whole(start, end)
    else:
        minutes = 5 * (2 + draw.below(17))
        until = end if kind == "until_closing" else start
        now = _clock(until - minutes)
        verb = "closes" if kind == "until_closing" else "opens"
        steps += [
            (
                f"It {verb} at {_clock(until)}, and it is {now} now.",
                f"What is asked is the time from {now} until it {verb} at {_clock(until)}.",
            )
        ]
        steps += _between(until - minutes, until)
    check = (f"The hours of other days, such as {_clock(times[other][0])} to {_clock(times[other][1])} on {other}, "
             "do not matter here.", "")  # fmt: skip
    return Scene(
        kind,
        str(minutes),
        "number",
        paint,
        {"day": day, "now": now},
        tuple(steps),
        w.FINALS[kind],
        opening=(opening,),
        check=(check,),
    )


def _whole(start: int, end: int) -> list[Sentence]:
    """The minutes of a day's opening hours."""
    hours, rest = divmod(end - start, 60)
    length = f"{hours} hours{' and 30 minutes' if rest else ''}"
    product = f"{hours} × 60{' + 30' if rest else ''} = {end - start}"
    return [
        (f"From {_clock(start)} to {_clock(end)} is {length}.", f"That is {length} in all."),
        (f"In minutes, {product}.", f"An hour has 60 minutes, so that is {product} minutes."),
    ]


def _between(now: int, until: int) -> list[Sentence]:
    """The minutes from one time to a later one, by way of the next full hour."""
    gap, full = until - now, -(-now // 60) * 60
    if now < full < until:
        first, rest = full - now, until - full
        return [
            (f"From {_clock(now)} to {_clock(full)} is {first} minutes, and from there to {_clock(until)} another {rest}.",
             f"Up to {_clock(full)} there are {first} minutes, and {rest} more up to {_clock(until)}."),
            (f"Together that is {first} + {rest} = {gap} minutes.", f"In all, {first} + {rest} = {gap} minutes."),
        ]  # fmt: skip
    return [(f"From {_clock(now)} to {_clock(until)} is {gap} minutes.", f"That is {gap} minutes.")]


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


_EVENTS = ("Bridge opened", "First ferry", "Great flood", "New school", "Market moved", "Tower lit", "Mill sold")


def _timeline(draw: Draw) -> Scene:
    """Lettered lines with dates, to be put in the order of time."""
    count = 5 + draw.below(2)
    days = draw.shuffled([(month, 1 + draw.below(28)) for month in draw.shuffled(range(12))[:count]])
    letters, year = "ABCDEF"[:count], 1900 + draw.below(120)
    dates = [f"{day} {MONTHS[month]}" for month, day in days]
    events = list(zip(letters, some(draw, _EVENTS, count), dates, strict=True))
    lines = [f"{letter}  {name}, {date} {year}" for letter, name, date in events]
    paint = canvas.later(lines, draw.choice(("sans", "serif", "hand")), 22, canvas.theme(draw))
    order = sorted(range(count), key=lambda n: days[n])
    listed = joined([f"{letter} on {date}" for letter, _, date in events])
    months = joined([f"{MONTHS[days[n][0]]} ({letters[n]})" for n in order])
    first, last = events[order[0]], events[order[-1]]
    steps: list[Sentence] = [
        (
            f"All dates are of the year {year}, so the months decide.",
            f"The year is {year} in every line; I compare the months.",
        ),
        (f"In the order of the year, the months are {months}.", f"Sorted by month: {months}."),
    ]
    return Scene(
        "timeline",
        ", ".join(letters[n] for n in order),
        "order",
        paint,
        {},
        tuple(steps),
        w.FINALS["timeline"],
        opening=(
            (f"The lines are dated as follows: {listed}.", f"From top to bottom the dates are: {listed}.", "", ""),
        ),
        check=((f'So it begins with "{first[1]}" and ends with "{last[1]}".', ""),),
    )


RECEIPT = Maker("documents", _receipt, w.RECEIPT)
NOTICE = Maker("documents", lambda draw: _notice(draw, 1 + draw.below(3)), w.NOTICE)
MIXED = Maker("documents", lambda draw: _notice(draw, draw.choice((1, 3))), w.NOTICE)
HOURS = Maker("commonsense", _hours, w.HOURS)
TIMELINE = Maker("order", _timeline, w.TIMELINE)
