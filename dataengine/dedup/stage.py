"""Deduplication: distinct samples, near-duplicate edges between them, and the representative of each group.

Columns only, on the table engine of the recipe: a laptop's DuckDB and a Spark cluster give the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.dedup import edges as find
from dataengine.dedup.aligned_edges import JUDGED, aligned
from dataengine.dedup.confirmation_cache import CONFIRM_VERSION, VERDICTS
from dataengine.dedup.distances import Bounds
from dataengine.dedup.edges import HASHES, SETS
from dataengine.dedup.groups import Rules, group
from dataengine.dedup.kinds import ALIGNED, PERCEPTUAL, PIXELS, SEMANTIC, TEXT, VIDEO
from dataengine.dedup.search_result import Known, SearchResult
from dataengine.dedup.semantic_edges import semantic
from dataengine.dedup.unique_samples import unique_samples
from dataengine.embed.worker import CAPTIONS
from dataengine.media.image.phash import VERSION as HASH_VERSION
from dataengine.models.encoders import encoder_of
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output, Record, roles
from dataengine.table_engine import Frame

_TEXT_VERSION = "shingles-char5"


class DedupUnique(TableStage):
    """The same bytes twice are one sample, mentioned twice."""

    name = "dedup.unique"
    version = "2"
    needs = ("ingest",)
    also_in = ("embed",)

    def compute(self, run: Run, key: str) -> Output:
        engine = run.engine
        samples = run.frame("ingest", "samples", contracts.SAMPLES)
        unique = engine.local(samples, ("id",), unique_samples, contracts.UNIQUE)
        files = engine.write(run.workspace, f"dedup/unique-{key}", unique, contracts.UNIQUE, ("id",))
        inputs = sum(f.rows for f in run.records["ingest"].files("samples"))
        return Output(roles("unique", files), {"inputs": inputs, "distinct": sum(f.rows for f in files)})


class DedupEdges(TableStage):
    """One table a kind of likeness. What an earlier run of the same settings has searched is not searched again."""

    name = "dedup.edges"
    version = "2"
    needs = ("dedup.unique", "embed", "dedup.fingerprint")

    def settings(self, recipe: Recipe) -> Any:
        dumped = recipe.dedup.model_dump()
        searched = {k: v for k, v in dumped.items() if k not in ("keep", "group_by", "max_distance_factor")}
        return [[version_of(kind, recipe) for kind in recipe.dedup.edge_kinds], searched]

    def compute(self, run: Run, key: str) -> Output:
        files: dict[str, File] = {}
        searched = {kind: self._search_settings(kind, run.recipe) for kind in run.recipe.dedup.edge_kinds}
        facts: dict[str, Any] = {"searched": searched}
        counts = {}
        for kind in run.recipe.dedup.edge_kinds:
            result = self._search(run, kind)
            version = version_of(kind, run.recipe)
            edges = run.engine.sql("SELECT e.*, ? AS version FROM e", {"e": result.edges}, (version,))
            written = run.engine.write(run.workspace, f"dedup/edges/{kind}-{key}", edges, contracts.EDGES, ("a", "b"))
            files |= roles(f"edges/{kind}", written) | self._handed_on(run, result, kind, key)
            counts[f"{kind}_edges"] = sum(f.rows for f in written)
            facts[kind] = result.facts()
        return Output(files, counts, facts)

    def _search(self, run: Run, kind: str) -> SearchResult:
        config, engine = run.recipe.dedup, run.engine
        if kind == PIXELS:
            return find.pixels(engine, self._prints(run, "id", "pixels"))
        if kind == PERCEPTUAL:
            pictures = self._unique(run, "phash")
            return find.perceptual(engine, pictures, config.radius, self._before(run, kind, HASHES))
        if kind == VIDEO:
            videos, known = self._unique(run, "frame_hashes"), self._before(run, kind, SETS)
            return find.video(engine, videos, config.radius, config.video_overlap, known)
        if kind == ALIGNED and config.aligned_radius is not None:
            pictures, prints = self._unique(run, "phash"), self._prints(run, "id", "thumbnail")
            return aligned(
                engine, pictures, prints, config.radius, config.aligned_radius, self._before(run, kind, JUDGED)
            )
        if kind == SEMANTIC and (how := config.semantic) is not None:
            known = self._before(run, kind, {"verdicts": VERDICTS}) if how.confirm else None
            thumbnails = self._prints(run, "id", "thumbnail") if how.confirm else None
            captions = None if how.caption_threshold is None else (self._captions(run), how.caption_threshold)
            return semantic(engine, self._views(run), how.threshold, captions, thumbnails, known)
        return find.text(engine, self._unique(run, "captions"), config.text.threshold if config.text else 1.0)

    def _unique(self, run: Run, column: str) -> Frame:
        """Only what a kind looks at is read."""
        return run.frame("dedup.unique", "unique", contracts.UNIQUE, ("id", "kind", column))

    def _prints(self, run: Run, *columns: str) -> Frame:
        return run.frame("dedup.fingerprint", "fingerprints", contracts.FINGERPRINTS, columns)

    def _views(self, run: Run) -> Frame:
        return run.frame("embed", "pictures", contracts.EMBEDDINGS, ("id", "view", "vector"))

    def _captions(self, run: Run) -> Frame:
        return run.frame("embed", CAPTIONS, contracts.CAPTION_EMBEDDINGS, ("id", "longest", "vector"))

    def _handed_on(self, run: Run, result: SearchResult, kind: str, key: str) -> dict[str, File]:
        """Publish what a later batch starts from."""
        files: dict[str, File] = {}
        for role, table in result.searched.items():
            base = f"dedup/{role}/{kind}-{key}"
            written = run.engine.write(run.workspace, base, table.frame, table.schema, table.order)
            files |= roles(f"{role}/{kind}", written)
        return files

    def _search_settings(self, kind: str, recipe: Recipe) -> list[Any]:
        """Settings that what is handed on depends on."""
        of: dict[str, tuple[Any, ...]] = {VIDEO: (recipe.dedup.video_overlap,), ALIGNED: (recipe.dedup.aligned_radius,)}
        return [self.version, version_of(kind, recipe), recipe.dedup.radius, *of.get(kind, ())]

    def _recorded(self, record: Record) -> dict[str, Any]:
        searched = record.parts["all"].facts.get("searched")
        return searched if isinstance(searched, dict) else {}

    def _before(self, run: Run, kind: str, schemas: Mapping[str, pa.Schema]) -> Known | None:
        """The largest search of the same settings that is committed in this workspace. Pairs do not depend on what else was
        searched, so which one it is changes no row."""
        store, best = run.workspace.store, None
        for entry in store.list("stages/dedup.edges"):
            record = run.workspace.record(entry.key)
            if record is not None and self._recorded(record).get(kind) == self._search_settings(kind, run.recipe):
                rows = sum(f.rows for f in record.files(f"{next(iter(schemas))}/{kind}"))
                best = max(best or (0, "", record), (rows, entry.key, record), key=lambda r: r[:2])
        if best is None:
            return None
        files = {role: best[2].files(f"{role}/{kind}") for role in schemas}
        if not all(store.exists(f.key) for some in files.values() for f in some):
            return None  # tidied away by hand: search all again
        return {role: run.engine.scan(run.workspace, files[role], schema) for role, schema in schemas.items()}


def version_of(kind: str, recipe: Recipe) -> str:
    """Of what is measured for edges of a kind."""
    if kind == SEMANTIC and (how := recipe.dedup.semantic) is not None:
        return "/".join([encoder_of(recipe).version, *([CONFIRM_VERSION] if how.confirm else [])])
    others = {PIXELS: "rgb8", TEXT: _TEXT_VERSION, ALIGNED: f"{HASH_VERSION}/{CONFIRM_VERSION}"}
    return others.get(kind, HASH_VERSION)


class Dedup(TableStage):
    """Groups by the edges of all chosen kinds; changing what is kept finds no edge again."""

    name = "dedup"
    version = "4"
    needs = ("dedup.unique", "dedup.edges", "dedup.detail")

    def settings(self, recipe: Recipe) -> Any:
        config = recipe.dedup
        return [config.keep, config.grouping_kinds, config.max_distance_factor]

    def validate(self, recipe: Recipe) -> None:
        self._rules(recipe)

    def compute(self, run: Run, key: str) -> Output:
        engine, base = run.engine, f"dedup/groups-{key}"
        rules = self._rules(run.recipe)
        unique = run.frame("dedup.unique", "unique", contracts.UNIQUE, rules.columns)
        edges = run.frame("dedup.edges", "edges", contracts.EDGES, ("a", "b", "kind", "distance"))
        measured = "dedup.detail" in run.records and run.records["dedup.detail"].files("detail")
        detail = run.frame("dedup.detail", "detail", contracts.DETAIL) if measured else None
        grouped = group(engine, unique, edges, rules, detail)
        written = engine.write(run.workspace, base, grouped.groups, contracts.GROUPS, ("id",))
        facts = grouped.facts()
        several = sum(int(size) * n for size, n in facts["group_sizes"].items())
        distinct = sum(f.rows for f in written)
        kept = distinct - several + sum(facts["group_sizes"].values())
        inputs = run.records["dedup.unique"].counts["inputs"]
        edges_by_kind = run.records["dedup.edges"].counts
        counts = {"inputs": inputs, "distinct": distinct, "edges": sum(edges_by_kind.values()), "kept": kept}
        searches = run.records["dedup.edges"].parts["all"].facts
        search = {kind: searches[kind] for kind in run.recipe.dedup.edge_kinds if searches[kind]}
        return Output(
            roles("groups", written) | self._earlier(run), counts, facts | {"edges": edges_by_kind, "search": search}
        )

    def _earlier(self, run: Run) -> dict[str, File]:
        """Files of samples and edges, listed with the groups: who reads dedup's tables need not know its stages."""
        unique, edges = (run.records[name].parts["all"].files for name in ("dedup.unique", "dedup.edges"))
        return unique | {role: file for role, file in edges.items() if role.startswith("edges/")}

    def _rules(self, recipe: Recipe) -> Rules:
        config = recipe.dedup
        text = config.text.threshold if config.text else 1.0
        bounds = Bounds(
            config.radius, config.video_overlap, text, config.semantic.threshold if config.semantic else 1.0
        )
        return Rules(tuple(config.grouping_kinds), bounds, tuple(config.keep), config.max_distance_factor)
