"""annotate.captions: the track of captions. Decides by columns alone which caption of each representative is released.

A change of ``choose`` asks no model and matches nothing anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.annotate.captions import choose
from dataengine.annotate.captions.measure_stage import MEASURES
from dataengine.annotate.captions.recaption_worker import CAPTIONS
from dataengine.annotate.captions.settings import captioning, captions_config, match_scorer
from dataengine.annotate.captions.summary import SUMMARY, chosen_kinds, counted, summary
from dataengine.annotate.captions.tables import MADE, MEASURED
from dataengine.annotate.captions.track import COUNTS, SCHEMA, SOURCE
from dataengine.annotate.worker import FAILURES, TABLE, VALUES
from dataengine.config.annotate_captions import ChooseConfig
from dataengine.config.recipe import Recipe
from dataengine.score.factory import of_recipe
from dataengine.score.worker import annotation_schema
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output, roles
from dataengine.table_engine import Frame

Row = dict[str, Any]

_SAMPLE, _WRITTEN, _MADE = 0, 1, 2
_SHOWN = ("synthetic", "style", "model", "match", "repetition", "boilerplate", "unread", "unsupported")
"""Of the chosen caption, columns of the track."""
_OF_MADE = ("style", "span", "start", "end", "server", "model", "prompt", "seed", "failure")
_OF_MEASURED = tuple(name for name in MEASURED.names if name not in ("id", "n", "synthetic"))
_WRITTEN_ROWS = contracts.columns(id=pa.string(), n=pa.int32(), text=pa.string(), source=pa.string(), uri=pa.string())
#: Rows of samples, of the source's captions and of synthetic ones, of which the choice is made.
_ROWS_FIELDS: list[pa.Field[Any]] = [
    *(pa.field(name, pa.int32()) for name in ("kind", "n")),
    *(pa.field(name, pa.string()) for name in ("id", "text", "source", "uri")),
    *(MADE.field(name) for name in _OF_MADE),
    *(MEASURED.field(name).with_nullable(True) for name in _OF_MEASURED),
]
_ROWS = pa.schema(_ROWS_FIELDS)
_SQL_MADE = """
SELECT m."id", m."n", m."text", {made}, {measured} FROM m
LEFT JOIN (SELECT * FROM q WHERE q."synthetic") AS q ON m."id" = q."id" AND m."n" = q."n"
"""
_SQL_WRITTEN = """
SELECT w."id", w."n", w."text", w."source", w."uri", {measured} FROM w
INNER JOIN (SELECT * FROM q WHERE NOT q."synthetic") AS q ON w."id" = q."id" AND w."n" = q."n"
"""


class Captions(TableStage):
    """One row a representative, captioned or not."""

    name = "annotate.captions"
    version = "1"
    needs = ("dedup", "score", "annotate.recaption", "annotate.caption_quality")

    def active(self, recipe: Recipe) -> bool:
        return captioning(recipe)

    def settings(self, recipe: Recipe) -> Any:
        return [choose.VERSION, captions_config(recipe).choose.model_dump(), recipe.seed]

    def compute(self, run: Run, key: str) -> Output:
        engine, config = run.engine, captions_config(run.recipe)
        rows = self._rows(run)
        chosen = engine.kept(
            engine.local(rows, ("id",), partial(chosen_captions, config.choose, run.recipe.seed), SCHEMA)
        )
        files = engine.write(run.workspace, f"decisions/captions-{key}", chosen, SCHEMA, ("id",))
        sums = ", ".join(f'CAST(sum("{name}") AS BIGINT) AS "{name}"' for name in COUNTS)
        some = 'CAST(sum(CASE WHEN "captions_made" > 0 THEN 1 ELSE 0 END) AS BIGINT) AS "with"'
        looked = 'CAST(sum(CASE WHEN "captions_made" + "captions_failed" > 0 THEN 1 ELSE 0 END) AS BIGINT) AS samples'
        lost = 'CAST(sum(CASE WHEN "failure" IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS failed'
        [counts] = engine.collect(
            engine.sql(f"SELECT {looked}, {some}, {lost}, {sums} FROM c", {"c": chosen})
        ).to_pylist()
        failures = engine.sql(
            'SELECT "failure", CAST(count(*) AS BIGINT) AS n FROM c WHERE "failure" IS NOT NULL GROUP BY "failure"',
            {"c": chosen},
        )
        facts = {
            VALUES: chosen_kinds(engine, chosen),
            FAILURES: counted(engine.collect(failures).to_pylist(), "failure"),
            SUMMARY: summary(run),
        }
        return Output(roles(TABLE, files), {name.replace("_", " "): n or 0 for name, n in counts.items()}, facts)

    def _rows(self, run: Run) -> Frame:
        """_ROWS, in no order."""
        engine = run.engine
        measured = run.frame("annotate.caption_quality", MEASURES, MEASURED)
        listed = ", ".join(f'q."{name}"' for name in _OF_MEASURED)
        of_made = ", ".join(f'm."{name}"' for name in _OF_MADE)
        captions = run.frame("dedup", "unique", contracts.UNIQUE, ["id", "captions"])
        written = engine.local(captions, (), written_captions, _WRITTEN_ROWS)
        frames = {
            "s": (_SAMPLE, self._samples(run)),
            "w": (_WRITTEN, engine.sql(_SQL_WRITTEN.format(measured=listed), {"w": written, "q": measured})),
            "m": (
                _MADE,
                engine.sql(
                    _SQL_MADE.format(made=of_made, measured=listed),
                    {"m": run.frame("annotate.recaption", CAPTIONS, MADE), "q": measured},
                ),
            ),
        }
        shaped = {
            name: engine.local(frame, (), partial(in_rows, kind), _ROWS) for name, (kind, frame) in frames.items()
        }
        return engine.sql(" UNION ALL ".join(f"SELECT * FROM {name}" for name in shaped), shaped)

    def _samples(self, run: Run) -> Frame:
        """id and match of the representatives."""
        frames = {"g": run.frame("dedup", "groups", contracts.GROUPS, ["id", "representative"])}
        where, scorer = 'g."id" = g."representative"', match_scorer(run.recipe)
        if scorer is None:
            return run.engine.sql(f'SELECT g."id" FROM g WHERE {where}', frames)
        [schema] = [annotation_schema(s) for s in of_recipe(run.recipe) if s.name == scorer]
        frames["s"] = run.frame("score", scorer, schema, ["id", "match"])
        return run.engine.sql(f'SELECT g."id", s."match" FROM g LEFT JOIN s ON g."id" = s."id" WHERE {where}', frames)


def written_captions(samples: pa.Table) -> pa.Table:
    """_WRITTEN_ROWS: a row for each of the source's captions."""
    rows = [
        {"id": row["id"], "n": n, **caption}
        for row in samples.to_pylist()
        for n, caption in enumerate(row["captions"] or ())
    ]
    return pa.Table.from_pylist(rows, _WRITTEN_ROWS)


def in_rows(kind: int, rows: pa.Table) -> pa.Table:
    """_ROWS of one kind, with null for what it does not have."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in _ROWS
    ]
    columns[_ROWS.get_field_index("kind")] = pa.repeat(pa.scalar(kind, pa.int32()), len(rows))
    return pa.table(columns, schema=_ROWS)


def chosen_captions(config: ChooseConfig, seed: int, rows: pa.Table) -> pa.Table:
    """Rows of the track, of all rows of each id together."""
    ordered = sorted(rows.to_pylist(), key=lambda row: (row["id"], row["kind"], row["n"] or 0))
    chosen = [_chosen(id_, list(some), config, seed) for id_, some in groupby(ordered, key=itemgetter("id"))]
    return pa.Table.from_pylist(chosen, SCHEMA)


def _chosen(id_: str, rows: Sequence[Row], config: ChooseConfig, seed: int) -> Row:
    [sample] = [row for row in rows if row["kind"] == _SAMPLE]
    written = [row | {"synthetic": False} for row in rows if row["kind"] == _WRITTEN]
    replies = [row | {"synthetic": True} for row in rows if row["kind"] == _MADE]
    synthetic = [row for row in replies if row["failure"] is None]
    wrong = Counter[str](fault for row in synthetic for fault in choose.faults(row, config))
    if not replies:
        fields = {"caption_synthetic": False, "caption_reason": "not captioned", "caption_match": sample["match"]}
        return _counted({"id": id_, **fields}, {})
    good = choose.accepted(synthetic, config)
    choice = choose.choose(id_, written, good, config, seed)
    counts: dict[str, int] = {
        **wrong,
        "made": len(synthetic),
        "failed": len(replies) - len(synthetic),
        "rejected": len(synthetic) - len(good),
    }
    counts["refusal"] = counts.get("refusal", 0) + sum(row["failure"] == "refused" for row in replies)
    row: Row = {"id": id_, "caption_synthetic": False, "caption_reason": choice.reason}
    if (one := choice.caption) is not None:
        row |= {f"caption_{name}": one[name] for name in _SHOWN}
    rest = [c for c in (*written, *good) if c is not one]
    row["captions"] = [_released(c) for c in ([one, *rest] if one is not None else rest)]
    if not synthetic:
        row |= {"failure": replies[0]["failure"], "message": f"none of {len(replies):,} captions could be had"}
    return _counted(row, counts)


def _counted(row: Row, counts: Mapping[str, int]) -> Row:
    return row | {column: counts.get(name, 0) for column, name in COUNTS.items()}


def _released(caption: Mapping[str, Any]) -> Row:
    if not caption["synthetic"]:
        return {name: caption[name] for name in ("text", "source", "uri")}
    fields = {name: caption[name] for name in ("text", "style", "model", "prompt", "seed", "start", "end")}
    return {**fields, "source": SOURCE, "uri": caption["server"]}
