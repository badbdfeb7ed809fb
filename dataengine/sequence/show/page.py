"""A sequence as one self-contained HTML page without scripts: documents, roles, targets, chunk borders, codes as pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from dataengine.media.image.encode import encode_jpeg
from dataengine.sequence.model import DocumentSpan, PackedSequence, Role
from dataengine.sequence.show.facts import ROLES
from dataengine.sequence.show.runs import ShownRun
from dataengine.sequence.show.terminal import placeholder
from dataengine.text.display import visible_lines

_CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
#: Shorter side and quality of a thumbnail.
_SIDE, _QUALITY = 168, 85
_CLASSES = {role: name.replace(" ", "-") for role, (name, _, _) in ROLES.items()}


def page(
    sequence: PackedSequence,
    facts: Sequence[tuple[str, str]],
    runs: Sequence[ShownRun],
    pictures: Mapping[int, NDArray[np.uint8]],
) -> bytes:
    """The page; equal sequences give equal pages."""
    colours = "".join(f".{_CLASSES[role]} {{ color: {colour}; }}\n" for role, (_, _, colour) in ROLES.items())
    style = files("dataengine.sequence.show").joinpath("page.css").read_text() + colours
    body = "\n".join([_head(facts), *_documents(sequence, runs, pictures)])
    title = escaped(facts[0][1])
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{_CSP}"><title>{title}</title>\n<style>\n{style}</style></head>\n<body>\n<h1>{title}</h1>\n{body}\n'
        "</body></html>\n"
    ).encode()


def escaped(text: str) -> str:
    """For an element or an attribute."""
    return html.escape(visible_lines(text))


def _head(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><td>{escaped(name)}</td><td>{escaped(value)}</td></tr>" for name, value in facts[1:])
    legend = "".join(f'<span class="{_CLASSES[role]}">{name}</span>' for role, (name, _, _) in ROLES.items())
    return (
        f'<table>{rows}</table>\n<p class="legend">{legend}<span class="yes">underlined: target</span>'
        '<span class="no">pale: not predicted</span><span><i class="chunk"></i> end of a chunk</span></p>'
    )


def _documents(
    sequence: PackedSequence, runs: Sequence[ShownRun], pictures: Mapping[int, NDArray[np.uint8]]
) -> Iterator[str]:
    by_document: dict[int, list[ShownRun]] = {}
    for run in runs:
        by_document.setdefault(run.document, []).append(run)
    for number, inside in by_document.items():
        if number >= 0:
            yield f"<h2>{number} · {_title(sequence.documents[number])}</h2>"
            yield f'<div class="document">{"".join(_spans(inside, pictures))}</div>'
    if sequence.padding:
        yield f'<h2 class="padding">padding · {sequence.padding:,} positions</h2>'


def _title(span: DocumentSpan) -> str:
    more = (f"part {span.part}" if span.part else "", f"occurrence {span.occurrence + 1}" if span.occurrence else "")
    return " · ".join(
        map(escaped, [span.source, span.id, *filter(None, more), f"positions {span.start:,}–{span.stop:,}"])
    )


def _spans(runs: Iterable[ShownRun], pictures: Mapping[int, NDArray[np.uint8]]) -> Iterator[str]:
    for run in runs:
        loss = "yes" if run.loss else "no"
        where = f"{ROLES[run.role][0]}, positions {run.start:,}–{run.stop:,}, {'target' if run.loss else 'no target'}"
        if run.frame is not None:
            yield _figure(run, pictures.get(run.start), loss)
        elif run.role is Role.SUMMARY:
            yield f'<i class="chunk" title="{where}"></i>'
        elif run.role is Role.MEDIA:
            yield f'<span class="media {loss}" title="{where}">{escaped(run.text)} × {run.stop - run.start:,}</span>'
        elif run.text:
            yield f'<span class="{_CLASSES[run.role]} {loss}" title="{where}">{escaped(run.text)}</span>'


def _figure(run: ShownRun, pixels: NDArray[np.uint8] | None, loss: str) -> str:
    assert run.frame is not None
    caption = escaped(placeholder(run.frame))
    if pixels is None:
        return f'<span class="grid {loss}">{caption}</span>'
    data = base64.b64encode(encode_jpeg(pixels, _SIDE, _QUALITY)).decode()
    return f'<figure class="{loss}"><img alt="" src="data:image/jpeg;base64,{data}">{caption}</figure>'
