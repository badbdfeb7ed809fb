"""cot.material: the samples of the release, and the material for their questions that is not in their media.

The source's question-answer pairs (from the metadata of all occurrences of a sample, and from what models have read or heard
in it), captions of other samples, and other videos; columns alone, through the table engine. All that a worker needs to know of
a sample is in its row.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.annotate.track import ANNOTATIONS
from dataengine.annotate.tracks import tracks
from dataengine.annotate.worker import TABLE
from dataengine.config.cot import QuestionsConfig
from dataengine.config.recipe import Recipe
from dataengine.contracts import columns
from dataengine.cot.core.columns import encode
from dataengine.cot.core.schemas import SOURCE_MATERIAL
from dataengine.cot.core.source_qa import Pair, pairs_of
from dataengine.cot.core.stage import Cot
from dataengine.cot.questions.neighbours import RELEASED, Choice, neighbours
from dataengine.cot.questions.origins import ORIGINS, origin_lists
from dataengine.samples.locate import LOCATED, READ, locations
from dataengine.shards.manifest import split_and_family
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output, roles
from dataengine.table_engine import Frame

_MAX_PAIRS = 64
"""Pairs of one sample that are looked at."""
_OCCURRENCE = columns(
    id=pa.string(), source=pa.string(), uri=pa.string(), meta=pa.string(), width=pa.int32(), height=pa.int32()
)
TEXTS = ("ocr_text", "speech_text")
"""Columns of tracks that a model which asks about a sample is shown."""
_TEXTS = columns(id=pa.string(), texts=pa.string())
_NAMED = 'SELECT "id", ? AS "name", "{name}" AS "text" FROM x WHERE "{name}" IS NOT NULL'
_PAIRS = columns(id=pa.string(), pairs=pa.string(), n=pa.int64())
_OCCURRENCES = """
SELECT i."id", i."source", i."uri", i."meta", i."width", i."height"
FROM i INNER JOIN s ON i."id" = s."id" WHERE i."meta" IS NOT NULL
"""
_OF_VIDEOS = """
SELECT i."id", i."source", i."uri", i."meta" FROM i INNER JOIN s ON i."id" = s."id" WHERE s."kind" = ?
"""
_READ = pa.schema([*READ, contracts.UNIQUE.field("parent")])
_SAMPLE = ", ".join(f's."{f.name}"' for f in LOCATED)
_MATERIAL = f"""
SELECT {_SAMPLE}, s."split", COALESCE(p."pairs", ?) AS "pairs", n."distractors", COALESCE(t."texts", ?) AS "texts",
       s."parent", n."partners", n."videos"
FROM s INNER JOIN n ON s."id" = n."id" LEFT JOIN p ON s."id" = p."id" LEFT JOIN t ON s."id" = t."id"
"""
_COUNTS = """
SELECT CAST(count(*) AS BIGINT) AS samples, CAST(sum(COALESCE(p."n", 0)) AS BIGINT) AS pairs
FROM s LEFT JOIN p ON s."id" = p."id"
"""


class CotMaterial(Cot, TableStage):
    name = "cot.material"
    version = "4"
    needs = ("ingest", "dedup.edges", *ANNOTATIONS, "shard.assign")

    def settings(self, recipe: Recipe) -> Any:
        questions = self.config(recipe).questions
        return [questions.model_dump(exclude={"rewrite", "ask"}), questions.ask is not None, recipe.seed]

    def compute(self, run: Run, key: str) -> Output:
        engine, config = run.engine, self.config(run.recipe).questions
        samples = engine.kept(released(run))
        edges = run.frame("dedup.edges", "edges", contracts.EDGES, ["a", "b"])
        choice = Choice(config.caption_distractors, run.recipe.seed)
        beside = neighbours(engine, samples, edges, _origins(run, samples), choice)
        pairs = engine.kept(_pairs(run, samples, config))
        frames = {"s": samples, "n": beside, "p": pairs, "t": _texts(run, config)}
        material = engine.sql(_MATERIAL, frames, ("[]", "{}"))
        files = engine.write(run.workspace, f"cot/material-{key}", material, SOURCE_MATERIAL, ["id"])
        [counts] = engine.collect(engine.sql(_COUNTS, {"s": samples, "p": pairs})).to_pylist()
        return Output(roles("material", files), {"samples": counts["samples"], "pairs": counts["pairs"] or 0})


def released(run: Run) -> Frame:
    """RELEASED: the samples in the shards of the release, in no order."""
    by_split: dict[str, list[File]] = defaultdict(list)
    for role, file in sorted(run.records["shard.assign"].parts["all"].files.items()):
        if role.startswith("plan/"):
            by_split[split_and_family(role.removeprefix("plan/"))[0]].append(file)
    if not by_split:
        return run.engine.frame(RELEASED.empty_table())
    frames = {}
    for n, (split, files) in enumerate(by_split.items()):
        rows = run.engine.scan(run.workspace, files, _READ)
        frames[f"s{n}"] = run.engine.local(rows, (), partial(of_split, split), RELEASED)
    listed = ", ".join(f'"{name}"' for name in RELEASED.names)
    return run.engine.sql(" UNION ALL ".join(f"SELECT {listed} FROM {name}" for name in frames), frames)


def of_split(split: str, planned: pa.Table) -> pa.Table:
    """RELEASED of rows of a shard plan."""
    parents = pc.coalesce(planned["parent"], planned["id"])
    rows = locations(planned).append_column("split", pa.array([split] * len(planned), pa.string()))
    return rows.append_column("parent", parents)


def _origins(run: Run, samples: Frame) -> Frame:
    """ORIGINS of the videos."""
    occurrences = run.frame("ingest", "samples", contracts.SAMPLES, ["id", "source", "uri", "meta"])
    rows = run.engine.sql(_OF_VIDEOS, {"i": occurrences, "s": samples}, ("video",))
    return run.engine.local(rows, ("id",), origin_lists, ORIGINS)


def _pairs(run: Run, samples: Frame, config: QuestionsConfig) -> Frame:
    """_PAIRS: of each sample the pairs of all its occurrences."""
    if not config.source_qa and not config.metadata and not config.grounding:
        return run.engine.frame(_PAIRS.empty_table())
    occurrences = run.frame("ingest", "samples", contracts.SAMPLES, _OCCURRENCE.names)
    frames = {"i0": occurrences, **{f"i{n}": frame for n, frame in enumerate(_annotated(run, config), 1)}}
    every = " UNION ALL ".join(
        f'SELECT "id", "source", "uri", "meta", "width", "height" FROM {name}' for name in frames
    )
    rows = run.engine.sql(_OCCURRENCES, {"i": run.engine.sql(every, frames), "s": samples})
    return run.engine.local(rows, ("id",), partial(source_pairs, config), _PAIRS)


def _annotated(run: Run, config: QuestionsConfig) -> Iterator[Frame]:
    """_OCCURRENCE of tracks that models have added, with those of their columns that questions are asked about."""
    for track in tracks(run.recipe):
        names = [f.name for f in (*track.columns, *track.details) if f.name in config.metadata]
        if names:
            frame = run.frame(track.stage, TABLE, track.schema, ["id", *names])
            yield run.engine.local(frame, (), partial(as_metadata, f"{track.name}-{track.version}"), _OCCURRENCE)


def _texts(run: Run, config: QuestionsConfig) -> Frame:
    """_TEXTS: what tracks have read or heard, where a model is to ask about samples."""
    frames: dict[str, Frame] = {}
    for track in tracks(run.recipe) if config.ask is not None else ():
        for name in (f.name for f in track.details if f.name in TEXTS):
            frame = run.frame(track.stage, TABLE, track.schema, ["id", name])
            frames[f"t{len(frames)}"] = run.engine.sql(_NAMED.format(name=name), {"x": frame}, (name,))
    if not frames:
        return run.engine.frame(_TEXTS.empty_table())
    every = " UNION ALL ".join(f'SELECT "id", "name", "text" FROM {name}' for name in frames)
    return run.engine.local(run.engine.sql(every, frames), ("id",), texts_by_id, _TEXTS)


def texts_by_id(rows: pa.Table) -> pa.Table:
    """_TEXTS of (id, name, text)."""
    by_id: dict[str, dict[str, str]] = {}
    for row in rows.to_pylist():
        by_id.setdefault(row["id"], {})[row["name"]] = row["text"]
    texts = [json.dumps(some, sort_keys=True, ensure_ascii=False) for some in by_id.values()]
    return pa.table({"id": list(by_id), "texts": texts}, schema=_TEXTS)


def as_metadata(place: str, rows: pa.Table) -> pa.Table:
    """_OCCURRENCE of a track's rows: the columns beside the id are the metadata, ``place`` names track and model."""
    meta = [json.dumps({k: v for k, v in row.items() if k != "id"}, ensure_ascii=False) for row in rows.to_pylist()]
    columns = [rows["id"], pa.repeat("annotate", len(rows)), pa.repeat(place, len(rows)), pa.array(meta, pa.string())]
    columns += [pa.nulls(len(rows), pa.int32())] * 2
    return pa.table(columns, schema=_OCCURRENCE)


def source_pairs(config: QuestionsConfig, occurrences: pa.Table) -> pa.Table:
    """_PAIRS of (id, source, uri, meta): each pair once, in the order of source and place."""
    pairs: dict[str, dict[tuple[str, str], Pair]] = {}
    for row in sorted(occurrences.to_pylist(), key=lambda row: (row["source"], row["uri"])):
        of_sample = pairs.setdefault(row["id"], {})
        size = (row["width"], row["height"]) if row.get("width") and row.get("height") else None
        for pair in pairs_of(row["meta"], config, f"{row['source']}/{row['uri']}", size):
            of_sample.setdefault((pair.question, pair.answer), pair)
    chosen = {id_: list(of_sample.values())[:_MAX_PAIRS] for id_, of_sample in pairs.items()}
    lists = [encode("pairs", some) for some in chosen.values()]
    return pa.table({"id": list(chosen), "pairs": lists, "n": [len(some) for some in chosen.values()]}, schema=_PAIRS)
