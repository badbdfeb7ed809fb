"""What each shard is to be written from: rows with all that goes into a sample's members, and how large they will be.

A sample's size is that of its JSON, so each row is a Python dict for a moment: some thousand at a time, wherever the
table engine has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.score.annotated import annotated, score_fields
from dataengine.shards.sample import longest, sample_size
from dataengine.stage import Run
from dataengine.storage.workspace import canonical
from dataengine.table_engine import Frame

CODES = [f for f in contracts.CODES_INDEX if f.name != "id"]
_PLAN: list[pa.Field[Any]] = [
    *contracts.UNIQUE,
    pa.field("best", pa.int32()),
    pa.field("scores", pa.string()),
    *(pa.field(f"codes_{f.name}", f.type) for f in CODES),
]
#: What a shard is written from: the samples in their order, with all that goes into their members.
PLAN = pa.schema(_PLAN)
#: And what a sample takes in a shard.
PLANNED = PLAN.append(pa.field("size", pa.int64()))

_BEST = "match_caption"
_AT_ONCE = 8192


def planned(run: Run) -> Frame:
    """PLANNED of all samples that go into the release, in no order."""
    engine, names = run.engine, _scores(run.recipe)
    frames = {
        "u": run.frame("dedup", "unique", contracts.UNIQUE),
        "d": run.frame("filter", "decisions", contracts.DECISIONS, ["id", "kept"]),
        "a": annotated(run, names),
    }
    asked = [f'u."{name}"' for name in contracts.UNIQUE.names] + [f'a."{name}" AS "score_{name}"' for name in names]
    joined = 'u INNER JOIN d ON u."id" = d."id" INNER JOIN a ON u."id" = a."id"'
    coded = "tokenize.encode" in run.records
    if coded:
        frames["c"] = run.frame("tokenize.encode", "codes", contracts.CODES_INDEX)
        asked += [f'c."{f.name}" AS "codes_{f.name}"' for f in CODES]
        joined += ' INNER JOIN c ON u."id" = c."id"'
    rows = engine.sql(f'SELECT {", ".join(asked)} FROM {joined} WHERE d."kept"', frames)
    return engine.local(rows, (), partial(plan, tuple(names), coded), PLANNED)


def _scores(recipe: Recipe) -> list[str]:
    """Scores that are told with a sample: those that are numbers."""
    return [f.name for f in score_fields(recipe) if not pa.types.is_string(f.type)]


def plan(names: Sequence[str], coded: bool, rows: pa.Table) -> pa.Table:
    """PLANNED of samples with the scores ``names`` as ``score_NAME`` and, where they are ``coded``, the place of their codes."""
    batches = rows.to_batches(max_chunksize=_AT_ONCE)
    return pa.concat_tables([PLANNED.empty_table(), *_planned(names, coded, batches)])


def _planned(names: Sequence[str], coded: bool, batches: Sequence[pa.RecordBatch]) -> Iterator[pa.Table]:
    for batch in batches:
        some = pa.Table.from_batches([batch])
        if not coded:
            for field in CODES:
                some = some.append_column(f"codes_{field.name}", pa.nulls(len(some), field.type))
        made = [_told(row, names) for row in some.to_pylist()]
        for n, name in enumerate(("best", "scores", "size")):
            some = some.append_column(name, pa.array([m[n] for m in made], PLANNED.field(name).type))
        yield some.select(PLANNED.names).cast(PLANNED)


def _told(row: Mapping[str, Any], names: Sequence[str]) -> tuple[int, str, int]:
    """Which caption is the best, the scores as JSON, and bytes in a shard."""
    given = {name: row[f"score_{name}"] for name in names}
    told = {name: value for name, value in given.items() if isinstance(value, int | float)}
    chosen = told.pop(_BEST, None)
    best = longest(row["captions"]) if chosen is None else int(chosen)
    codes = codes_of(row, bytes(row["codes_size"])) if row["codes_pack"] else None
    scores = canonical(told).decode()
    return best, scores, sample_size(row, best=best, scores=json.loads(scores), codes=codes)


def codes_of(row: Mapping[str, Any], data: bytes) -> dict[str, Any]:
    """A row of contracts.CODES from one of PLAN."""
    return {f.name: row[f"codes_{f.name}"] for f in CODES} | {"id": row["id"], "codes": data}
