"""dedup.candidates: pairs of pictures that may be copies, of the kinds whose edges alignment must confirm.

A few pairs are judged here; more of them are left to ``dedup.confirm``, which works on many machines. Pairs whose verdict an
earlier search in this workspace has handed on are not judged again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.dedup import aligned_edges
from dataengine.dedup.confirmation_cache import PAIRS, PLACED, VERDICTS, judged, split
from dataengine.dedup.earlier_searches import earlier, handed_on, settings_of
from dataengine.dedup.edges import HASHES
from dataengine.dedup.kinds import ALIGNED, SEMANTIC
from dataengine.dedup.search_result import EDGE_ROWS, Searched, SearchResult
from dataengine.dedup.semantic_edges import semantic
from dataengine.dedup.thumbnails import PLACES
from dataengine.embed.reader import ReadsEmbeddings
from dataengine.embed.worker import CAPTIONS
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output
from dataengine.table_engine import Frame

#: Pairs that are judged without other machines: sooner done than their workers would start.
FEW = 2048
#: Near pairs, before they are confirmed.
NEAR = EDGE_ROWS.remove(EDGE_ROWS.get_field_index("facts"))
_PICTURES = "pictures"
"""Both views, whole and inner."""


def confirmed_kinds(recipe: Recipe) -> list[str]:
    """Kinds of edges that alignment must confirm."""
    semantic_too = recipe.dedup.semantic is not None and recipe.dedup.semantic.confirm
    return [kind for kind in recipe.dedup.edge_kinds if kind == ALIGNED or (kind == SEMANTIC and semantic_too)]


class DedupCandidates(ReadsEmbeddings, TableStage):
    """By kind: ``near`` pairs, those whose verdict is ``known``, and the ``fresh`` ones that are to be judged."""

    name = "dedup.candidates"
    version = "1"
    needs = ("dedup.unique", "embed", "dedup.fingerprint")

    def active(self, recipe: Recipe) -> bool:
        return bool(confirmed_kinds(recipe))

    def embeddings(self, recipe: Recipe) -> list[str]:
        return semantic_roles(recipe) if SEMANTIC in confirmed_kinds(recipe) else []

    def settings(self, recipe: Recipe) -> Any:
        semantic_ = recipe.dedup.semantic
        return [settings_of(confirmed_kinds(recipe), recipe), semantic_.model_dump() if semantic_ else None]

    def compute(self, run: Run, key: str) -> Output:
        kinds = confirmed_kinds(run.recipe)
        files: dict[str, File] = {}
        facts: dict[str, Any] = {"searched": settings_of(kinds, run.recipe)}
        counts: dict[str, int] = {}
        for kind in kinds:
            result = _search(run, kind)
            files |= handed_on(run, {**_split(run, kind, result), **result.searched}, kind, key)
            counts[f"{kind}_pairs"] = sum(f.rows for role, f in files.items() if role.startswith(f"near/{kind}"))
            facts[kind] = result.facts()
        return Output(files, counts, facts)


def _split(run: Run, kind: str, result: SearchResult) -> dict[str, Searched]:
    """The pairs by role; where only few are fresh, they are judged at once and none is left."""
    engine = run.engine
    near = engine.kept(result.edges)
    verdicts: Mapping[str, Frame] = earlier(run, "dedup.edges", kind, {"verdicts": VERDICTS}) or {}
    known, fresh = split(engine, near, verdicts.get("verdicts"), kind)
    fresh = engine.kept(fresh)
    if _count(run, fresh) <= FEW:
        both = {"k": known, "n": engine.frame(_judged_here(run, fresh))}
        known = engine.sql("SELECT * FROM k UNION ALL SELECT * FROM n", both)
        fresh = engine.frame(PAIRS.empty_table())
    frames = {"near": (near, NEAR), "known": (known, VERDICTS), "fresh": (fresh, PAIRS)}
    return {role: Searched(frame, schema, ("a", "b")) for role, (frame, schema) in frames.items()}


def _judged_here(run: Run, fresh: Frame) -> Any:
    places = run.frame("dedup.fingerprint", "places", PLACES)
    placed = run.engine.sql(f"SELECT {PLACED}", {"c": fresh, "x": places, "y": places})
    return judged(run.workspace.store, run.engine.collect(placed))


def _count(run: Run, frame: Frame) -> int:
    counts = run.engine.collect(run.engine.sql("SELECT CAST(count(*) AS BIGINT) AS n FROM f", {"f": frame}))
    return int(counts["n"][0].as_py())


def _search(run: Run, kind: str) -> SearchResult:
    config, engine = run.recipe.dedup, run.engine
    if kind == ALIGNED and config.aligned_radius is not None:
        pictures = run.frame("dedup.unique", "unique", contracts.UNIQUE, ("id", "kind", "phash"))
        known = earlier(run, DedupCandidates.name, kind, HASHES)
        return aligned_edges.candidates(engine, pictures, config.radius, config.aligned_radius, known)
    return semantic_search(run)


def semantic_roles(recipe: Recipe) -> list[str]:
    """Roles of the embeddings that ``semantic_search`` reads."""
    how = recipe.dedup.semantic
    return [_PICTURES, CAPTIONS] if how is not None and how.caption_threshold is not None else [_PICTURES]


def semantic_search(run: Run) -> SearchResult:
    """Pictures with near embeddings, by the settings of the recipe, which has some."""
    if (how := run.recipe.dedup.semantic) is None:
        raise ValueError("the recipe searches no semantic duplicates")
    views = run.frame("embed", _PICTURES, contracts.EMBEDDINGS, ("id", "view", "vector"))
    captions = None
    if how.caption_threshold is not None:
        longest = run.frame("embed", CAPTIONS, contracts.CAPTION_EMBEDDINGS, ("id", "longest", "vector"))
        captions = (longest, how.caption_threshold)
    return semantic(run.engine, views, how.threshold, captions)
