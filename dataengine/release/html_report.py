"""Writes report.html: one self-contained page on a release, from manifest, ledger and thumbnails, without scripts.

Its size is bounded by the number of examples, whatever the number of samples, and equal releases have equal pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dataengine.release import labels_section, servers_section, source_columns_section
from dataengine.release.card_text import maker, plural, stated
from dataengine.release.charts import Bar, bars, histogram
from dataengine.release.duplicates_section import siblings
from dataengine.release.examples import Examples, Row
from dataengine.release.funnel import by_policy
from dataengine.release.html_parts import Detail, anchor, document, escaped, figure, links, section, table
from dataengine.release.ledger import OUTCOMES
from dataengine.release.manifest import Manifest
from dataengine.release.model_sections import balance, captions, codes, cot, index, tracks
from dataengine.release.similarity import similarity
from dataengine.release.thresholds import thresholds
from dataengine.shards.json_types import known

_ROWS = 60
"""Rows of one plot: the largest, where a policy has more rules."""


def page(
    m: Manifest,
    examples: Examples,
    pictures: Mapping[str, bytes],
    details: Mapping[str, Detail] | None = None,
    more: Sequence[tuple[str, str]] = (),
) -> bytes:
    """The report of the release with manifest ``m``. ``pictures`` are JPEGs by sample id, ``details`` of kept samples; ``more``:
    path and words of each page with further samples."""
    sections: list[tuple[str, Iterable[str]]] = [
        ("From inputs to samples", (bars(_funnel(m)), _sources(m))),
        ("Kept", _kept(examples, pictures, details or {}, more)),
        ("Duplicates", _duplicates(m, examples, pictures)),
        ("Filtered", _filtered(m, examples)),
        ("Failed", _failed(m, examples)),
        ("Columns from sources", _source_columns(m)),
        ("Annotations by models", tracks(m)),
        ("Captions", captions(m)),
        ("Model servers", _servers(m)),
        ("Index", index(m)),
        ("Quantitative codes", codes(m)),
        ("Balance", balance(m, pictures)),
        ("Scores", _scores(m)),
        ("Labels", _labels(m)),
        ("Chain-of-thought records", cot(m)),
        ("Statements of the authors", (_statements(m),)),
    ]
    filled = [(title, parts) for title, some in sections if (parts := [part for part in some if part])]
    contents = "".join(f'<a href="#{anchor(title)}">{escaped(title)}</a>' for title, _ in filled)
    body = [_head(m), f"<nav>{contents}</nav>", *(section(title, *parts) for title, parts in filled)]
    return document(m.title, "\n".join(body))


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


def _funnel(m: Manifest) -> list[Bar]:
    """Every loss, the rules in the order of the policy."""
    ledger = m.ledger
    lost = [(f"failed: {name}", n, "failed") for name, n in ledger.failure.items()]
    lost += [(f"duplicate: {name}", n, "duplicate") for name, n in ledger.kind.items()]
    lost += [(f"filtered: {name}", n, "filtered") for name, n in by_policy(m)]
    most = {row[0] for row in sorted(lost, key=lambda row: (-row[1], row[0]))[:_ROWS]}
    inputs = ("inputs", sum(ledger.outcome.values()), "inputs")
    return [inputs, *(row for row in lost if row[0] in most), ("kept", ledger.outcome["kept"], "kept")]


def _sources(m: Manifest) -> str:
    rows = [(s.name, s.type, s.license or "not stated", f"{s.inputs:,}") for s in m.sources]
    return table(("source", "type", "licence", "inputs"), rows)


def _kept(
    examples: Examples, pictures: Mapping[str, bytes], details: Mapping[str, Detail], more: Sequence[tuple[str, str]]
) -> Iterable[str]:
    if not examples.kept:
        yield "<p>No thumbnails: nothing was kept, or the recipe asks for none (<code>release.thumbnails: 0</code>).</p>"
        return
    shown = "".join(figure(row, pictures, detail=details.get(row["id"])) for row in examples.kept)
    yield f'<div class="grid samples">{shown}</div>'
    yield links("More samples", more)


def _duplicates(m: Manifest, examples: Examples, pictures: Mapping[str, bytes]) -> Iterable[str]:
    kinds = [(name, n, "duplicate") for name, n in m.ledger.kind.items()]
    yield bars(kinds) if kinds else "<p>None.</p>"
    sizes = m.dedup.group_sizes
    if sizes:
        yield "<h3>Groups by size</h3>" + bars([(s, sizes[s], "duplicate") for s in sorted(sizes, key=int)][:_ROWS])
    yield f"<p>{escaped(apart)}</p>" if (apart := siblings(m.dedup)) else ""
    if examples.pairs:
        yield "<p>Of each kind, the duplicates farthest from their representative:</p>"
    for kind, pairs in examples.pairs.items():
        yield f"<h3>{escaped(kind)}</h3>"
        yield f'<div class="grid">{"".join(_pair(m, pictures, *pair) for pair in pairs)}</div>'


def _pair(m: Manifest, pictures: Mapping[str, bytes], duplicate: Row, representative: Row) -> str:
    """The representative, which was kept, and beside it the duplicate that was dropped."""
    dropped = f"duplicate: {similarity(m.dedup, duplicate)}"
    both = figure(representative, pictures, "kept") + figure(duplicate, pictures, dropped)
    return f'<div class="pair">{both}</div>'


def _filtered(m: Manifest, examples: Examples) -> Iterable[str]:
    policy = f"{m.policy.name} version {m.policy.version}"
    yield f"<p>Policy {escaped(policy)}. Images dropped by a rule are not shown.</p>"
    rules = [(r.rule, known(r.keep, ""), r.reason, f"{r.entering:,}", f"{r.dropped:,}") for r in m.funnel]
    yield table(("rule", "keeps", "reason", "entering", "dropped"), rules)
    rows = [
        (rule, r["uri"], r["value"] or "missing")
        for rule, examples_of in examples.filtered.items()
        for r in examples_of
    ]
    yield table(("rule", "example", "value"), rows) if rows else ""


def _failed(m: Manifest, examples: Examples) -> Iterable[str]:
    rows = [(name, r["uri"], r["message"]) for name, examples_of in examples.failed.items() for r in examples_of]
    yield table(("failure", "example", "message"), rows) if rows else "<p>None.</p>"
    if m.opt_outs:
        yield table(("opt-out signal", "inputs"), [(name, f"{n:,}") for name, n in m.opt_outs.items()])


def _scores(m: Manifest) -> Iterable[str]:
    drawn = known(m.histograms, {})
    if not drawn:
        yield "<p>None.</p>"
        return
    marks = thresholds(m)
    yield (
        "<p>Samples by value: all in grey, kept ones in green. A line marks the threshold of a rule; columns that rules "
        "name come first.</p>"
    )
    names = sorted(drawn, key=lambda name: (name not in marks, name))
    charts = (
        histogram(
            name, drawn[name], {"before": m.scores[name].before, "after": m.scores[name].after}, marks.get(name, ())
        )
        for name in names
        if name in m.scores
    )
    yield f'<div class="charts">{"".join(charts)}</div>'


def _servers(m: Manifest) -> Iterable[str]:
    rows = servers_section.rows(m)
    yield table(servers_section.HEAD, rows) if rows else ""


def _labels(m: Manifest) -> Iterable[str]:
    if not known(m.labels, {}):
        return
    rows = labels_section.rows(m)
    above = ["", *(name for name, *_ in rows)]
    listed = [
        ("" if name == above[place] else name, value, f"{n:,}", f"{kept:,}")
        for place, (name, value, n, kept) in enumerate(rows)
    ]
    yield table(labels_section.HEAD, listed) if listed else ""
    yield f"<p>{escaped(labels_section.texts(m))}</p>" if labels_section.texts(m) else ""


def _source_columns(m: Manifest) -> Iterable[str]:
    rows = [(*row[:4], f"{row[4]:,}", f"{row[5]:,}") for row in source_columns_section.rows(m)]
    yield table(source_columns_section.HEAD, rows) if rows else ""


def _statements(m: Manifest) -> str:
    names = ("intended_use", "out_of_scope_use", "biases", "limitations", "personal_information", "compute", "contact")
    return table(("", ""), [(name.replace("_", " "), stated(m, name)) for name in names], longest=2000)
