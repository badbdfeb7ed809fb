"""Rendered programs: their source, a line that is covered, and what they print."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_code as w
from dataengine.cot.tasks.rendered.base import Maker, Scene, Sentence
from dataengine.cot.tasks.rendered.words import NAMES, NOUNS, joined, ordinal, some
from dataengine.media.image.pixels import Pixels

_SIZE, _MARGIN = 18, 22


@dataclass(frozen=True)
class Listing:
    """Lines of a program; ``covered`` is the place of one that is hidden, -1 for none."""

    language: str
    lines: tuple[str, ...]
    theme: canvas.Theme
    numbered: bool
    covered: int = -1

    @property
    def source(self) -> str:
        return "\n".join(self.lines)

    def paint(self) -> Pixels:
        step, gutter = round(1.5 * _SIZE), 40 if self.numbered else 0
        width = max(canvas.text_width(line, "mono", _SIZE) for line in self.lines) + 2 * _MARGIN + gutter
        image = canvas.blank(max(width, 320), step * len(self.lines) + 2 * _MARGIN, self.theme.paper)
        draw = ImageDraw.Draw(image)
        for number, line in enumerate(self.lines):
            y = _MARGIN + number * step + step / 2
            if self.numbered:
                canvas.text(draw, (_MARGIN + 20, y), str(number + 1), "mono", _SIZE, self.theme.line, "rm")
            if number == self.covered:
                edges = (_MARGIN + gutter, round(y - 0.5 * step) + 2, image.width - _MARGIN, round(y + 0.5 * step) - 2)
                draw.rectangle(edges, fill=self.theme.line)
            else:
                canvas.text(draw, (_MARGIN + gutter, y), line, "mono", _SIZE, self.theme.ink, "lm")
        return canvas.pixels_of(image)


def _python_function(draw: Draw) -> list[str]:
    name, a, b = some(draw, NOUNS, 3)
    scale, offset = 2 + draw.below(8), 1 + draw.below(9)
    return [
        f"def {name}_total({a}, {b}):",
        f"    total = {offset}",
        f"    for item in {a}:",
        f"        if item > {b}:",
        f"            total += item * {scale}",
        "        else:",
        f"            total -= {1 + draw.below(5)}",
        "    return total",
    ]


def _python_class(draw: Draw) -> list[str]:
    name, field, other = some(draw, NOUNS, 3)
    return [
        f"class {name.capitalize()}:",
        f"    limit = {10 + draw.below(80)}",
        "",
        f"    def __init__(self, {field}, {other}=None):",
        f"        self.{field} = {field}",
        f"        self.{other} = {other} or []",
        "",
        f"    def add(self, {field}):",
        f"        if len(self.{other}) >= self.limit:",
        f'            raise ValueError("too many {other}s")',
        f"        self.{other}.append({field})",
    ]


def _javascript(draw: Draw) -> list[str]:
    name, field, other = some(draw, NOUNS, 3)
    return [
        f"const {name} = {{ {field}: {draw.below(90)}, {other}: [] }};",
        f"function update{field.capitalize()}(value) {{",
        f"  if (value === {name}.{field}) return false;",
        f"  {name}.{other}.push({name}.{field});",
        f"  {name}.{field} = value + {1 + draw.below(9)};",
        "  return true;",
        "}",
    ]


def _sql(draw: Draw) -> list[str]:
    table, field, other = some(draw, NOUNS, 3)
    return [
        f"SELECT {field}, COUNT(*) AS n, MAX({other}) AS top",
        f"FROM {table}s",
        f"WHERE {other} BETWEEN {1 + draw.below(20)} AND {30 + draw.below(60)}",
        f"  AND {field} <> '{draw.choice(NAMES)}'",
        f"GROUP BY {field}",
        f"HAVING COUNT(*) > {1 + draw.below(9)}",
        f"ORDER BY n DESC LIMIT {5 + draw.below(40)};",
    ]


def _yaml(draw: Draw) -> list[str]:
    name, *fields = some(draw, NOUNS, 6)
    return [
        f"{name}:",
        f"  version: {1 + draw.below(9)}.{draw.below(20)}",
        f"  {fields[0]}:",
        f"    - {draw.choice(NAMES).lower()}",
        f"    - {draw.choice(NAMES).lower()}-{draw.below(90)}",
        f"  {fields[1]}: {draw.choice(('true', 'false'))}",
        f"  {fields[2]}: {{{fields[3]}: {draw.below(500)}, {fields[4]}: null}}",
    ]


_LANGUAGES: dict[str, tuple[Callable[[Draw], list[str]], ...]] = {
    "Python": (_python_function, _python_class),
    "JavaScript": (_javascript,),
    "SQL": (_sql,),
    "YAML": (_yaml,),
}


def listing(draw: Draw) -> Listing:
    language = draw.choice(sorted(_LANGUAGES))
    lines = draw.choice(_LANGUAGES[language])(draw)
    return Listing(language, tuple(lines), canvas.theme(draw), bool(draw.below(2)))


def _source(draw: Draw) -> Scene:
    shown = listing(draw)
    return Scene(
        "source", shown.source, "ocr", shown.paint, {"language": shown.language}, (("All lines.",),) * 2, shown=shown.source
    )  # fmt: skip


def _line(draw: Draw) -> Scene:
    """A line by its number, without the white space before it."""
    shown = listing(draw)
    number = draw.choice([n for n, line in enumerate(shown.lines) if line.strip()])
    slots = {"n": str(number + 1), "nth": _nth(number + 1), "language": shown.language}
    return Scene("line", shown.lines[number].strip(), "ocr", shown.paint, slots, (("One line.",),), shown=shown.source)


def _nth(number: int) -> str:
    return ordinal(number) if number <= 10 else f"{number}th"


def _hidden(draw: Draw) -> Scene:
    """A line that follows from another one: a constant that is used, or a sum that is printed."""
    name, other = some(draw, NOUNS, 2)
    start, step, times = 2 + draw.below(20), 2 + draw.below(8), 3 + draw.below(4)
    values = [start + step * n for n in range(times)]
    lines = (
        f"{name} = {start}",
        f"{other} = []",
        f"for turn in range({times}):",
        f"    {other}.append({name})",
        f"    {name} += {step}",
        f"print({other})",
        f"# prints {values}",
    )
    covered = draw.choice((0, 2, 4))
    shown = Listing("Python", lines, canvas.theme(draw), True, covered)
    listed = joined(list(map(str, values)))
    reasons: dict[int, list[Sentence]] = {
        0: [(f"The first value that is printed is {start}, and it is appended before anything is added.",),
            (f"So {name} has to start at {start}.",)],
        2: [(f"The comment lists {times} values: {listed}.",), (f"Each turn appends one, so the loop runs {times} times.",)],
        4: [(f"The printed values are {listed}.",), (f"From one to the next they grow by {step}, which the loop must add.",)],
    }  # fmt: skip
    slots = {"n": str(covered + 1), "nth": ordinal(covered + 1)}
    answer = lines[covered].strip()
    return Scene("hidden", answer, "text", shown.paint, slots, tuple(reasons[covered]), w.FINALS["hidden"])


def _loop(draw: Draw) -> tuple[list[str], str, list[Sentence]]:
    name = draw.choice(NOUNS)
    value, factor, less, times = 1 + draw.below(6), 2 + draw.below(2), 1 + draw.below(5), 2 + draw.below(3)
    lines = [
        f"{name} = {value}",
        f"for turn in range({times}):",
        f"    {name} = {name} * {factor} - {less}",
        f"print({name})",
    ]
    steps: list[Sentence] = [(f"{name} starts as {value}, and the loop runs {times} times.",)]
    for turn in range(1, times + 1):
        new = value * factor - less
        steps.append((f"Turn {turn}: {value} * {factor} - {less} = {new}.",))
        value = new
    return lines, str(value), steps


def _filter(draw: Draw) -> tuple[list[str], str, list[Sentence]]:
    name = draw.choice(NOUNS)
    values, limit = draw.shuffled(range(1, 30))[:6], 8 + draw.below(12)
    kept = [value for value in values if value > limit]
    if not kept:
        return _filter(draw)
    lines = [f"{name} = {values}", "total = 0", f"for value in {name}:"]
    lines += [f"    if value > {limit}:", "        total += value", "print(total)"]
    return lines, str(sum(kept)), [
        (f"Larger than {limit} are {joined(list(map(str, kept)))}.", f"The condition lets {joined(list(map(str, kept)))} pass."),
        (f"Added up that is {' + '.join(map(str, kept))} = {sum(kept)}.",)
        if len(kept) > 1
        else (f"Only that one is added, so total is {sum(kept)}.",),
    ]  # fmt: skip


def _text(draw: Draw) -> tuple[list[str], str, list[Sentence]]:
    name, other = some(draw, NOUNS, 2)
    first, size = 1 + draw.below(2), 3
    part = name[first : first + size]
    lines = [
        f'word = "{name}"',
        f'tail = "{other}"',
        f"part = word[{first}:{first + size}]",
        "print(part + tail[0] + tail[-1])",
    ]
    return lines, part + other[0] + other[-1], [
        (f"Counting letters from 0, word[{first}:{first + size}] of \"{name}\" is \"{part}\".",),
        (f"\"{other}\" begins with \"{other[0]}\" and ends in \"{other[-1]}\".",),
    ]  # fmt: skip


def _printed(draw: Draw) -> Scene:
    lines, answer, steps = draw.choice((_loop, _filter, _text))(draw)
    shown = Listing("Python", tuple(lines), canvas.theme(draw), bool(draw.below(2)))
    type_ = "word" if answer.isalpha() else "number"
    return Scene(
        "printed", answer, type_, shown.paint, {}, tuple(steps), w.FINALS["printed"],  # type: ignore[arg-type]
        ("It prints {answer}.", "{answer}"), shown.source,
    )  # fmt: skip


SOURCE = Maker("documents", _source, w.SOURCE)
LINE = Maker("text", _line, w.LINE)
HIDDEN = Maker("causality", _hidden, w.HIDDEN)
PRINTED = Maker("causality", _printed, w.PRINTED)
