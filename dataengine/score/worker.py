"""Scores the samples of a media tar: scorers of pixels over one shared decode, the others over stored embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.contracts import CAPTION_EMBEDDINGS, EMBEDDINGS
from dataengine.embed.vectors import rows_of
from dataengine.embed.worker import CAPTIONS, PICTURES, VIDEOS
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.models.device import Float32, unit
from dataengine.plugins.failure import ERROR
from dataengine.plugins.offers import Plugin
from dataengine.samples import measured
from dataengine.samples.decode import Decoded
from dataengine.samples.locate import Located
from dataengine.samples.worker import ONCE, DecodingWorker
from dataengine.score.base import AnyScorer, EmbeddingScorer, FileScorer, Scorer
from dataengine.score.factory import build
from dataengine.score.plugin import LOST, Fault, PluginScorer
from dataengine.score.prepare import Item
from dataengine.stage import Part
from dataengine.storage.workspace import File, Output, digest

#: Samples whose prepared arrays are held at once; fixed, so that batches never depend on the machine.
_CHUNK = 256


def annotation_schema(scorer: AnyScorer | PluginScorer) -> pa.Schema:
    """Columns of a scorer's table: id, its fields, and why a sample could not be scored."""
    text = [pa.field(name, pa.string()) for name in ("id", "failure", "message")]
    return pa.schema([text[0], *scorer.fields, *text[1:]])


@dataclass
class ScoreWorker(DecodingWorker):
    """Models in this process, decoding in children."""

    configs: list[dict[str, Any]]
    device: str
    threads: int
    plugins: tuple[Plugin, ...] = ()
    _ready: set[str] = field(default_factory=set, init=False)

    function = "dataengine.score.prepare:prepare"
    overlaps = True

    def setup(self) -> None:
        self.scorers = build(self.configs, self.plugins)

    def context(self) -> Any:
        """Scorers of pixels without their models."""
        return self.limits, [s for s in build(self.configs, self.plugins) if not isinstance(s, EmbeddingScorer)]

    def answer(self) -> Any:
        return dict[str, Any]

    def process(self, part: Part) -> Output:
        packed, embeddings = part.spec
        rows = self.samples(packed)
        content = digest([(r.id, r.captions) for r in rows], self.limits.bounds())
        keys = {s.name: f"annotations/{s.name}-{s.version}/{part.name}-{content[:16]}.parquet" for s in self.scorers}
        todo = [s for s in self.scorers if not self.workspace.store.exists(keys[s.name])]
        tables = self._from_pixels([s for s in todo if not isinstance(s, EmbeddingScorer)], rows)
        for scorer in todo:
            if isinstance(scorer, EmbeddingScorer):
                tables[scorer.name] = self._from_embeddings(scorer, rows, embeddings)
        files = {}
        for scorer in self.scorers:
            if scorer.name in tables:
                files[scorer.name] = self.workspace.write_table(keys[scorer.name], tables[scorer.name])
            else:
                files[scorer.name] = self._existing(keys[scorer.name], len(rows))
        plugins = [s for s in self.scorers if isinstance(s, PluginScorer)]
        return Output(files, {"samples": len(rows)} | {LOST + s.name: self._lost(s, files[s.name]) for s in plugins})

    def _lost(self, scorer: PluginScorer, file: File) -> int:
        """Samples that the plugin could not score."""
        failures = self.workspace.read_table([file], annotation_schema(scorer), ["failure"])["failure"].to_pylist()
        return failures.count(ERROR)

    def _existing(self, key: str, rows: int) -> File:
        data = self.workspace.store.get(key)
        return File(key, hashlib.sha256(data).hexdigest(), len(data), rows)

    def _from_pixels(self, scorers: Sequence[Scorer | FileScorer], rows: Sequence[Located]) -> dict[str, pa.Table]:
        """Each sample is decoded for those scorers alone that cannot use what ingest has measured."""
        if not scorers:
            return {}
        known = self._measured(scorers, rows)

        def missing(row: Located) -> tuple[str, ...]:
            return tuple(s.name for s in scorers if s.name not in known.get(row.id, ()))

        def item(row: Located, data: bytes) -> Item:
            return data, row.kind, missing(row)

        def scored(chunk: Sequence[Decoded]) -> dict[str, list[pa.Table]]:
            return {scorer.name: self._scored(scorer, chunk, known) for scorer in scorers}

        chunks = list(self.computed([row for row in rows if missing(row)], _CHUNK, scored, item))
        chunks.append(scored([(row, Ok({})) for row in rows if not missing(row)]))
        return {s.name: pa.concat_tables([t for chunk in chunks for t in chunk[s.name]]).sort_by("id") for s in scorers}

    def _measured(self, scorers: Sequence[Scorer | FileScorer], rows: Sequence[Located]) -> dict[str, dict[str, Any]]:
        """What need not be decoded: by sample id, then by scorer."""
        from dataengine.score.technical import Technical, rounded

        files = [s for s in scorers if isinstance(s, FileScorer)]
        known: dict[str, dict[str, Any]] = {
            row.id: {s.name: dict.fromkeys(f.name for f in s.fields) for s in files if row.kind not in s.kinds}
            for row in rows
        }
        if any(isinstance(s, Technical) for s in scorers):
            for id_, measures in measured.kept(self.workspace, rows, self.limits).items():
                known[id_][Technical.name] = rounded([measures])
        return known

    def _scored(
        self, scorer: Scorer | FileScorer, chunk: Sequence[Decoded], known: Mapping[str, Mapping[str, Any]]
    ) -> list[pa.Table]:
        good = [(row, {**o.value, **known.get(row.id, {})}[scorer.name]) for row, o in chunk if isinstance(o, Ok)]
        bad = [(row.id, o.failure, o.message) for row, o in chunk if isinstance(o, Failed)]
        prepared, captions = [p for _, p in good], [row.captions for row, _ in good]
        ids = [row.id for row, _ in good]
        if not isinstance(scorer, FileScorer):
            self._load(scorer)
        if isinstance(scorer, PluginScorer):
            return _of_plugin(scorer, ids, prepared, captions, bad)
        if isinstance(scorer, FileScorer):
            columns = {field.name: [p[field.name] for p in prepared] for field in scorer.fields}
        else:
            columns = scorer.score(prepared, captions) if good else {}
        return _tables(scorer, ids, columns, bad)

    def _from_embeddings(self, scorer: EmbeddingScorer, rows: Sequence[Located], files: dict[str, File]) -> pa.Table:
        """Every row has its view among ``files``, or the reason why it has none."""
        views = self.workspace.read_table([files[PICTURES], files[VIDEOS]], EMBEDDINGS)
        captions = self.workspace.read_table([files[CAPTIONS]], CAPTION_EMBEDDINGS)
        vectors = dict(zip(views["id"].to_pylist(), _vectors(views), strict=True))
        texts: dict[str, list[Float32]] = {}
        for id_, vector in zip(
            map(str, captions["id"].to_pylist()), _vectors(captions), strict=True
        ):  # in the order of captions
            texts.setdefault(id_, []).append(vector)
        why = {r["id"]: (r["id"], r["failure"], r["message"]) for r in views.drop(["vector"]).to_pylist()}
        good = [row.id for row in rows if vectors[row.id] is not None]
        none = np.zeros((0, 0), np.float32)
        each = [np.stack(texts[i]) if i in texts else none.reshape(0, len(vectors[i])) for i in good]
        bad = [why[row.id] for row in rows if vectors[row.id] is None]
        embedded = [vectors[i] for i in good]
        if isinstance(scorer, PluginScorer):
            tables = _of_plugin(scorer, good, embedded, each, bad)
        else:
            tables = _tables(scorer, good, scorer.score(embedded, each), bad)
        return pa.concat_tables(tables).sort_by("id")

    def _load(self, scorer: Scorer) -> None:
        with ONCE:
            if scorer.name not in self._ready:
                scorer.setup(self.device, self.threads)
                self._ready.add(scorer.name)


def _vectors(table: pa.Table) -> list[Any]:
    """``(D,)`` float32 of unit length a row, None where it is null."""
    rows = iter(unit(rows_of(table["vector"]).astype(np.float32)))
    return [next(rows) if valid else None for valid in table["vector"].is_valid().to_pylist()]


def _of_plugin(
    scorer: PluginScorer,
    ids: Sequence[str],
    prepared: Sequence[Any],
    captions: Sequence[Any],
    bad: Sequence[tuple[str, str, str]],
) -> list[pa.Table]:
    """As ``_tables``; a sample that the plugin cannot score is one of the bad ones."""
    outcomes = list(zip(ids, scorer.outcomes(prepared, captions), strict=True))
    good = [(id_, row) for id_, row in outcomes if not isinstance(row, Fault)]
    lost = [(id_, fault.failure, fault.message) for id_, fault in outcomes if isinstance(fault, Fault)]
    columns = {f.name: [row[f.name] for _, row in good] for f in scorer.fields}
    return _tables(scorer, [id_ for id_, _ in good], columns, [*bad, *lost])


def _tables(
    scorer: AnyScorer | PluginScorer,
    ids: Sequence[str],
    columns: dict[str, list[Any]],
    bad: Sequence[tuple[str, str, str]],
) -> list[pa.Table]:
    """Rows that were scored, and rows that could not be."""
    schema = annotation_schema(scorer)
    failures = {name: [row[n] for row in bad] for n, name in enumerate(("id", "failure", "message"))}
    return [_table({"id": list(ids), **columns}, schema), _table(failures, schema)]


def _table(columns: dict[str, list[Any]], schema: pa.Schema) -> pa.Table:
    count = len(columns["id"])
    return pa.table([pa.array(columns.get(f.name, [None] * count), f.type) for f in schema], schema=schema)
