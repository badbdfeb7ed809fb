"""The report's sections on what models and methods have made: annotations, captions, index, codes, clusters, CoT records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dataengine.cot.mix import summary
from dataengine.release import captions_section, codes_section, index_section
from dataengine.release.annotations_section import sentences
from dataengine.release.charts import bars
from dataengine.release.html_parts import cut_end, escaped, figure, table
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_codes import Cluster
from dataengine.shards.json_types import known, plain

_ROWS = 60
_TEXT = 4000
"""Characters of an example record."""


def _paragraphs(lines: Iterable[str]) -> str:
    return "".join(f"<p>{escaped(line.replace('`', ''))}</p>" for line in lines)


def tracks(m: Manifest) -> Iterable[str]:
    """Tracks, with their commonest values."""
    made = known(m.annotations, [])
    if not made:
        return
    rows = [(t.name, f"{t.samples:,}", f"{t.annotated:,} {t.of_samples}", f"{t.failed:,}") for t in made]
    yield table(("track", "samples looked at", "with something", "failed"), rows)
    for track in made:
        yield _paragraphs(sentences(track))
        values = sorted(track.values.items(), key=lambda pair: (-pair[1], pair[0]))[:_ROWS]
        yield bars([(value, n, "kept") for value, n in values]) if values else ""


def captions(m: Manifest) -> Iterable[str]:
    """Captions by maker, and what was wrong with those that models wrote."""
    made = known(m.captions, None)
    if made is None:
        return
    yield _paragraphs(captions_section.sentences(made))
    yield bars(
        [
            (kind, n, "duplicate" if kind.startswith("synthetic") else "kept")
            for kind, n, _ in captions_section.shares(made)
        ]
    )
    faults = [(name.replace("_", " "), n, "filtered") for name, n in {**made.faults, **made.failures}.items() if n]
    yield bars(faults) if faults else ""


def index(m: Manifest) -> Iterable[str]:
    """Sentences on the index."""
    yield _paragraphs(index_section.steps(m))


def codes(m: Manifest) -> Iterable[str]:
    """Alignment and codes."""
    made = known(m.quantitative_codes, None)
    if made is None:
        return
    yield _paragraphs(codes_section.steps(m)[: 2 if known(m.alignment, None) else 1])
    rows = [tuple(map(str, row)) for row in codes_section.levels(made)]
    yield table(("level", "codes", "used", "perplexity"), rows)


def balance(m: Manifest, pictures: Mapping[str, bytes]) -> Iterable[str]:
    """Clusters before and after the filter: how even they are, the largest and the emptiest with samples of them."""
    made = known(m.balance, None)
    if made is None:
        return
    yield _paragraphs([codes_section.of_balance(made)])
    yield table(codes_section.EVENNESS_HEAD, [tuple(map(str, row)) for row in codes_section.evenness(made)])
    for title, clusters in (("Largest clusters", made.largest), ("Emptiest clusters", made.emptiest)):
        yield f"<h3>{title}</h3>"
        for cluster in clusters:
            yield _cluster(cluster, pictures)


def _cluster(cluster: Cluster, pictures: Mapping[str, bytes]) -> str:
    sizes = bars([("before the filter", cluster.before, "before"), ("after", cluster.after, "kept")])
    shown = "".join(figure({"id": id_, "uri": id_}, pictures) for id_ in cluster.examples if id_ in pictures)
    samples = f'<div class="grid">{shown}</div>' if shown else ""
    return f"<h4>{escaped(cut_end(codes_section.words(cluster), 160))}</h4>{sizes}{samples}"


def cot(m: Manifest) -> Iterable[str]:
    """Records by mode, what construction kept and lost, and an example of each mode and style."""
    if not m.cot.modes:
        return
    yield bars([(name, n, "kept") for name, n in m.cot.modes.items()])
    for title, columns, rows in summary.tables(plain(m.cot)):
        yield f"<h3>{escaped(title)}</h3>{table(columns, [tuple(map(str, row)) for row in rows])}"
    for one in known(m.cot.examples, []):
        text = cut_end(f"{one.question}\n\n{one.reply}", _TEXT)
        yield f"<details><summary>{escaped(f'{one.mode}, record {one.id}')}</summary><pre>{escaped(text)}</pre></details>"
