"""Building blocks of a release's pages: text that is never markup, tables, figures, and the frame around them.

Pages hold no scripts and load nothing: pictures are data URLs, and the policy in each page's head forbids all else.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from dataengine.text.display import visible_lines

_CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_LONGEST = 160
"""Characters of a uri, value or message; the ledger has them whole."""
_CAPTION, _CAPTIONS = 240, 3
"""Characters of a caption, and captions of a sample."""
_NAME = 44


@dataclass(frozen=True)
class Detail:
    """What a page says of a kept sample: its captions, the released one first, and its scores by name."""

    captions: tuple[str, ...] = ()
    scores: Mapping[str, float | str] | None = None


def document(title: str, body: str) -> bytes:
    """A whole page."""
    style = files("dataengine.release").joinpath("report.css").read_text()
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escaped(title)}</title>\n'
        f"<style>\n{style}</style></head>\n<body>\n{body}\n</body></html>\n"
    ).encode()


def section(title: str, *parts: str) -> str:
    """A section with its heading, which ``anchor`` of the title leads to."""
    return "\n".join(
        [f'<section id="{anchor(title)}"><h2>{escaped(title)}</h2>', *(part for part in parts if part), "</section>"]
    )


def anchor(title: str) -> str:
    """``From inputs to samples`` → ``from-inputs-to-samples``."""
    return "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())


def table(head: Sequence[str], rows: Iterable[Sequence[str]], longest: int = _LONGEST) -> str:
    """A table of text, wider ones scroll on their own."""
    lines = "".join(f"<tr>{''.join(f'<td>{escaped(cut(cell, longest))}</td>' for cell in row)}</tr>" for row in rows)
    top = f"<tr>{''.join(f'<th>{escaped(name)}</th>' for name in head)}</tr>" if any(head) else ""
    return f'<div class="wide"><table>{top}{lines}</table></div>'


def links(title: str, pages: Sequence[tuple[str, str]]) -> str:
    """Links to other pages of the release, by path and words; "" for none."""
    listed = " · ".join(f'<a href="{escaped(path)}">{escaped(words)}</a>' for path, words in pages)
    return f"<p>{escaped(title)}: {listed}</p>" if listed else ""


def figure(row: Mapping[str, Any], pictures: Mapping[str, bytes], note: str = "", detail: Detail | None = None) -> str:
    """A sample's thumbnail with its uri, and below it what is known of it."""
    data = pictures.get(row["id"])
    shown = (
        f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        if data
        else "<i>no thumbnail</i>"
    )
    caption = f"<b>{escaped(note)}</b><br>" if note else ""
    text = f"{caption}{escaped(cut(row['uri'], _NAME))}{_described(detail) if detail else ''}"
    return f'<figure title="{escaped(str(row["id"]))}">{shown}<figcaption>{text}</figcaption></figure>'


def _described(detail: Detail) -> str:
    texts = [f"<q>{escaped(cut_end(text, _CAPTION))}</q>" for text in detail.captions[:_CAPTIONS] if text]
    if len(detail.captions) > _CAPTIONS:
        texts.append(f"<small>and {len(detail.captions) - _CAPTIONS} more captions</small>")
    scores = "".join(
        f"<dt>{escaped(name)}</dt><dd>{escaped(value if isinstance(value, str) else f'{value:.4g}')}</dd>"
        for name, value in sorted((detail.scores or {}).items())
    )
    return "".join(texts) + (f"<dl>{scores}</dl>" if scores else "")


def escaped(text: str) -> str:
    """For an element or an attribute: nothing in it is markup, and what is hidden or turns the text around is shown."""
    return html.escape(visible_lines(text))


def cut(text: str, longest: int) -> str:
    """Shortened at the beginning: most texts are paths, whose end tells more."""
    return text if len(text) <= longest else f"…{text[1 - longest :]}"


def cut_end(text: str, longest: int) -> str:
    """Shortened at the end, as sentences are."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
