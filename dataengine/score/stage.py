"""Score: representatives → one annotation table a scorer. A part is a media tar; scores that exist are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.ingest.stage import limits_of
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.samples.decode import Decoder
from dataengine.samples.locate import Located, by_media, chunks, locate, representatives
from dataengine.score.base import Scorer
from dataengine.score.factory import build
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest

#: Samples whose prepared arrays are held at once; fixed, so that batches never depend on the machine.
_CHUNK = 256


def annotation_schema(scorer: Scorer) -> pa.Schema:
    """Columns of a scorer's table: id, its fields, and why a sample could not be scored."""
    text = [pa.field(name, pa.string()) for name in ("id", "failure", "message")]
    return pa.schema([text[0], *scorer.fields, *text[1:]])


class Score(RecordStage):
    """All scorers share one decode of each sample."""

    name = "score"
    version = "1"
    needs = ("dedup",)

    def validate(self, recipe: Recipe) -> None:
        for scorer in build(recipe.score.scorers):
            scorer.validate()

    def settings(self, recipe: Recipe) -> Any:
        limits = recipe.limits.model_dump()
        return [limits, [(s.name, s.version) for s in build(recipe.score.scorers)]]

    def device(self, recipe: Recipe) -> str:
        return recipe.score.device

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, self.settings(run.recipe))
        parts = []
        for media, rows in by_media(locate(representatives(run))).items():
            key = digest(base, [(r.id, r.captions) for r in rows])
            parts.append(Part(media.removeprefix("media/").removesuffix(".tar"), key, rows))
        return parts

    def worker(self, run: Run) -> Worker:
        config = run.recipe.score
        return ScoreWorker(config.scorers, config.device, config.threads, limits_of(run.recipe), run.workspace)


@dataclass
class ScoreWorker:
    """Models in this process, decoding in a child."""

    configs: list[dict[str, Any]]
    device: str
    threads: int
    limits: Limits
    workspace: Workspace
    _decoder: Decoder | None = None
    _decodes: tuple[str, ...] = ()
    _ready: set[str] = field(default_factory=set)

    def setup(self) -> None:
        self.scorers = build(self.configs)

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()

    def process(self, part: Part) -> Output:
        rows: list[Located] = part.spec
        content = digest([(r.id, r.captions) for r in rows], self.limits.__dict__)
        keys = {s.name: f"annotations/{s.name}-{s.version}/{part.name}-{content[:16]}.parquet" for s in self.scorers}
        todo = [s for s in self.scorers if not self.workspace.store.exists(keys[s.name])]
        tables = self._annotate(todo, rows) if todo else {}
        files = {}
        for scorer in self.scorers:
            if scorer.name in tables:
                files[scorer.name] = self.workspace.write_table(keys[scorer.name], tables[scorer.name])
            else:
                files[scorer.name] = self._existing(keys[scorer.name], len(rows))
        return Output(files, {"samples": len(rows)})

    def _existing(self, key: str, rows: int) -> File:
        import hashlib

        data = self.workspace.store.get(key)
        return File(key, hashlib.sha256(data).hexdigest(), len(data), rows)

    def _annotate(self, scorers: Sequence[Scorer], rows: Sequence[Located]) -> dict[str, pa.Table]:
        made: dict[str, list[pa.Table]] = {s.name: [] for s in scorers}
        seen = self._child(scorers).over(self.workspace.store, rows, lambda row, data: (data, row.kind))
        for chunk in chunks(seen, _CHUNK):
            self._score(scorers, chunk, made)
        return {name: pa.concat_tables(tables).sort_by("id") for name, tables in made.items()}

    def _score(
        self, scorers: Sequence[Scorer], chunk: Sequence[tuple[Located, Ok | Failed]], made: dict[str, list[pa.Table]]
    ) -> None:
        good = [(row, outcome.value) for row, outcome in chunk if isinstance(outcome, Ok)]
        bad = [(row.id, outcome) for row, outcome in chunk if isinstance(outcome, Failed)]
        failures = {
            "id": [id_ for id_, _ in bad],
            "failure": [f.failure for _, f in bad],
            "message": [f.message for _, f in bad],
        }
        for scorer in scorers:
            self._load(scorer)
            columns = scorer.score([p[scorer.name] for _, p in good], [row.captions for row, _ in good]) if good else {}
            schema = annotation_schema(scorer)
            nothing: list[Any] = [None] * len(good)
            scored: dict[str, list[Any]] = {
                "id": [row.id for row, _ in good],
                "failure": nothing,
                "message": nothing,
                **columns,
            }
            made[scorer.name] += [_table(scored, schema), _table(failures, schema)]

    def _load(self, scorer: Scorer) -> None:
        if scorer.name not in self._ready:
            scorer.setup(self.device, self.threads)
            self._ready.add(scorer.name)

    def _child(self, scorers: Sequence[Scorer]) -> Decoder:
        names = tuple(s.name for s in scorers)
        if self._decoder is None or names != self._decodes:
            self.close()
            fresh = [s for s in build(self.configs) if s.name in names]
            self._decoder = Decoder("dataengine.score.prepare:prepare", (self.limits, fresh), self.limits)
            self._decodes = names
        return self._decoder


def _table(columns: dict[str, list[Any]], schema: pa.Schema) -> pa.Table:
    count = len(columns["id"])
    return pa.table([pa.array(columns.get(f.name, [None] * count), f.type) for f in schema], schema=schema)
