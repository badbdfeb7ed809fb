"""Deduplication: distinct samples, near-duplicate edges between them, and the representative of each group.

Columns only, on the table engine of the recipe: a laptop's DuckDB and a Spark cluster give the same files.
"""

from __future__ import annotations

from typing import Any

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.dedup import edges as find
from dataengine.dedup.candidates import NEAR, confirmed_kinds, semantic_roles, semantic_search
from dataengine.dedup.confirmation_cache import VERDICTS, confirmed
from dataengine.dedup.distances import Bounds
from dataengine.dedup.earlier_searches import earlier, handed_on, settings_of, version_of
from dataengine.dedup.edges import HASHES, SETS
from dataengine.dedup.groups import Rules, group
from dataengine.dedup.kinds import PERCEPTUAL, PIXELS, SEMANTIC, VIDEO
from dataengine.dedup.search_result import Searched, SearchResult
from dataengine.dedup.unique_samples import unique_samples
from dataengine.embed.reader import ReadsEmbeddings
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output, roles
from dataengine.table_engine import Frame

#: Fields of ``dedup`` that decide about groups; no edge depends on them.
_OF_GROUPS = ("keep", "group_by", "max_distance_factor", "sibling_clips")


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


class DedupEdges(ReadsEmbeddings, TableStage):
    """One table a kind of likeness. What an earlier run of the same settings has searched is not searched again."""

    name = "dedup.edges"
    version = "2"
    needs = ("dedup.unique", "embed", "dedup.fingerprint", "dedup.candidates", "dedup.confirm")

    def embeddings(self, recipe: Recipe) -> list[str]:
        own = SEMANTIC in recipe.dedup.edge_kinds and SEMANTIC not in confirmed_kinds(recipe)
        return semantic_roles(recipe) if own else []

    def settings(self, recipe: Recipe) -> Any:
        dumped = recipe.dedup.model_dump()
        searched = {k: v for k, v in dumped.items() if k not in _OF_GROUPS}
        return [[version_of(kind, recipe) for kind in recipe.dedup.edge_kinds], searched]

    def compute(self, run: Run, key: str) -> Output:
        files: dict[str, File] = {}
        facts: dict[str, Any] = {"searched": settings_of(run.recipe.dedup.edge_kinds, run.recipe)}
        counts = {}
        for kind in run.recipe.dedup.edge_kinds:
            result = self._search(run, kind)
            version = version_of(kind, run.recipe)
            edges = run.engine.sql("SELECT e.*, ? AS version FROM e", {"e": result.edges}, (version,))
            written = run.engine.write(run.workspace, f"dedup/edges/{kind}-{key}", edges, contracts.EDGES, ("a", "b"))
            files |= roles(f"edges/{kind}", written) | handed_on(run, result.searched, kind, key)
            counts[f"{kind}_edges"] = sum(f.rows for f in written)
            facts[kind] = result.facts()
        return Output(files, counts, facts)

    def _search(self, run: Run, kind: str) -> SearchResult:
        config, engine = run.recipe.dedup, run.engine
        if kind in confirmed_kinds(run.recipe):
            return self._confirmed(run, kind)
        if kind == PIXELS:
            return find.pixels(
                engine, run.frame("dedup.fingerprint", "fingerprints", contracts.FINGERPRINTS, ("id", "pixels"))
            )
        if kind == PERCEPTUAL:
            known = earlier(run, self.name, kind, HASHES)
            return find.perceptual(engine, self._unique(run, "phash"), config.radius, known)
        if kind == VIDEO:
            videos, known = self._unique(run, "frame_hashes"), earlier(run, self.name, kind, SETS)
            return find.video(engine, videos, config.radius, config.video_overlap, known)
        if kind == SEMANTIC:
            return semantic_search(run)
        return find.text(engine, self._unique(run, "captions"), config.text.threshold if config.text else 1.0)

    def _confirmed(self, run: Run, kind: str) -> SearchResult:
        """Pairs that alignment has confirmed; the verdicts on all of them are handed on."""
        candidates = "dedup.candidates"
        both = {
            "k": run.frame(candidates, f"known/{kind}", VERDICTS),
            "n": run.frame("dedup.confirm", f"verdicts/{kind}", VERDICTS),
        }
        verdicts = run.engine.kept(run.engine.sql("SELECT * FROM k UNION ALL SELECT * FROM n", both))
        edges = confirmed(run.engine, run.frame(candidates, f"near/{kind}", NEAR), verdicts)
        facts = run.records[candidates].parts["all"].facts[kind]
        return SearchResult(edges, lambda: facts, {"verdicts": Searched(verdicts, VERDICTS, ("a", "b"))})

    def _unique(self, run: Run, column: str) -> Frame:
        """Only what a kind looks at is read."""
        return run.frame("dedup.unique", "unique", contracts.UNIQUE, ("id", "kind", column))


class Dedup(TableStage):
    """Groups by the edges of all chosen kinds; changing what is kept finds no edge again."""

    name = "dedup"
    version = "5"
    needs = ("dedup.unique", "dedup.edges", "dedup.detail")

    def settings(self, recipe: Recipe) -> Any:
        config = recipe.dedup
        return [config.keep, config.grouping_kinds, config.max_distance_factor, config.sibling_clips]

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
        apart = not config.sibling_clips and any(source.clips for source in recipe.sources)
        return Rules(tuple(config.grouping_kinds), bounds, tuple(config.keep), config.max_distance_factor, apart=apart)
