"""cot.material: collects the material for questions that is not in a sample's media.

The source's question-answer pairs (from the metadata of all occurrences of a sample), captions of other samples as distractors,
and other videos; from columns alone.
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

_MAX_PAIRS = 64
"""Pairs of one sample, at most; further ones are left out."""


class CotMaterial(Cot, TableStage):
    name = "cot.material"
    version = "1"
    needs = ("ingest", "dedup.edges", "shard.assign")

    def settings(self, recipe: Recipe) -> Any:
        return [self.config(recipe).questions.model_dump(exclude={"rewrite"}), recipe.seed]

    def compute(self, run: Run, key: str) -> Output:
        config = self.config(run.recipe).questions
        samples = _samples(run)
        pairs = self._pairs(run, {s.id for s in samples}) if config.source_qa or config.metadata else {}
        near_duplicates = _near_duplicates(run, {s.id for s in samples})
        groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        for sample in samples:
            groups[sample.split, sample.kind].append(sample)
        rows = []
        for (_, kind), members in sorted(groups.items()):
            ring = Ring(members, run.recipe.seed, near_duplicates)
            for sample in members:
                partners = ring.partners(sample, DISTRACTORS) if kind == "video" else []
                distractors = ring.distractors(sample, config.caption_distractors)
                own = tuple(pairs.get(sample.id, ()))
                rows.append(SourceMaterial(sample.id, own, tuple(distractors), tuple(partners)))
        rows.sort(key=lambda row: row.id)
        file = run.workspace.write_table(f"cot/material-{key}.parquet", table_of(SourceMaterial, rows))
        return Output({"material": file}, {"samples": len(rows), "pairs": sum(map(len, pairs.values()))})

    def _pairs(self, run: Run, kept: set[str]) -> dict[str, list[Pair]]:
        """Pairs by kept sample, from all its occurrences, each once, in the order of source and URI."""
        config = self.config(run.recipe).questions
        columns = ("id", "source", "uri", "meta")
        rows = run.table("ingest", "samples", contracts.SAMPLES, columns)
        rows = rows.filter(pc.and_(pc.is_valid(rows["meta"]), pc.is_in(rows["id"], value_set=pa.array(sorted(kept)))))
        pairs: dict[str, dict[tuple[str, str], Pair]] = defaultdict(dict)
        for row in rows.sort_by([("source", "ascending"), ("uri", "ascending")]).to_pylist():
            for pair in pairs_of(row["meta"], config, f"{row['source']}/{row['uri']}"):
                pairs[row["id"]].setdefault((pair.question, pair.answer), pair)
        return {id_: list(of_sample.values())[:_MAX_PAIRS] for id_, of_sample in pairs.items()}


def _samples(run: Run) -> list[Sample]:
    columns = ("id", "kind", "parent", "captions")
    samples = []
    for role, file in sorted(run.records["shard.assign"].parts["all"].files.items()):
        if role.startswith("plan/"):
            split = split_and_family(role.removeprefix("plan/"))[0]
            for row in run.workspace.read_table([file], PLAN, columns).to_pylist():
                captions = tuple(c["text"] for c in row["captions"])
                samples.append(Sample(row["id"], row["kind"], split, row["parent"] or row["id"], captions))
    return samples


def _near_duplicates(run: Run, kept: set[str]) -> dict[str, set[str]]:
    """Near-duplicates among the kept samples, by any kind of edge that dedup has."""
    edges = run.table("dedup.edges", "edges", contracts.EDGES, ("a", "b"))
    ids = pa.array(sorted(kept), pa.string())
    both = edges.filter(pc.and_(pc.is_in(edges["a"], value_set=ids), pc.is_in(edges["b"], value_set=ids)))
    neighbours: dict[str, set[str]] = defaultdict(set)
    for edge in both.to_pylist():
        neighbours[edge["a"]].add(edge["b"])
        neighbours[edge["b"]].add(edge["a"])
    return neighbours
