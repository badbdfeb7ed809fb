"""What the manifest says of quantitative codes, alignment and balance: facts of stages, and of clusters their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataengine.annotate.worker import TABLE
from dataengine.contracts import DECISIONS, UNIQUE
from dataengine.index.align import projection
from dataengine.index.balance import stage as balance
from dataengine.index.balance.settings import balance_config
from dataengine.index.balance.weights import evenness, samples
from dataengine.index.codes import fit_stage
from dataengine.index.codes import stage as codes
from dataengine.release.cluster_words import cluster_words
from dataengine.stage import Run
from dataengine.table_engine import Frame

Json = dict[str, Any]

#: Clusters shown of each kind, kept samples shown of each, and samples whose captions name it.
SHOWN, EXAMPLES, _NAMING = 4, 3, 64
_COUNTED = """
SELECT b."cluster" AS "name", CAST(count(*) AS BIGINT) AS "before", CAST(count(k."id") AS BIGINT) AS "after"
FROM b LEFT JOIN k ON b."id" = k."id" WHERE b."cluster" IS NOT NULL GROUP BY b."cluster"
"""
_SIZES = 'SELECT c."{0}" AS n, CAST(count(*) AS BIGINT) AS clusters FROM c WHERE c."{0}" > 0 GROUP BY c."{0}"'
_MEMBERS = """
SELECT b."cluster", b."id", b."cluster_rank", k."id" AS "kept" FROM b LEFT JOIN k ON b."id" = k."id"
WHERE b."cluster" IN ({}) AND b."cluster_rank" <= ?
ORDER BY b."cluster", b."cluster_rank"
"""


def sections(run: Run) -> Json:
    """The sections that the recipe's index gives; none without one."""
    facts = {}
    if projection.STAGE in run.records:
        facts["alignment"] = _alignment(_facts(run, projection.STAGE))
    if codes.STAGE in run.records:
        facts["quantitative_codes"] = _codes(run)
    if balance.STAGE in run.records:
        facts["balance"] = _balance(run)
    return facts


def _facts(run: Run, stage: str) -> Json:
    return run.records[stage].parts["all"].facts


def _alignment(facts: Json) -> Json:
    names = ("id", "model", "dims", "pairs", "held_out_pairs", "candidates", "k", "recall_raw", "recall", "fates")
    return {name: facts[name] for name in names}


def _codes(run: Run) -> Json:
    fitted, counts = _facts(run, fit_stage.STAGE), run.records[codes.STAGE].counts
    return {
        **{name: fitted[name] for name in ("id", "model", "dim", "preset", "items", "nearest")},
        "fitted_on": fitted["samples"],
        **_facts(run, codes.STAGE)[codes.QUALITY],
        "samples": counts["with"],
        "without": counts["failed"],
        "in_samples": codes.track(run.recipe).in_samples,
    }


def _balance(run: Run) -> Json:
    engine, config, facts = run.engine, balance_config(run.recipe), _facts(run, balance.STAGE)
    decisions = run.frame("filter", "decisions", DECISIONS, ["id", "kept"])
    kept = engine.kept(engine.sql('SELECT d."id" FROM d WHERE d."kept"', {"d": decisions}))
    table = run.frame(balance.STAGE, TABLE, balance.track(run.recipe).schema, ["id", "cluster", "cluster_rank"])
    frames = {"b": engine.kept(table), "k": kept}
    counted = engine.kept(engine.sql(_COUNTED, frames))
    largest = _some(run, counted, 'c."before" DESC')
    emptiest = [row for row in _some(run, counted, 'c."before"') if row["name"] not in {one["name"] for one in largest}]
    shown = [row["name"] for row in (*largest, *emptiest)]
    members = _members(run, frames, shown)
    words = cluster_words({name: [row["captions"] for row in members[name]] for name in shown})
    return {
        "by": config.by,
        "depth": config.depth or 0,
        "target": facts[balance.TARGET],
        "temperature": config.temperature,
        **{when: _evenness(run, counted, when) for when in ("before", "after")},
        "largest": [_cluster(row, words, members) for row in largest],
        "emptiest": [_cluster(row, words, members) for row in emptiest],
    }


def _evenness(run: Run, counted: Frame, when: str) -> Json:
    rows = run.engine.collect(run.engine.sql(_SIZES.format(when), {"c": counted})).to_pylist()
    sizes = {row["n"]: row["clusters"] for row in rows}
    return {"samples": samples(sizes), **evenness(sizes)}


def _some(run: Run, counted: Frame, order: str) -> list[Json]:
    sql = f'SELECT c."name", c."before", c."after" FROM c ORDER BY {order}, c."name" LIMIT {SHOWN}'
    return run.engine.collect(run.engine.sql(sql, {"c": counted})).to_pylist()


def _members(run: Run, frames: Mapping[str, Frame], names: Sequence[str]) -> dict[str, list[Json]]:
    """By cluster, its first samples with their captions, and whether they are kept."""
    members: dict[str, list[Json]] = {name: [] for name in names}
    if not names:
        return members
    sql = _MEMBERS.format(", ".join("?" * len(names)))
    rows = run.engine.collect(run.engine.sql(sql, frames, (*names, _NAMING))).to_pylist()
    unique = run.rows_of("dedup", "unique", UNIQUE, [row["id"] for row in rows]).to_pylist()
    captions = {row["id"]: [caption["text"] for caption in row["captions"]] for row in unique}
    for row in rows:
        members[row["cluster"]].append({**row, "captions": captions.get(row["id"], [])})
    return members


def _cluster(row: Json, words: Mapping[str, list[str]], members: Mapping[str, list[Json]]) -> Json:
    examples = [one["id"] for one in members[row["name"]] if one["kept"] is not None][:EXAMPLES]
    return {**row, "words": words[row["name"]], "examples": examples}
