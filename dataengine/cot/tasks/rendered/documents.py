"""Rendered documents: Markdown and HTML pages with their source, notices, receipts, and words that are covered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_documents as w
from dataengine.cot.tasks.rendered.base import Maker, Scene, Sentence
from dataengine.cot.tasks.rendered.fonts import Face
from dataengine.cot.tasks.rendered.words import DAYS, GOODS, MONTHS, NAMES, SENTENCES, TOWNS, joined, some
from dataengine.media.image.pixels import Pixels

_BODY, _MARGIN = 18, 28


@dataclass(frozen=True)
class Block:
    """``kind``: title, heading, text, bullet, number or quote."""

    kind: str
    text: str


_MARKDOWN = {"title": "# ", "heading": "## ", "text": "", "bullet": "- ", "number": "{n}. ", "quote": "> "}
_TAGS = {"title": "h1", "heading": "h2", "text": "p", "bullet": "li", "number": "li", "quote": "blockquote"}
_LISTS = {"bullet": "ul", "number": "ol"}


@dataclass(frozen=True)
class Page:
    blocks: tuple[Block, ...]
    face: Face
    theme: canvas.Theme

    def markdown(self) -> str:
        """Blocks apart by an empty line, entries of a list by none."""
        lines = list[str]()
        for place, block in enumerate(self.blocks):
            before = self.blocks[place - 1].kind if place else ""
            if place and not (block.kind == before and block.kind in _LISTS):
                lines.append("")
            number = self._number(place)
            lines.append(_MARKDOWN[block.kind].format(n=number) + block.text)
        return "\n".join(lines)

    def html(self) -> str:
        """A line a block; lists are opened and closed on lines of their own."""
        lines, inside = list[str](), ""
        for block in [*self.blocks, Block("", "")]:
            wanted = _LISTS.get(block.kind, "")
            if wanted != inside:
                lines += [f"</{inside}>"] if inside else []
                lines += [f"<{wanted}>"] if wanted else []
                inside = wanted
            if block.kind:
                lines.append(f"<{_TAGS[block.kind]}>{block.text}</{_TAGS[block.kind]}>")
        return "\n".join(lines)

    def paint(self) -> Pixels:
        bold: Face = "serif bold" if self.face == "serif" else "sans bold"
        looks: dict[str, tuple[Face, int]] = {
            "title": (bold, 30),
            "heading": (bold, 23),
            "quote": ("serif italic", _BODY),
        }
        rows = []
        for place, block in enumerate(self.blocks):
            face, size = looks.get(block.kind, (self.face, _BODY))
            lead = {"bullet": "•  ", "number": f"{self._number(place)}.  "}.get(block.kind, "")
            rows.append((lead + block.text, face, size, 24 if block.kind in ("bullet", "number", "quote") else 0))
        width = max(canvas.text_width(text, face, size) + indent for text, face, size, indent in rows) + 2 * _MARGIN
        height = sum(round(1.75 * size) for _, _, size, _ in rows) + 2 * _MARGIN
        image = canvas.blank(max(width, 300), height, self.theme.paper)
        draw, y = ImageDraw.Draw(image), float(_MARGIN)
        for (text, face, size, indent), block in zip(rows, self.blocks, strict=True):
            step = round(1.75 * size)
            ink = self.theme.accent if block.kind in ("title", "heading") else self.theme.ink
            if block.kind == "quote":
                draw.rectangle((_MARGIN + 8, round(y + 4), _MARGIN + 11, round(y + step - 4)), fill=self.theme.line)
            canvas.text(draw, (_MARGIN + indent, y + step / 2), text, face, size, ink, "lm")
            y += step
        return canvas.pixels_of(image)

    def _number(self, place: int) -> int:
        first = place
        while first and self.blocks[first - 1].kind == "number":
            first -= 1
        return place - first + 1


def page(draw: Draw) -> Page:
    title = f"{draw.choice(('Notes for', 'Welcome to', 'News from', 'A day in', 'Rules of'))} {draw.choice(TOWNS)}"
    sentences, goods = some(draw, SENTENCES, 5), some(draw, GOODS, 4)
    listed = draw.choice(("bullet", "number"))
    blocks = [Block("title", title), Block("text", sentences[0])]
    sections = draw.shuffled([
        [Block("heading", draw.choice(("What to bring", "In the shop", "For sale"))), *(Block(listed, one) for one in goods[:3])],
        [Block("heading", draw.choice(("Please note", "Good to know", "Before you come"))), Block("text", sentences[1]),
         Block("quote", sentences[2])],
        [Block("heading", draw.choice(("Questions", "At the desk", "Contact"))), Block("text", f"Ask for {draw.choice(NAMES)}."),
         Block("text", sentences[3])],
    ])[: 1 + draw.below(3)]  # fmt: skip
    for section in sections:
        blocks += section
    return Page(tuple(blocks), draw.choice(("sans", "serif")), canvas.theme(draw))


def _source(kind: str, source: Callable[[Page], str]) -> Callable[[Draw], Scene]:
    def make(draw: Draw) -> Scene:
        shown = page(draw)
        return Scene(kind, source(shown), "ocr", shown.paint, {}, (("The whole page.",),) * 2, shown=shown.markdown())

    return make


def _covered(draw: Draw) -> Scene:
    """A word of a sentence that is repeated below is covered once: the other copy shows it."""
    sentences = some(draw, SENTENCES, 4)
    target = sentences[0]
    words = target.rstrip(".").split()
    place = draw.choice([n for n, word in enumerate(words) if n and len(word) > 3])
    blank = " ".join(["_" * 8 if n == place else word for n, word in enumerate(words)]) + "."
    lines = ["First printing", blank, *sentences[1:3], "", "Second printing", target, *draw.shuffled(sentences[1:3])]
    paint = canvas.later(lines, draw.choice(("sans", "serif", "hand")), 20, canvas.theme(draw))
    steps: list[Sentence] = [
        (f'The gap is in "{blank}".', f'The sentence with the gap is "{blank}".'),
        (f'Further down the same sentence is whole: "{target}"', f'The second printing has all of it: "{target}"'),
    ]
    return Scene("covered", words[place], "word", paint, {}, tuple(steps), w.FINALS["covered"])


@dataclass(frozen=True)
class Receipt:
    shop: str
    lines: tuple[tuple[str, int, int], ...]
    paid: int
    theme: canvas.Theme

    @property
    def total(self) -> int:
        return sum(count * price for _, count, price in self.lines)

    def paint(self) -> Pixels:
        rows = [
            self.shop.upper(),
            "",
            *(f"{c} x {name:<10}{p:>4} each" for name, c, p in self.lines),
            "",
            f"Paid in cash {self.paid:>9}",
        ]
        return canvas.pixels_of(canvas.page(rows, "mono", 19, self.theme))


def _receipt(draw: Draw) -> Scene:
    lines = tuple((good, 1 + draw.below(5), 2 + draw.below(15)) for good in some(draw, GOODS, 3 + draw.below(2)))
    total = sum(count * price for _, count, price in lines)
    paid = total + 1 + draw.below(30)
    receipt = Receipt(f"{draw.choice(TOWNS)} market", lines, paid, canvas.theme(draw))
    products = [f"{name}: {count} x {price} = {count * price}" for name, count, price in lines]
    steps: list[Sentence] = [
        (f"Line by line, {'; '.join(products)}.", f"I multiply each line: {'; '.join(products)}."),
        (f"Together that is {' + '.join(str(c * p) for _, c, p in lines)} = {total}.",),
    ]
    kind = draw.choice(("total", "change", "line"))
    if kind == "change":
        steps.append((f"{paid} were paid, and {paid} - {total} = {paid - total}.",))
        return Scene(kind, str(paid - total), "number", receipt.paint, {}, tuple(steps), w.FINALS[kind], w.PLAIN[kind])
    if kind == "line":
        most = max(lines, key=lambda line: (line[1] * line[2], line[0]))
        if sum(c * p == most[1] * most[2] for _, c, p in lines) > 1:
            return _receipt(draw)
        steps = [steps[0], (f"The largest of these is {most[1] * most[2]}, for {most[0]}.",)]
        return Scene(kind, most[0], "word", receipt.paint, {}, tuple(steps), w.FINALS[kind], w.PLAIN[kind])
    return Scene(kind, str(total), "number", receipt.paint, {}, tuple(steps), w.FINALS[kind], w.PLAIN[kind])


_FIELDS = {"date": "the date", "place": "the place", "time": "the time", "host": "the host", "fee": "the fee"}


def _notice(draw: Draw) -> Scene:
    """One field of an invitation; two of them when asked together."""
    day, month = 1 + draw.below(28), draw.choice(MONTHS)
    values = {
        "date": f"{day} {month}",
        "place": f"{draw.choice(TOWNS)} Hall",
        "time": f"{8 + draw.below(12)}:{draw.choice(('00', '15', '30', '45'))}",
        "host": draw.choice(NAMES),
        "fee": f"{2 + draw.below(28)} crowns",
    }
    what = draw.choice(("Concert", "Lecture", "Dance", "Auction", "Reading", "Workshop", "Fair"))
    order = draw.shuffled(sorted(values))
    heads = {"date": "Date", "place": "Place", "time": "Begins", "host": "Host", "fee": "Entry"}
    lines = [what.upper(), "", *(f"{heads[name]}: {values[name]}" for name in order), "", draw.choice(SENTENCES)]
    paint = canvas.later(lines, draw.choice(("sans", "serif", "mono", "hand")), 22, canvas.theme(draw))
    kind = draw.choice(sorted(values))
    step = (f'The line "{heads[kind]}" says {values[kind]}.',)
    slots = {"what": what.lower()}
    return Scene(
        kind, values[kind], "ocr", paint, slots, (step,), plain=("{answer}",), shown="\n".join(lines)
    )  # fmt: skip


def _hours(draw: Draw) -> Scene:
    """How long a shop is still open, or until it opens, from the sign on its door."""
    opens, closes, late = 7 + draw.below(4), 16 + draw.below(4), draw.choice(DAYS[:5])
    rows = [f"{day:<10} {opens}:00 - {closes + (2 if day == late else 0)}:00" for day in DAYS[:5]]
    rows += [f"Saturday   {opens + 1}:30 - 13:00", "Sunday     closed"]
    paint = canvas.later(["OPENING HOURS", "", *rows], "mono", 20, canvas.theme(draw))
    day, kind = draw.choice(DAYS[:6]), draw.choice(("until_closing", "until_opening", "open_minutes"))
    start, end = (
        (60 * opens, 60 * (closes + (2 if day == late else 0))) if day != "Saturday" else (60 * opens + 90, 780)
    )
    sign = (
        f"On {day} it is open from {_clock(start)} to {_clock(end)}.",
        f"The line for {day} says {_clock(start)} to {_clock(end)}.",
    )
    if kind == "open_minutes":
        count, steps = (
            end - start,
            [
                sign,
                (
                    f"From {_clock(start)} to {_clock(end)} are {(end - start) // 60} hours"
                    f"{' and 30 minutes' if (end - start) % 60 else ''}, that is {end - start} minutes.",
                ),
            ],
        )
        now = ""
    else:
        gap = 5 * (2 + draw.below(17))
        at = end - gap if kind == "until_closing" else start - gap
        word = "closes" if kind == "until_closing" else "opens"
        count, now = gap, _clock(at)
        steps = [
            sign,
            (f"From {now} until it {word} at {_clock(end if word == 'closes' else start)} are {gap} minutes.",),
        ]
    slots = {"day": day, "now": now}
    return Scene(
        kind, str(count), "number", paint, slots, tuple(steps), w.FINALS[kind], w.PLAIN["minutes"]
    )  # fmt: skip


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _timeline(draw: Draw) -> Scene:
    """Lettered cards with dates, to be put in the order of time."""
    count = 5 + draw.below(2)
    days = draw.shuffled([(month, 1 + draw.below(28)) for month in draw.shuffled(range(12))[:count]])
    letters, years = "ABCDEF"[:count], 1900 + draw.below(120)
    what = some(
        draw,
        ("Bridge opened", "First ferry", "Great flood", "New school", "Market moved", "Tower lit", "Mill sold"),
        count,
    )
    lines = [
        f"{letter}  {name}, {day} {MONTHS[month]} {years}"
        for letter, name, (month, day) in zip(letters, what, days, strict=True)
    ]
    paint = canvas.later(lines, draw.choice(("sans", "serif", "hand")), 22, canvas.theme(draw))
    order = sorted(range(count), key=lambda n: days[n])
    months = joined([f"{MONTHS[days[n][0]]} ({letters[n]})" for n in order])
    steps: list[Sentence] = [
        ("All cards are of one year, so the months decide.", "The year is the same everywhere; I compare the months."),
        (f"In the order of the year they are {months}.", f"Sorted by month: {months}."),
    ]
    return Scene(
        "timeline", ", ".join(letters[n] for n in order), "order", paint, {}, tuple(steps),
        w.FINALS["timeline"], w.PLAIN["timeline"],
    )  # fmt: skip


MARKDOWN = Maker("documents", _source("markdown", Page.markdown), w.MARKDOWN)
HTML = Maker("documents", _source("html", Page.html), w.HTML)
COVERED = Maker("documents", _covered, w.COVERED)
RECEIPT = Maker("documents", _receipt, w.RECEIPT)
NOTICE = Maker("documents", _notice, w.NOTICE)
HOURS = Maker("commonsense", _hours, w.HOURS)
TIMELINE = Maker("order", _timeline, w.TIMELINE)
