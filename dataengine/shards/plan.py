"""Plans shards: one row a sample with all that goes into its members, and the bytes that they will take.

A sample's size depends on its JSON, so each row becomes a Python dict: some thousand at a time, on the workers of the
table engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.annotate.captions.settings import captioning
from dataengine.annotate.captions.track import SCHEMA as CAPTIONED
from dataengine.annotate.worker import TABLE
from dataengine.config.recipe import Recipe
from dataengine.policy.annotated import annotated, sample_fields
from dataengine.samples.locate import longest
from dataengine.score.base import FileScorer
from dataengine.score.factory import of_recipe
from dataengine.shards.sample import sample_size
from dataengine.stage import Run
from dataengine.storage.workspace import canonical_json
from dataengine.table_engine import Frame

CODES = [f for f in contracts.CODES_INDEX if f.name != "id"]
_PLAN: list[pa.Field[Any]] = [
    *contracts.UNIQUE,
    pa.field("source", pa.string()),
    pa.field("uri", pa.string()),
    pa.field("best", pa.int32()),
    pa.field("scores", pa.string()),
    *(pa.field(f"codes_{f.name}", f.type) for f in CODES),
]
#: Rows that a shard is written from: its samples in order, with all that goes into their members.
PLAN = pa.schema(_PLAN)
#: Where models have written captions, also of each of them what made it, as JSON.
PLAN_WITH_MAKERS = PLAN.append(pa.field("makers", pa.string()))
#: And the bytes of each sample in a shard.
PLANNED = PLAN_WITH_MAKERS.append(pa.field("size", pa.int64()))

#: The first occurrence of each sample.
_FIRST = """
SELECT id, source, uri FROM (
  SELECT id, source, uri, CAST(row_number() OVER (PARTITION BY id ORDER BY source, uri, input_id) AS BIGINT) AS place FROM m
) AS numbered WHERE place = 1
"""
_MENTION = ("id", "source", "uri", "input_id")
_BEST = "match_caption"
_MAKERS = ("style", "model", "prompt", "seed", "start", "end")
_ROWS_AT_ONCE = 8192
_SCORES = (int, float, str, list)


def plan_schema(recipe: Recipe) -> pa.Schema:
    """What is stored of PLANNED."""
    return PLAN_WITH_MAKERS if captioning(recipe) else PLAN


def planned(run: Run) -> Frame:
    """PLANNED of all samples that go into the release, in no order."""
    engine, names = run.engine, _scores(run.recipe)
    frames = {
        "u": run.frame("dedup", "unique", contracts.UNIQUE),
        "d": run.frame("filter", "decisions", contracts.DECISIONS, ["id", "kept"]),
        "a": annotated(run, names),
        "o": engine.sql(_FIRST, {"m": run.frame("ingest", "samples", contracts.SAMPLES, _MENTION)}),
    }
    selected = [f'u."{name}"' for name in contracts.UNIQUE.names] + [f'a."{name}" AS "score_{name}"' for name in names]
    selected += ['o."source" AS "source"', 'o."uri" AS "uri"']
    joined = 'u INNER JOIN d ON u."id" = d."id" INNER JOIN a ON u."id" = a."id" INNER JOIN o ON u."id" = o."id"'
    coded = "tokenize.encode" in run.records
    if coded:
        frames["c"] = run.frame("tokenize.encode", "codes", contracts.CODES_INDEX)
        selected += [f'c."{f.name}" AS "codes_{f.name}"' for f in CODES]
        joined += ' INNER JOIN c ON u."id" = c."id"'
    if captioning(run.recipe):
        frames["k"] = run.frame("annotate.captions", TABLE, CAPTIONED, ["id", "captions"])
        selected.append('k."captions" AS "released"')
        joined += ' LEFT JOIN k ON u."id" = k."id"'
    rows = engine.sql(f'SELECT {", ".join(selected)} FROM {joined} WHERE d."kept"', frames)
    return engine.local(rows, (), partial(plan, tuple(names), coded, of_kinds=_of_kinds(run.recipe)), PLANNED)


def _of_kinds(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """The kinds of media that a column is measured of, of those that are not measured of all."""
    scorers = [scorer for scorer in of_recipe(recipe) if isinstance(scorer, FileScorer)]
    return {field.name: scorer.kinds for scorer in scorers for field in scorer.fields}


def _scores(recipe: Recipe) -> list[str]:
    """Names of the annotations that go into a sample's JSON: numbers, strings such as hashes, lists of a track's entries."""
    return [f.name for f in sample_fields(recipe)]


def plan(
    names: Sequence[str], coded: bool, rows: pa.Table, of_kinds: Mapping[str, Sequence[str]] | None = None
) -> pa.Table:
    """PLANNED of samples with columns ``score_NAME`` for ``names`` and, where they are ``coded``, the place of their codes;
    ``of_kinds``: columns that samples of other kinds do not have."""
    batches = rows.to_batches(max_chunksize=_ROWS_AT_ONCE)
    return pa.concat_tables([PLANNED.empty_table(), *_planned(names, coded, batches, of_kinds or {})])


def _planned(
    names: Sequence[str], coded: bool, batches: Sequence[pa.RecordBatch], of_kinds: Mapping[str, Sequence[str]]
) -> Iterator[pa.Table]:
    for batch in batches:
        table = pa.Table.from_batches([batch])
        if not coded:
            for field in CODES:
                table = table.append_column(f"codes_{field.name}", pa.nulls(len(table), field.type))
        for name in names:
            place = table.schema.get_field_index(f"score_{name}")
            if pa.types.is_string(table.schema.field(place).type):  # an absent string is an empty one
                table = table.set_column(place, f"score_{name}", table.column(place).fill_null(pa.scalar("")))
            if pa.types.is_list(table.schema.field(place).type):  # so is an absent list
                entries = pa.array([entry or [] for entry in table.column(place).to_pylist()], table.column(place).type)
                table = table.set_column(place, f"score_{name}", entries)
        table = _with_makers(table)
        computed = [
            _computed(row, [name for name in names if row["kind"] in of_kinds.get(name, (row["kind"],))])
            for row in table.to_pylist()
        ]
        for n, name in enumerate(("best", "scores", "size")):
            table = table.append_column(name, pa.array([row[n] for row in computed], PLANNED.field(name).type))
        yield table.select(PLANNED.names).cast(PLANNED)


def _with_makers(table: pa.Table) -> pa.Table:
    """The captions that are released, the chosen one first, in place of the source's, and the makers of each; those of a sample
    that was not captioned stay as they are."""
    if "released" not in table.column_names:
        return table.append_column("makers", pa.nulls(len(table), pa.string()))
    captions, makers = [], []
    for row in table.select(["captions", "released"]).to_pylist():
        chosen = row["captions"] if row["released"] is None else row["released"]
        captions.append([{name: caption[name] for name in ("text", "source", "uri")} for caption in chosen])
        makers.append(canonical_json([{name: caption.get(name) for name in _MAKERS} for caption in chosen]).decode())
    type_ = contracts.UNIQUE.field("captions").type
    table = table.set_column(table.column_names.index("captions"), "captions", pa.array(captions, type_))
    return table.append_column("makers", pa.array(makers, pa.string()))


def _computed(row: Mapping[str, Any], names: Sequence[str]) -> tuple[int, str, int]:
    """Index of the best caption, scores as JSON, and bytes in a shard."""
    values = {name: row[f"score_{name}"] for name in names}
    scored = {name: value for name, value in values.items() if value is None or isinstance(value, _SCORES)}
    chosen = scored.pop(_BEST, None)
    best = int(chosen) if isinstance(chosen, int | float) else longest([caption["text"] for caption in row["captions"]])
    best = best if row.get("released") is None else 0
    codes = codes_of(row, bytes(row["codes_size"])) if row["codes_pack"] else None
    scores = canonical_json(scored).decode()
    return best, scores, sample_size(row, best=best, scores=json.loads(scores), codes=codes)


def codes_of(row: Mapping[str, Any], data: bytes) -> dict[str, Any]:
    """A row of contracts.CODES from one of PLAN."""
    return {f.name: row[f"codes_{f.name}"] for f in CODES} | {"id": row["id"], "codes": data}
