"""Writes report.html: one self-contained page on a release, from manifest, ledger and thumbnails, without scripts.

Its size is bounded by the number of examples, whatever the number of samples, and equal releases have equal pages.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files

from dataengine.media.svg import bars, spreads
from dataengine.release import (
    captions_section,
    codes_section,
    index_section,
    labels_section,
    servers_section,
    source_columns_section,
)
from dataengine.release.annotations_section import sentences
from dataengine.release.card_text import maker, plural, stated
from dataengine.release.examples import Examples, Row
from dataengine.release.ledger import OUTCOMES
from dataengine.release.manifest import Manifest
from dataengine.release.similarity import similarity
from dataengine.shards.json_types import known, plain
from dataengine.text.display import visible_lines

_LONGEST = 160
"""Characters of a uri, value or message; the ledger has them whole."""
_ROWS = 60
"""Rows of one plot: the largest, where a policy has more rules."""


def page(m: Manifest, examples: Examples, pictures: Mapping[str, bytes]) -> bytes:
    """The report of the release with manifest ``m``. ``pictures`` are JPEGs by sample id."""
    style = files("dataengine.release").joinpath("report.css").read_text()
    body = "\n".join(
        [
            _head(m),
            _section("From inputs to samples", bars(_funnel(m)), _sources(m)),
            _section("Kept", _kept(examples, pictures)),
            _section("Duplicates", *_duplicates(m, examples, pictures)),
            _section("Filtered", *_filtered(m, examples)),
            _section("Failed", *_failed(m, examples)),
            *([_section("Columns from sources", *_source_columns(m))] if known(m.source_columns, []) else []),
            *([_section("Annotations by models", *_annotations(m))] if known(m.annotations, []) else []),
            *([_section("Captions", *_captions(m))] if known(m.captions, None) else []),
            *([_section("Model servers", _servers(m))] if servers_section.rows(m) else []),
            *(
                [_section("Index", *(f"<p>{escaped(line)}</p>" for line in lines))]
                if (lines := index_section.steps(m))
                else []
            ),
            *([_section("Quantitative codes", *_codes(m))] if known(m.quantitative_codes, None) else []),
            *([_section("Balance", *_balance(m, pictures))] if known(m.balance, None) else []),
            _section("Scores", *_scores(m)),
            *([_section("Labels", *_labels(m))] if known(m.labels, {}) else []),
            *([_section("Chain-of-thought records", bars(_modes(m)))] if _modes(m) else []),
            _section("Statements of the authors", _statements(m)),
        ]
    )
    csp = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{csp}"><title>{escaped(m.title)}</title>\n<style>\n{style}</style></head>\n<body>\n{body}\n</body></html>\n'
    ).encode()


def _head(m: Manifest) -> str:
    size = sum(s.bytes for s in m.shards)
    facts = (
        f"{plural(m.samples, 'sample')} in {plural(len(m.shards), 'shard')} of {size:,} bytes · licence {m.license} · "
        f"version {m.version} · {maker(m)}"
    )
    outcomes = " + ".join(f'<b class="{name}">{m.ledger.outcome[name]:,} {name}</b>' for name in OUTCOMES)
    balance = f"{plural(sum(m.ledger.outcome.values()), 'input')} = {outcomes}"
    return (
        f'<h1>{escaped(m.title)}</h1>\n<p>{escaped(m.description)}</p>\n<p class="balance">{balance}</p>\n'
        f'<p class="facts">{escaped(facts)}</p>'
    )


def _section(title: str, *parts: str) -> str:
    return "\n".join([f"<section><h2>{escaped(title)}</h2>", *filter(None, parts), "</section>"])


def _funnel(m: Manifest) -> list[tuple[str, int, str]]:
    ledger = m.ledger
    lost = [(f"failed: {name}", n, "failed") for name, n in ledger.failure.items()]
    lost += [(f"duplicate: {name}", n, "duplicate") for name, n in ledger.kind.items()]
    lost += [(f"filtered: {name}", n, "filtered") for name, n in ledger.rule.items()]
    most = {row[0] for row in sorted(lost, key=lambda row: (-row[1], row[0]))[:_ROWS]}
    inputs = ("inputs", sum(ledger.outcome.values()), "inputs")
    return [inputs, *(row for row in lost if row[0] in most), ("kept", ledger.outcome["kept"], "kept")]


def _sources(m: Manifest) -> str:
    rows = [(s.name, s.type, s.license or "not stated", f"{s.inputs:,}") for s in m.sources]
    return _table(("source", "type", "licence", "inputs"), rows)


def _kept(examples: Examples, pictures: Mapping[str, bytes]) -> str:
    if not examples.kept:
        return (
            "<p>No thumbnails: nothing was kept, or the recipe asks for none (<code>release.thumbnails: 0</code>).</p>"
        )
    return f'<div class="grid">{"".join(_figure(row, pictures) for row in examples.kept)}</div>'


def _duplicates(m: Manifest, examples: Examples, pictures: Mapping[str, bytes]) -> Iterable[str]:
    kinds = [(name, n, "duplicate") for name, n in m.ledger.kind.items()]
    yield bars(kinds) if kinds else "<p>None.</p>"
    sizes = m.dedup.group_sizes
    if sizes:
        yield "<h3>Groups by size</h3>" + bars([(s, sizes[s], "duplicate") for s in sorted(sizes, key=int)][:_ROWS])
    if examples.pairs:
        yield "<p>Of each kind, the duplicates farthest from their representative:</p>"
    for kind, pairs in examples.pairs.items():
        yield f"<h3>{escaped(kind)}</h3>"
        yield f'<div class="grid">{"".join(_pair(m, pictures, *pair) for pair in pairs)}</div>'


def _pair(m: Manifest, pictures: Mapping[str, bytes], duplicate: Row, representative: Row) -> str:
    """The representative, which was kept, and beside it the duplicate that was dropped."""
    dropped = f"duplicate: {similarity(m.dedup, duplicate)}"
    both = _figure(representative, pictures, "kept") + _figure(duplicate, pictures, dropped)
    return f'<div class="pair">{both}</div>'


def _filtered(m: Manifest, examples: Examples) -> Iterable[str]:
    policy = f"{m.policy.name} version {m.policy.version}"
    yield f"<p>Policy {escaped(policy)}. Images dropped by a rule are not shown.</p>"
    rules = [(r.rule, r.reason, f"{r.entering:,}", f"{r.dropped:,}") for r in m.funnel]
    yield _table(("rule", "reason", "entering", "dropped"), rules)
    rows = [
        (rule, r["uri"], r["value"] or "missing")
        for rule, examples_of in examples.filtered.items()
        for r in examples_of
    ]
    yield _table(("rule", "example", "value"), rows) if rows else ""


def _failed(m: Manifest, examples: Examples) -> Iterable[str]:
    rows = [(name, r["uri"], r["message"]) for name, examples_of in examples.failed.items() for r in examples_of]
    yield _table(("failure", "example", "message"), rows) if rows else "<p>None.</p>"
    if m.opt_outs:
        yield _table(("opt-out signal", "inputs"), [(name, f"{n:,}") for name, n in m.opt_outs.items()])


def _scores(m: Manifest) -> Iterable[str]:
    if not m.scores:
        yield "<p>None.</p>"
        return
    yield "<p>Upper bar: all samples; lower bar: kept samples. Line: range. Box: 10th to 90th percentile. Mark: median.</p>"
    yield spreads(plain(m.scores))


def _servers(m: Manifest) -> str:
    return _table(servers_section.HEAD, servers_section.rows(m))


def _labels(m: Manifest) -> Iterable[str]:
    rows = labels_section.rows(m)
    above = ["", *(name for name, *_ in rows)]
    listed = [
        ("" if name == above[place] else name, value, f"{n:,}", f"{kept:,}")
        for place, (name, value, n, kept) in enumerate(rows)
    ]
    yield _table(labels_section.HEAD, listed) if listed else ""
    yield f"<p>{escaped(labels_section.texts(m))}</p>" if labels_section.texts(m) else ""


def _source_columns(m: Manifest) -> Iterable[str]:
    yield _table(
        source_columns_section.HEAD,
        [(*row[:4], f"{row[4]:,}", f"{row[5]:,}") for row in source_columns_section.rows(m)],
    )


def _annotations(m: Manifest) -> Iterable[str]:
    tracks = known(m.annotations, [])
    rows = [(t.name, f"{t.samples:,}", f"{t.annotated:,} {t.of_samples}", f"{t.failed:,}") for t in tracks]
    yield _table(("track", "samples looked at", "with something", "failed"), rows)
    for track in tracks:
        yield "".join(f"<p>{escaped(sentence.replace('`', ''))}</p>" for sentence in sentences(track))
        values = sorted(track.values.items(), key=lambda pair: (-pair[1], pair[0]))[:_ROWS]
        yield bars([(value, n, "kept") for value, n in values]) if values else ""


def _captions(m: Manifest) -> Iterable[str]:
    section = known(m.captions, None)
    if section is None:
        return
    yield "".join(f"<p>{escaped(sentence.replace('`', ''))}</p>" for sentence in captions_section.sentences(section))
    yield bars(
        [
            (kind, n, "duplicate" if kind.startswith("synthetic") else "kept")
            for kind, n, _ in captions_section.shares(section)
        ]
    )
    faults = [
        (name.replace("_", " "), n, "filtered") for name, n in {**section.faults, **section.failures}.items() if n
    ]
    yield bars(faults) if faults else ""


def _codes(m: Manifest) -> Iterable[str]:
    yield "".join(
        f"<p>{escaped(sentence)}</p>" for sentence in codes_section.steps(m)[: 2 if known(m.alignment, None) else 1]
    )
    if section := known(m.quantitative_codes, None):
        rows = [tuple(map(str, row)) for row in codes_section.levels(section)]
        yield _table(("level", "codes", "used", "perplexity"), rows)


def _balance(m: Manifest, pictures: Mapping[str, bytes]) -> Iterable[str]:
    section = known(m.balance, None)
    if section is None:
        return
    yield f"<p>{escaped(codes_section.of_balance(section).replace('`', ''))}</p>"
    yield _table(codes_section.EVENNESS_HEAD, [tuple(map(str, row)) for row in codes_section.evenness(section)])
    for title, clusters in (("Largest clusters", section.largest), ("Emptiest clusters", section.emptiest)):
        yield f"<h3>{title}</h3>"
        for cluster in clusters:
            yield f"<p>{escaped(codes_section.words(cluster))}: {cluster.before:,} before the filter, {cluster.after:,} after</p>"
            shown = "".join(_figure({"id": id_, "uri": id_}, pictures) for id_ in cluster.examples if id_ in pictures)
            yield f'<div class="grid">{shown}</div>' if shown else ""


def _modes(m: Manifest) -> list[tuple[str, int, str]]:
    return [(name, n, "kept") for name, n in m.cot.modes.items()]


def _statements(m: Manifest) -> str:
    names = ("intended_use", "out_of_scope_use", "biases", "limitations", "personal_information", "compute", "contact")
    return _table(("", ""), [(name.replace("_", " "), stated(m, name)) for name in names], longest=2000)


def _figure(row: Row, pictures: Mapping[str, bytes], note: str = "") -> str:
    data = pictures.get(row["id"])
    shown = (
        f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        if data
        else "<i>no thumbnail</i>"
    )
    caption = f"<b>{escaped(note)}</b><br>" if note else ""
    text = f"{caption}{escaped(_cut(row['uri'], 44))}"
    return f'<figure title="{escaped(str(row["id"]))}">{shown}<figcaption>{text}</figcaption></figure>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], longest: int = _LONGEST) -> str:
    lines = "".join(f"<tr>{''.join(f'<td>{escaped(_cut(cell, longest))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{escaped(name)}</th>' for name in head)}</tr>{lines}</table>"


def escaped(text: str) -> str:
    """For an element or an attribute: nothing in it is markup, and what is hidden or turns the text around is shown."""
    return html.escape(visible_lines(text))


def _cut(text: str, longest: int) -> str:
    """Shortened at the beginning: most texts are paths, whose end tells more."""
    return text if len(text) <= longest else f"…{text[1 - longest :]}"
