"""annotate.caption_plan: which samples are captioned, and what the source says of each; columns alone, a file a media tar."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.annotate.captions.prompts import quoted
from dataengine.annotate.captions.settings import captioning, captions_config, match_scorer
from dataengine.annotate.captions.tables import TO_CAPTION
from dataengine.config.annotate_captions import CaptionsConfig
from dataengine.config.recipe import Recipe
from dataengine.contracts import columns
from dataengine.errors import InputError, UsageError
from dataengine.samples.locate import LOCATED, READ, locations
from dataengine.samples.stage import part_name
from dataengine.score.factory import of_recipe
from dataengine.score.worker import annotation_schema
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output
from dataengine.table_engine import Frame
from dataengine.text.bounded_json import parse_json

#: Role of a part's rows among the files of the stage, before the part's name.
ROWS = "rows/"
_METADATA = columns(id=pa.string(), context=pa.string())
_CANDIDATES = pa.schema([*READ, pa.field("match", pa.float64()), pa.field("context", pa.string())])
_CHOSEN = pa.schema([*TO_CAPTION, pa.field("part", pa.string())])


class CaptionPlan(TableStage):
    """A change of ``select`` or ``metadata`` asks only for what is new: answers are kept by content."""

    name = "annotate.caption_plan"
    version = "1"
    needs = ("ingest", "dedup", "score")

    def active(self, recipe: Recipe) -> bool:
        return captioning(recipe)

    def validate(self, recipe: Recipe) -> None:
        select = captions_config(recipe).select
        if select is not None and select.below_match is not None and match_scorer(recipe) is None:
            raise UsageError(
                "annotate.captions: select.below_match compares the column `match`, which no scorer of this recipe has: add clip "
                "or conse to score.scorers, or leave below_match out"
            )

    def settings(self, recipe: Recipe) -> Any:
        config = captions_config(recipe)
        select = config.select.model_dump() if config.select else "all"
        return [select, config.metadata, config.source_captions, match_scorer(recipe)]

    def compute(self, run: Run, key: str) -> Output:
        config, engine = captions_config(run.recipe), run.engine
        chosen = engine.local(self._candidates(run, config), (), partial(to_caption, config), _CHOSEN)
        files = engine.split(
            run.workspace, f"annotations/captions/plan-{key}", chosen, TO_CAPTION, "part", ("media", "offset")
        )
        samples = sum(file.rows for file in files.values())
        return Output({f"{ROWS}{name}": file for name, file in files.items()}, {"samples": samples})

    def _candidates(self, run: Run, config: CaptionsConfig) -> Frame:
        """_CANDIDATES of the representatives that could be scored."""
        frames = {
            "u": run.frame("dedup", "unique", contracts.UNIQUE, READ.names),
            "g": run.frame("dedup", "groups", contracts.GROUPS, ["id", "representative"]),
            "m": self._metadata(run, config.metadata),
        }
        joins = 'u INNER JOIN g ON u."id" = g."id" LEFT JOIN m ON u."id" = m."id"'
        match, where = "CAST(NULL AS DOUBLE)", 'g."id" = g."representative"'
        if (scorer := match_scorer(run.recipe)) is not None:
            [schema] = [annotation_schema(s) for s in of_recipe(run.recipe) if s.name == scorer]
            frames["s"] = run.frame("score", scorer, schema, ["id", "match", "failure"])
            joins += ' LEFT JOIN s ON u."id" = s."id"'
            match, where = 's."match"', f'{where} AND s."failure" IS NULL'
        read = ", ".join(f'u."{name}"' for name in READ.names)
        return run.engine.sql(f'SELECT {read}, {match} AS "match", m."context" FROM {joins} WHERE {where}', frames)

    def _metadata(self, run: Run, keys: Sequence[str]) -> Frame:
        """_METADATA: of each sample with any of the ``keys``, the values of its first occurrence that has one."""
        if not keys:
            return run.engine.frame(_METADATA.empty_table())
        occurrences = run.frame("ingest", "samples", contracts.SAMPLES, ["id", "source", "uri", "meta"])
        rows = run.engine.sql('SELECT * FROM i WHERE i."meta" IS NOT NULL', {"i": occurrences})
        return run.engine.local(rows, ("id",), partial(metadata, tuple(keys)), _METADATA)


def metadata(keys: Sequence[str], occurrences: pa.Table) -> pa.Table:
    """_METADATA of (id, source, uri, meta)."""
    contexts: dict[str, str] = {}
    for row in sorted(occurrences.to_pylist(), key=lambda row: (row["source"], row["uri"])):
        if row["id"] not in contexts and (values := _values(row["meta"], keys)):
            contexts[row["id"]] = json.dumps(values, ensure_ascii=False)
    return pa.table({"id": list(contexts), "context": list(contexts.values())}, schema=_METADATA)


def to_caption(config: CaptionsConfig, candidates: pa.Table) -> pa.Table:
    """_CHOSEN of those of the candidates that the recipe selects."""
    rows = candidates.select(_CANDIDATES.names).cast(_CANDIDATES)
    chosen = rows.filter(pa.array([_selected(config, row) for row in rows.to_pylist()], pa.bool_()))
    located = locations(chosen.select(READ.names))
    pairs: list[Any] = list(zip(located["captions"].to_pylist(), chosen["context"].to_pylist(), strict=True))
    texts = [_context(config, captions, metadata_) for captions, metadata_ in pairs]
    parts = [part_name(str(media)) for media in located["media"].to_pylist()]
    columns_ = [*(located[name] for name in LOCATED.names), pa.array(texts, pa.string()), pa.array(parts, pa.string())]
    return pa.table(columns_, schema=_CHOSEN)


def _selected(config: CaptionsConfig, row: Mapping[str, Any]) -> bool:
    select = config.select
    if select is None:
        return True
    if not any(caption["text"] for caption in row["captions"]):
        return select.without_caption
    match = row["match"]
    return select.below_match is not None and match is not None and not math.isnan(match) and match < select.below_match


def _context(config: CaptionsConfig, captions: Sequence[str], metadata_: str | None) -> str | None:
    """What the model is told of a sample, as JSON."""
    values: dict[str, Any] = {} if metadata_ is None else json.loads(metadata_)
    if config.source_captions and captions:
        values["captions"] = list(captions)
    return quoted(values)


def _values(meta: str, keys: Sequence[str]) -> dict[str, Any]:
    try:
        fields = parse_json(meta)
    except InputError:
        return {}
    return {key: fields[key] for key in keys if fields.get(key) not in (None, "")} if isinstance(fields, dict) else {}
