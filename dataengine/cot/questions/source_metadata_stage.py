"""cot.given: what is known of each sample besides its media, as material for questions.

The source's question-answer pairs (from the metadata of all mentions of a sample), captions of other samples, and other videos;
columns alone.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.cot.core.source_qa import Pair, pairs_of
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import SourceMaterial, table_of
from dataengine.cot.questions.distractors import Ring, Sample
from dataengine.cot.tasks.match_clips import DISTRACTORS
from dataengine.shards.manifest import split_and_family
from dataengine.shards.plan import PLAN
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output

_MOST_PAIRS = 64
"""Pairs of one sample that are looked at."""


class CotGiven(Cot, TableStage):
    name = "cot.given"
    version = "2"
    needs = ("ingest", "dedup.edges", "shard.assign")

    def settings(self, recipe: Recipe) -> Any:
        told = self.config(recipe).questions.model_dump(exclude={"rewrite"})
        return [told, recipe.seed]

    def compute(self, run: Run, key: str) -> Output:
        config = self.config(run.recipe).questions
        samples = _samples(run)
        pairs = self._pairs(run, {s.id for s in samples}) if config.source_qa or config.metadata else {}
        alike = _alike(run, {s.id for s in samples})
        groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        for sample in samples:
            groups[sample.split, sample.kind].append(sample)
        rows = []
        for (_, kind), members in sorted(groups.items()):
            ring = Ring(members, run.recipe.seed, alike)
            for sample in members:
                partners = ring.partners(sample, DISTRACTORS) if kind == "video" else []
                distractors = ring.distractors(sample, config.caption_distractors)
                own = tuple(pairs.get(sample.id, ()))
                rows.append(SourceMaterial(sample.id, own, tuple(distractors), tuple(partners)))
        rows.sort(key=lambda row: row.id)
        file = run.workspace.write_table(f"cot/given-{key}.parquet", table_of(SourceMaterial, rows))
        return Output({"given": file}, {"samples": len(rows), "pairs": sum(map(len, pairs.values()))})

    def _pairs(self, run: Run, kept: set[str]) -> dict[str, list[Pair]]:
        """Of each kept sample the pairs of all its mentions, each once, in the order of source and place."""
        config = self.config(run.recipe).questions
        columns = ("id", "source", "uri", "meta")
        said = run.table("ingest", "samples", contracts.SAMPLES, columns)
        said = said.filter(pc.and_(pc.is_valid(said["meta"]), pc.is_in(said["id"], value_set=pa.array(sorted(kept)))))
        found: dict[str, dict[tuple[str, str], Pair]] = defaultdict(dict)
        for row in said.sort_by([("source", "ascending"), ("uri", "ascending")]).to_pylist():
            for pair in pairs_of(row["meta"], config, f"{row['source']}/{row['uri']}"):
                found[row["id"]].setdefault((pair.question, pair.answer), pair)
        return {id_: list(pairs.values())[:_MOST_PAIRS] for id_, pairs in found.items()}


def _samples(run: Run) -> list[Sample]:
    columns = ("id", "kind", "parent", "captions")
    found = []
    for role, file in sorted(run.records["shard.assign"].parts["all"].files.items()):
        if role.startswith("plan/"):
            split = split_and_family(role.removeprefix("plan/"))[0]
            for row in run.workspace.read_table([file], PLAN, columns).to_pylist():
                captions = tuple(c["text"] for c in row["captions"])
                found.append(Sample(row["id"], row["kind"], split, row["parent"] or row["id"], captions))
    return found


def _alike(run: Run, kept: set[str]) -> dict[str, set[str]]:
    """Kept samples between which dedup has found an edge of any kind."""
    edges = run.table("dedup.edges", "edges", contracts.EDGES, ("a", "b"))
    ids = pa.array(sorted(kept), pa.string())
    both = edges.filter(pc.and_(pc.is_in(edges["a"], value_set=ids), pc.is_in(edges["b"], value_set=ids)))
    found: dict[str, set[str]] = defaultdict(set)
    for edge in both.to_pylist():
        found[edge["a"]].add(edge["b"])
        found[edge["b"]].add(edge["a"])
    return found
