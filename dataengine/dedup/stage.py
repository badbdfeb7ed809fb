"""Dedup: one row an input → one row a distinct sample, edges between alike samples, and who stands for each group.

Columns only, on the table engine of the recipe: a laptop's DuckDB and a Spark cluster give the same files.
"""

from __future__ import annotations

from typing import Any

from dataengine import contracts
from dataengine.dedup import find
from dataengine.dedup.exact import unique_samples
from dataengine.dedup.find import PERCEPTUAL, TEXT, VIDEO, Found, Known
from dataengine.dedup.groups import Rules, group
from dataengine.dedup.measure import Bounds
from dataengine.dedup.values import VALUE_PAIRS
from dataengine.engines.tables import Frame
from dataengine.media.phash import VERSION as HASH_VERSION
from dataengine.recipe import Recipe
from dataengine.stage import Run, TableStage
from dataengine.workspace import File, Output, roles

_HASHES = contracts.columns(hash=VALUE_PAIRS.field("x").type)
_TEXT_VERSION = "shingles-char5"


class DedupUnique(TableStage):
    """The same bytes twice are one sample, mentioned twice."""

    name = "dedup.unique"
    version = "2"
    needs = ("ingest",)

    def compute(self, run: Run, key: str) -> Output:
        engine = run.engine
        samples = run.frame("ingest", "samples", contracts.SAMPLES)
        unique = engine.local(samples, ("id",), unique_samples, contracts.UNIQUE)
        files = engine.write(run.workspace, f"dedup/unique-{key}", unique, contracts.UNIQUE, ("id",))
        inputs = sum(f.rows for f in run.records["ingest"].files("samples"))
        return Output(roles("unique", files), {"inputs": inputs, "distinct": sum(f.rows for f in files)})


class DedupEdges(TableStage):
    """One table a kind of likeness. Hashes that an earlier run of the same settings has searched are not searched again."""

    name = "dedup.edges"
    version = "1"
    needs = ("dedup.unique",)

    def settings(self, recipe: Recipe) -> Any:
        told = recipe.dedup.model_dump()
        return [HASH_VERSION, _TEXT_VERSION, {k: v for k, v in told.items() if k not in ("keep", "group", "reach")}]

    def compute(self, run: Run, key: str) -> Output:
        files: dict[str, File] = {}
        facts: dict[str, Any] = {"searched": self._searched(run.recipe)}
        counts = {}
        for kind, (found, version) in self._found(run).items():
            edges = run.engine.sql("SELECT e.*, ? AS version FROM e", {"e": found.edges}, (version,))
            base = f"dedup/edges/{kind}-{key}"
            written = run.engine.write(run.workspace, base, edges, contracts.EDGES, ("a", "b"))
            files |= roles(f"edges/{kind}", written) | self._known(run, found, kind, key)
            counts[f"{kind}_edges"] = sum(f.rows for f in written)
            facts[kind] = found.told()
        return Output(files, counts, facts)

    def _found(self, run: Run) -> dict[str, tuple[Found, str]]:
        config, engine = run.recipe.dedup, run.engine
        pictures = self._unique(run, "phash")
        videos = self._unique(run, "frame_hashes")
        found = {
            PERCEPTUAL: (find.perceptual(engine, pictures, config.radius, self._before(run)), HASH_VERSION),
            VIDEO: (find.video(engine, videos, config.radius, config.video_overlap), HASH_VERSION),
        }
        if config.text is not None:
            found[TEXT] = (find.text(engine, self._unique(run, "captions"), config.text.threshold), _TEXT_VERSION)
        return found

    def _unique(self, run: Run, column: str) -> Frame:
        """Only what a kind looks at is read."""
        return run.frame("dedup.unique", "unique", contracts.UNIQUE, ("id", "kind", column))

    def _known(self, run: Run, found: Found, kind: str, key: str) -> dict[str, File]:
        """Publish what a later batch starts from."""
        if found.known is None:
            return {}
        told = (
            ("hashes", found.known.hashes, _HASHES, ("hash",)),
            ("pairs", found.known.pairs, VALUE_PAIRS, ("x", "y")),
        )
        files: dict[str, File] = {}
        for role, frame, schema, order in told:
            written = run.engine.write(run.workspace, f"dedup/{role}/{kind}-{key}", frame, schema, order)
            files |= roles(f"{role}/{kind}", written)
        return files

    def _searched(self, recipe: Recipe) -> list[Any]:
        return [self.version, HASH_VERSION, recipe.dedup.radius]

    def _before(self, run: Run) -> Known | None:
        """The largest search of the same settings that is committed in this workspace. Pairs do not depend on what else was
        searched, so which one it is changes no row."""
        store, best = run.workspace.store, None
        for entry in store.list("stages/dedup.edges"):
            record = run.workspace.record(entry.key)
            if record is not None and record.parts["all"].facts.get("searched") == self._searched(run.recipe):
                rows = sum(f.rows for f in record.files(f"hashes/{PERCEPTUAL}"))
                best = max(best or (0, "", record), (rows, entry.key, record), key=lambda r: r[:2])
        if best is None:
            return None
        hashes, pairs = (best[2].files(f"{role}/{PERCEPTUAL}") for role in ("hashes", "pairs"))
        if not all(store.exists(f.key) for f in (*hashes, *pairs)):
            return None  # tidied away by hand: search all again
        scan = run.engine.scan
        return Known(scan(run.workspace, hashes, _HASHES), scan(run.workspace, pairs, VALUE_PAIRS))


class Dedup(TableStage):
    """Groups by the edges of all chosen kinds; changing what is kept finds no edge again."""

    name = "dedup"
    version = "2"
    needs = ("dedup.unique", "dedup.edges")

    def settings(self, recipe: Recipe) -> Any:
        config = recipe.dedup
        return [config.keep, config.kinds, config.reach]

    def validate(self, recipe: Recipe) -> None:
        self._rules(recipe)

    def compute(self, run: Run, key: str) -> Output:
        engine, base = run.engine, f"dedup/groups-{key}"
        rules = self._rules(run.recipe)
        unique = run.frame("dedup.unique", "unique", contracts.UNIQUE, rules.columns)
        edges = run.frame("dedup.edges", "edges", contracts.EDGES, ("a", "b", "kind"))
        grouped = group(engine, unique, edges, rules)
        written = engine.write(run.workspace, base, grouped.groups, contracts.GROUPS, ("id",))
        facts = grouped.facts()
        several = sum(int(size) * n for size, n in facts["group_sizes"].items())
        distinct = sum(f.rows for f in written)
        kept = distinct - several + sum(facts["group_sizes"].values())
        inputs = run.records["dedup.unique"].counts["inputs"]
        found = run.records["dedup.edges"].counts
        counts = {"inputs": inputs, "distinct": distinct, "edges": sum(found.values()), "kept": kept}
        return Output(roles("groups", written) | self._earlier(run), counts, facts | {"edges": found})

    def _earlier(self, run: Run) -> dict[str, File]:
        """Samples and edges are told with the groups: who reads dedup's tables need not know its stages."""
        unique, edges = (run.records[name].parts["all"].files for name in ("dedup.unique", "dedup.edges"))
        return unique | {role: file for role, file in edges.items() if role.startswith("edges/")}

    def _rules(self, recipe: Recipe) -> Rules:
        config = recipe.dedup
        bounds = Bounds(config.radius, config.video_overlap, text=config.text.threshold if config.text else 1.0)
        return Rules(tuple(config.kinds), bounds, tuple(config.keep), config.reach)
