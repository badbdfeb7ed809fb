"""contamination.find: samples that are in a benchmark, and the representatives to drop for them. Columns only.

All distinct samples are compared, not only representatives: one copy that a benchmark has, too, takes its whole
group with it. This stage only reports; it is the filter that drops.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.contamination import KeyePosttrain, KeyePretrain, PhashPreset, Preset
from dataengine.config.recipe import Recipe
from dataengine.contamination.embed import embedded
from dataengine.contamination.hits import Contamination, merged
from dataengine.contracts import BENCHMARK_ITEMS, CONTAMINATION, CONTAMINATION_REPORT, GROUPS, UNIQUE
from dataengine.embed.reader import ReadsEmbeddings
from dataengine.embed.worker import CAPTIONS, PICTURES, VIDEOS
from dataengine.errors import RunError
from dataengine.models.encoders import encoder_of
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output

#: Part of the key: raised when a preset would find other hits.
PRESETS_VERSION = "1"

_HITS = """
SELECT g."representative", h."id", h."preset", h."benchmark", h."item", h."kind", h."similarity", h."text_similarity"
FROM hits AS h INNER JOIN groups AS g ON h."id" = g."id"
ORDER BY g."representative", h."place", h."benchmark", h."item", h."id", h."kind"
"""


class ContaminationFind(ReadsEmbeddings, TableStage):
    """A benchmark that nothing can be compared with stops the run: it would protect nothing."""

    name = "contamination.find"
    version = "1"
    needs = ("dedup", "embed", "contamination.read", "contamination.embed")

    def active(self, recipe: Recipe) -> bool:
        return recipe.contamination is not None

    def embeddings(self, recipe: Recipe) -> list[str]:
        presets = recipe.contamination.presets if recipe.contamination else []
        return [PICTURES, VIDEOS, CAPTIONS] if any(isinstance(p, KeyePosttrain) for p in presets) else []

    def settings(self, recipe: Recipe) -> Any:
        config = recipe.contamination
        presets = [p.model_dump() for p in config.presets] if config else []
        return [PRESETS_VERSION, presets, [b.name for b in config.benchmarks] if config else []]

    def compute(self, run: Run, key: str) -> Output:
        config = run.recipe.contamination
        if config is None:
            raise RunError("contamination.find ran without a contamination block in the recipe")
        items = run.table("contamination.read", "items", BENCHMARK_ITEMS)
        items = items.sort_by([("benchmark", "ascending"), ("item", "ascending")])
        outcomes: dict[str, Contamination] = {p.name: _search(p, run, items) for p in config.presets}
        report = pa.concat_tables([_report(name, outcome) for name, outcome in outcomes.items()])
        _refuse_vacuous([b.name for b in config.benchmarks], report)
        hits = _mapped(run, outcomes)
        tables = {"hits": (hits, CONTAMINATION), "report": (report, CONTAMINATION_REPORT)}
        write = run.workspace.write_table
        files = {role: write(f"contamination/{role}-{key}.parquet", *table) for role, table in tables.items()}
        counts = {
            "items": items.num_rows,
            "contaminated": pc.count_distinct(hits["id"]).as_py(),
            "groups": pc.count_distinct(hits["representative"]).as_py(),
        }
        return Output(files, counts, _facts(run, config.presets, outcomes, report))


def _search(preset: Preset, run: Run, items: pa.Table) -> Contamination:
    from dataengine.contamination.presets import keye_posttrain, keye_pretrain, near, ngram

    if isinstance(preset, KeyePosttrain):
        samples, listed = embedded(run)
        outcomes = [keye_posttrain(some, listed, preset.image_cosine, preset.text_cosine) for some in samples]
        return merged(outcomes)
    if isinstance(preset, KeyePretrain):
        return keye_pretrain(_pictures(run), items, preset.permutations, above=preset.jaccard)
    if isinstance(preset, PhashPreset):
        return near(_pictures(run), items, preset.radius)
    return ngram(_captions(run), texts_of(items), preset.n, preset.min_overlap)


def _pictures(run: Run) -> pa.Table:
    return run.table("dedup", "unique", UNIQUE, ["id", "phash", "frame_hashes"])


def _captions(run: Run) -> pa.Table:
    """id and text, one row a caption, one with null where there is none."""
    unique = run.table("dedup", "unique", UNIQUE, ["id", "captions"])
    captions: Any = unique["captions"].combine_chunks()
    texts = pc.struct_field(pc.list_flatten(captions), "text")
    return spread(unique.select(["id"]), pc.list_parent_indices(captions), texts)


def texts_of(items: pa.Table) -> pa.Table:
    """benchmark, item and text, one row a question or answer, one with null for an item without."""
    lists: list[Any] = [items[name].combine_chunks() for name in ("questions", "answers")]
    owners = pa.concat_arrays([pc.list_parent_indices(column) for column in lists])
    return spread(items.select(["benchmark", "item"]), owners, pa.concat_arrays([pc.list_flatten(c) for c in lists]))


def spread(table: pa.Table, owners: Any, texts: Any) -> pa.Table:
    """The rows of ``table`` that own a text, with it, and then the others, with null."""
    bare = pc.invert(pc.is_in(pa.array(range(len(table)), pa.int64()), value_set=owners.cast(pa.int64())))
    rest = table.filter(bare)
    captioned = table.take(owners).append_column("text", texts)
    return pa.concat_tables([captioned, rest.append_column("text", pa.nulls(len(rest), pa.string()))])


def _report(preset: str, outcome: Contamination) -> pa.Table:
    counts = outcome.report
    columns = [counts[name] for name in ("benchmark", "items", "unreadable", "hit_items", "hits")]
    return pa.table([pa.array([preset] * len(counts), pa.string()), *columns], schema=CONTAMINATION_REPORT)


def _refuse_vacuous(names: list[str], report: pa.Table) -> None:
    """Raises RunError for benchmarks of which no preset could compare a single item."""
    rows = report.to_pylist()
    compared = {r["benchmark"] for r in rows if r["items"] > r["not_compared"]}
    items = {r["benchmark"]: r["items"] for r in rows}
    empty = [f"`{n}` ({items.get(n, 0):,} items)" for n in names if n not in compared]
    if empty:
        raise RunError(
            f"nothing can be compared with benchmark {', '.join(empty)} by any preset of the recipe: see why in the "
            "workspace's contamination/failures, or take it out of the recipe"
        )


def _mapped(run: Run, outcomes: dict[str, Contamination]) -> pa.Table:
    """contracts.CONTAMINATION: the hits of all presets, with the representative of the sample's group."""
    each = []
    for place, (name, outcome) in enumerate(outcomes.items()):
        count = len(outcome.hits)
        named = outcome.hits.append_column("preset", pa.array([name] * count, pa.string()))
        each.append(named.append_column("place", pa.array([place] * count, pa.int64())))
    groups = run.table("dedup", "groups", GROUPS, ["id", "representative"])
    return run.engine.query(_HITS, {"hits": pa.concat_tables(each), "groups": groups})


def _facts(run: Run, presets: list[Preset], outcomes: dict[str, Contamination], report: pa.Table) -> dict[str, Any]:
    """What the manifest and the card tell."""
    unreadable = dict.fromkeys(report["benchmark"].to_pylist(), 0)
    for part in run.records["contamination.read"].parts.values():
        unreadable[part.facts["benchmark"]] += part.counts["unreadable"]
    benchmarks: dict[str, dict[str, Any]] = {}
    for row in report.to_pylist():
        name = row["benchmark"]
        entry = benchmarks.setdefault(
            name, {"name": name, "items": row["items"], "unreadable": unreadable[name], "not_compared": {}, "hits": {}}
        )
        entry["not_compared"][row["preset"]] = row["not_compared"]
        entry["hits"][row["preset"]] = row["hits"]
    settings = {}
    for preset in presets:
        outcome = outcomes[preset.name]
        counts = {"samples": outcome.samples, "not_compared": outcome.unreadable}
        settings[preset.name] = {**preset.model_dump(exclude={"name"}), **counts}
        if isinstance(preset, KeyePosttrain):
            settings[preset.name]["towers"] = encoder_of(run.recipe).name
    return {"benchmarks": list(benchmarks.values()), "presets": settings}
