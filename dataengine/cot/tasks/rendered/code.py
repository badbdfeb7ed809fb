"""Rendered source code in several languages, as a whole and line by line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_code as w
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.words import NAMES, NOUNS, ordinal, some
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


def listing(draw: Draw, numbered: bool) -> Listing:
    language = draw.choice(sorted(_LANGUAGES))
    lines = draw.choice(_LANGUAGES[language])(draw)
    return Listing(language, tuple(lines), canvas.theme(draw), numbered)


def _source(draw: Draw) -> Scene:
    shown = listing(draw, numbered=False)
    return Scene(
        "source", shown.source, "ocr", shown.paint, {"language": shown.language}, (("All lines.",),) * 2, shown=shown.source
    )  # fmt: skip


def _line(draw: Draw) -> Scene:
    """A line by the number that is shown before it, without the white space at its start."""
    shown = listing(draw, numbered=True)
    number = draw.choice([n for n, line in enumerate(shown.lines) if line.strip()])
    slots = {"n": str(number + 1), "nth": _nth(number + 1), "language": shown.language}
    return Scene("line", shown.lines[number].strip(), "ocr", shown.paint, slots, (("One line.",),), shown=shown.source)


def _nth(number: int) -> str:
    return ordinal(number) if number <= 10 else f"{number}th"


SOURCE = Maker("documents", _source, w.SOURCE)
LINE = Maker("text", _line, w.LINE)
