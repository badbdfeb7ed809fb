"""Rendered documents: Markdown and HTML pages with their source, and words that are left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_documents as w
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.effort import Sentence
from dataengine.cot.tasks.rendered.fonts import Face
from dataengine.cot.tasks.rendered.words import GOODS, NAMES, SENTENCES, TOWNS, ordinal, some
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
    word, before = words[place], words[place - 1]
    steps: list[Sentence] = [
        (f'The gap is in "{blank}"', f'The sentence with the gap is "{blank}"'),
        (f'Further down, in the second printing, the sentence is complete: "{target}"',
         f'The second printing has all of it: "{target}"'),
        (f'The gap comes after "{before}", where the second printing has "{word}".',
         f'It is the {ordinal(place + 1)} word that is left out, "{word}" in the second printing.'),
    ]  # fmt: skip
    return Scene("covered", word, "word", paint, {}, tuple(steps), w.FINALS["covered"])


MARKDOWN = Maker("documents", _source("markdown", Page.markdown), w.MARKDOWN)
HTML = Maker("documents", _source("html", Page.html), w.HTML)
COVERED = Maker("documents", _covered, w.COVERED)
