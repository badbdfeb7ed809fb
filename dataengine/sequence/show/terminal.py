"""A sequence in the terminal: a rule a document, text in the colours of its roles, codes as little pictures of half blocks.

Targets are bold, everything else is dim; a red bar is the end of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from dataengine.sequence.model import PackedSequence, Role
from dataengine.sequence.show.facts import ROLES
from dataengine.sequence.show.frames import Frame
from dataengine.sequence.show.runs import ShownRun
from dataengine.text.display import visible

#: Columns of a picture.
WIDE = 28
#: Characters of a document that are shown, where it is longer.
LONGEST = 4000


def shown(
    sequence: PackedSequence,
    facts: Sequence[tuple[str, str]],
    runs: Sequence[ShownRun],
    pictures: Mapping[int, NDArray[np.uint8]],
) -> Iterator[Table | Rule | Text]:
    """What to print, in order."""
    table = Table(show_header=False, box=None)
    for name, value in facts:
        table.add_row(Text(name, "bold"), Text(visible(value)))
    yield table
    yield _legend()
    for number in sorted({run.document for run in runs} - {-1}):
        span = sequence.documents[number]
        part = f" part {span.part}" if span.part else ""
        again = f" occurrence {span.occurrence + 1}" if span.occurrence else ""
        title = f"{number} · {visible(span.source)} · {visible(span.id)}{part}{again} · {span.start:,}–{span.stop:,}"
        yield Rule(title, align="left")
        yield from _document([run for run in runs if run.document == number], pictures)
    if sequence.padding:
        yield Rule(f"padding · {sequence.padding:,}", align="left", style="bright_black")


def _legend() -> Text:
    legend = Text("bold: target, dim: none · ")
    for name, colour, _ in ROLES.values():
        legend.append(f"{name} ", colour)
    legend.append("▎end of a chunk", "red")
    return legend


def _document(runs: Sequence[ShownRun], pictures: Mapping[int, NDArray[np.uint8]]) -> Iterator[Text]:
    line, length, hidden = Text(), 0, 0
    for run in runs:
        if run.frame is not None:
            yield line
            yield (
                picture(pictures[run.start])
                if run.start in pictures
                else Text(placeholder(run.frame), "bright_magenta")
            )
            line = Text()
        elif run.role is Role.SUMMARY:
            line.append("▎", "red")
        elif run.role is Role.MEDIA:
            line.append(f"⟨{run.text} × {run.stop - run.start:,}⟩", ROLES[run.role][1])
        elif length > LONGEST:
            hidden += len(run.text)
        elif run.text:
            line.append(run.text, f"{'bold' if run.loss else 'dim'} {ROLES[run.role][1]}")
            length += len(run.text)
    if hidden:
        line.append(f" … {hidden:,} more characters: write a page with --html", "bright_black")
    yield line


def placeholder(frame: Frame) -> str:
    """What stands for codes that are not decoded."""
    if frame.codes is None:
        return f"⟨codes, positions {frame.start:,}–{frame.stop:,}⟩"
    _, h, w = frame.codes.grid
    summaries = f", {frame.summaries} summaries" if frame.summaries else ""
    return f"⟨codes of {h} × {w}, positions {frame.start:,}–{frame.stop:,}{summaries}⟩"


def picture(pixels: NDArray[np.uint8]) -> Text:
    """(H, W, 3) pixels as half blocks, two pixels a character."""
    from PIL import Image

    height = max(2, round(WIDE * pixels.shape[0] / pixels.shape[1] / 2) * 2)
    small = np.asarray(Image.fromarray(pixels).resize((WIDE, min(height, 4 * WIDE)), Image.Resampling.BOX))
    text = Text()
    for top, bottom in zip(small[::2], small[1::2], strict=True):
        for upper, lower in zip(top, bottom, strict=True):
            text.append("▀", f"#{bytes(upper).hex()} on #{bytes(lower).hex()}")
        text.append("\n")
    text.rstrip()
    return text
