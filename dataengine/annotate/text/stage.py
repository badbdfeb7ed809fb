"""annotate.text: judges captions and texts in pictures by datatrove's filters. Reads columns and the track ``ocr``, no media."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.annotate.captions.settings import captioning, match_scorer
from dataengine.annotate.captions.track import SCHEMA as CAPTIONED
from dataengine.annotate.stage import TrackStage
from dataengine.annotate.text.track import track
from dataengine.annotate.text.worker import BEST, RELEASED, URL, TextPart, TextWorker
from dataengine.annotate.track import Track
from dataengine.annotate.worker import TABLE
from dataengine.config.annotate import AnnotateConfig
from dataengine.config.recipe import Recipe
from dataengine.contracts import GROUPS, SAMPLES, columns
from dataengine.samples.locate import LOCATED, READ, locations
from dataengine.samples.selection import Query, published, source
from dataengine.samples.stage import part_name
from dataengine.score.factory import of_recipe
from dataengine.score.worker import annotation_schema
from dataengine.stage import Part, Run
from dataengine.storage.workspace import digest
from dataengine.table_engine import PART, Source

#: Goes up when the same tables would give other rows of a plan.
_PLAN = "1"
_SCHEMES = ("http://", "https://")
_RELEASED = columns(id=pa.string(), released=pa.list_(pa.string()))
_BEST = columns(id=pa.string(), best=pa.string())
_URL = columns(id=pa.string(), url=pa.string())


class AnnotateText(TrackStage):
    """A part a media tar. A change of what is released, or of the text that was read, judges those samples' texts anew."""

    name = "annotate.text"
    needs = ("ingest", "dedup", "score", "annotate.ocr", "annotate.captions")
    worker_type = TextWorker

    def track(self, config: AnnotateConfig) -> Track | None:
        return track(judged) if (judged := config.judged_text) else None

    def _block(self, config: AnnotateConfig) -> Any:
        return config.judged_text

    def device(self, recipe: Recipe) -> str:
        return "cpu"

    def is_planned(self, run: Run) -> bool:
        return run.workspace.store.exists(_plan_key(self._query(run)))

    def plan(self, run: Run) -> list[Part]:
        base, query = self.base(run), self._query(run)
        read = run.records["annotate.ocr"].parts if "annotate.ocr" in run.records else {}
        parts = []
        digests = ("id", "captions", *(name for name in (RELEASED, BEST, URL) if name in query.sources))
        for media, keys, rows in published(run, _plan_key(query), query, digests):
            name = part_name(media)
            file = read[name].files[TABLE] if name in read else None
            parts.append(Part(name, digest(base, keys, file.sha256 if file else None), TextPart(rows, file)))
        return parts

    def _query(self, run: Run) -> Query:
        """LOCATED of the representatives, and what says which caption is released, and the address."""
        unique = Source("locations", run.records["dedup"].files("unique"), READ, locations, LOCATED)
        sources = {"u": unique, "g": source(run, "dedup", "groups", GROUPS, ("id", "representative"))}
        sources |= _of_captions(run)
        config = run.recipe.annotate and run.recipe.annotate.text
        if config and config.url:
            listed = pa.schema([SAMPLES.field("id"), SAMPLES.field("uri")])
            sources[URL] = Source("addresses", run.records["ingest"].files("samples"), listed, addresses, _URL)
        selected, joins = "", ""
        for name in (RELEASED, BEST, URL):
            if name in sources:
                rows = f'(SELECT "id", min("url") AS "url" FROM {URL} GROUP BY "id")' if name == URL else name
                selected += f', {name}_of."{name}"'
                joins += f' LEFT JOIN {rows} AS {name}_of ON u."id" = {name}_of."id"'
        where = 'u."id" IN (SELECT g."id" FROM g WHERE g."id" = g."representative")'
        return Query(sources, f'SELECT u."media" AS {PART}, u.*{selected} FROM u{joins} WHERE {where}')


def _of_captions(run: Run) -> dict[str, Source]:
    if captioning(run.recipe):
        schema = pa.schema([CAPTIONED.field("id"), CAPTIONED.field("captions")])
        return {
            RELEASED: Source("released", run.records["annotate.captions"].files(TABLE), schema, released, _RELEASED)
        }
    if (scorer := match_scorer(run.recipe)) is None:
        return {}
    [scored] = [annotation_schema(s) for s in of_recipe(run.recipe) if s.name == scorer]
    schema = pa.schema([scored.field("id"), scored.field("match_caption")])
    return {BEST: Source("best", run.records["score"].files(scorer), schema, best, _BEST)}


def _plan_key(query: Query) -> str:
    read = {name: [[f.sha256 for f in s.files], s.name] for name, s in query.sources.items()}
    return f"plans/{digest(_PLAN, read, query.sql, LOCATED.names)}.parquet"


def released(rows: pa.Table) -> pa.Table:
    """_RELEASED of rows of the track ``captions``; null for samples that were not captioned."""
    texts = [None if some is None else [one["text"] for one in some] for some in rows["captions"].to_pylist()]
    return pa.table([rows["id"], pa.array(texts, pa.list_(pa.string()))], schema=_RELEASED)


def best(rows: pa.Table) -> pa.Table:
    """_BEST of a scorer's rows: the place of the caption that matches best, as text, so that it has a digest."""
    return pa.table([rows["id"], rows["match_caption"].cast(pa.string())], schema=_BEST)


def addresses(rows: pa.Table) -> pa.Table:
    """_URL of samples' occurrences that have an address."""
    starts = [pc.starts_with(rows["uri"], scheme) for scheme in _SCHEMES]
    of_web = rows.filter(pc.or_(*starts))
    return pa.table([of_web["id"], of_web["uri"]], schema=_URL)
