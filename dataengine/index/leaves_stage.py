"""index.leaves, index.nodes: every vector in its leaf, the nodes above, and the manifest that names all files of the index.

A branch's files are written by one worker: vectors in the order of leaves and ids, what a search shows of each, and the sums that
nodes are made of. ``index.nodes`` measures how far new samples have drifted from the tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from dataengine.config.index import IndexConfig
from dataengine.config.recipe import Recipe
from dataengine.errors import RunError
from dataengine.index import arrays, layers
from dataengine.index.fit_stages import (
    BranchWorker,
    IndexStage,
    branch_parts,
    count_of,
    dim_of,
    nothing,
    read_planes,
)
from dataengine.index.leaves import distances, nearest, sums_of
from dataengine.index.manifest import SCHEMA, Branch, Drift, Manifest, point, pointer_of, stored, to_bytes
from dataengine.index.planes import Planes
from dataengine.index.vectors import GROUP, PLACES, SHOWN, Space
from dataengine.index.vectors_stage import config_of, of_samples, space_of
from dataengine.index.worker import VectorsWorker
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import File, Output, digest


class IndexLeaves(IndexStage):
    """One part a branch."""

    name = "index.leaves"
    version = "3"
    needs = ("index.route", "index.tree")

    def key(self, run: Run) -> str:
        """The same whether the tree was fitted in this run or the lock names it."""
        return digest(self.name, self.version, [(part.name, part.key) for part in self.plan(run)])

    def plan(self, run: Run) -> list[Part]:
        return branch_parts(
            run, digest(self.version, run.records["index.tree"].parts["all"].facts["id"], kept_layers(run))
        )

    def worker(self, run: Run) -> Worker:
        if not count_of(run):
            raise RunError(nothing(run))
        tree, routed = run.records["index.tree"].parts["all"], run.records["index.route"].files("branches")
        return LeafWorker(run.workspace, routed, dim_of(run), tree.files, int(tree.facts["branches"]), kept_layers(run))


def kept_layers(run: Run) -> list[int]:
    """Depths of the layers of nodes that are kept."""
    leaves = int(run.records["index.tree"].parts["all"].facts["leaves"])
    return layers.depths(leaves.bit_length() - 1, config_of(run.recipe).fan_out)


@dataclass
class LeafWorker(BranchWorker):
    tree: dict[str, File]
    branches: int
    kept: list[int]

    def process(self, part: Part) -> Output:
        rows = self.rows(part)
        planes, centres = self._mine(part.spec)
        points = self.points(rows)
        leaves = nearest(points, planes.route(points), centres)
        apart = distances(points, centres, leaves)
        order = np.argsort(leaves, kind="stable")
        places = rows.select(list(SHOWN)).take(order)
        places = places.append_column("leaf", pa.array(leaves[order] + part.spec * len(centres), pa.int32()))
        places = places.append_column("leaf_distance", pa.array(np.round(apart[order] / 1e6, 6)))
        sizes = np.bincount(leaves, minlength=len(centres))
        above = self.branches.bit_length() - 1
        nodes, whole = layers.means(sums_of(points, leaves, len(centres)), sizes, above, self.kept)
        base = f"index/leaves/{part.name}-{part.key[:16]}"
        written: dict[str, Any] = {"vectors": points.vectors[order], "sizes": sizes, "nodes": nodes, "sum": whole[None]}
        files = {name: arrays.write(self.workspace.store, f"{base}-{name}.npy", a) for name, a in written.items()}
        files["rows"] = self.workspace.write_table(f"{base}.parquet", places, PLACES, GROUP)
        facts = {"distance": int(apart.sum()), "fullest": int(sizes.max())}
        return Output(files, {"samples": len(points)}, facts)

    def _mine(self, branch: int) -> tuple[Planes, Any]:
        """Planes and centres of the leaves of a branch."""
        planes, centres = read_planes(self, self.tree), arrays.read(self.workspace.store, self.tree["centres"])
        n, leaves = len(planes.cuts) // self.branches, len(centres) // self.branches
        some = slice(branch * n, (branch + 1) * n)
        return Planes(planes.normals[some], planes.cuts[some]), centres[branch * leaves : (branch + 1) * leaves]


class IndexNodes(IndexStage):
    """One part: the nodes above the branches, and the manifest."""

    name = "index.nodes"
    version = "1"
    needs = ("index.leaves", "index.tree", "index.ann", "index.cooccurrence")

    def settings(self, recipe: Recipe) -> Any:
        config = config_of(recipe)
        return [config.kind, config.of, config.caption_weight]

    def plan(self, run: Run) -> list[Part]:
        leaves, records = run.records["index.leaves"], run.records
        parts = [leaves.parts[name] for name in sorted(leaves.parts)]
        more = {n: records[f"index.{n}"].files(n) for n in ("ann", "cooccurrence") if f"index.{n}" in records}
        tree = records["index.tree"].parts["all"].facts
        return [Part("all", digest(self.version, self.key(run)), (parts, tree, more))]

    def worker(self, run: Run) -> Worker:
        config, recipe = config_of(run.recipe), run.recipe
        tree = run.records["index.tree"].parts["all"].facts
        space = space_of(recipe) if of_samples(recipe) else Space("items", tree["model"], (tree["dim"], 0), True, 0.0)
        return NodesWorker(run.workspace, config.kind, config.leaf_size, space, kept_layers(run))

    def keep(self, run: Run) -> str:
        """Points to the manifest, and advises a rebuild where the tree fits its samples no longer."""
        facts, config = run.records[self.name].parts["all"].facts, config_of(run.recipe)
        point(run.workspace.store, run.recipe.name, pointer_of(config, facts["manifest"]))
        return advice(facts["drift"], config)


def advice(drift: Any, config: IndexConfig) -> str:
    """A sentence where the tree should be fitted anew; "" where it need not."""
    if max(drift["distance"], drift["fullness"] / 2) < config.rebuild_at:
        return ""
    return (
        f"the tree of the index fits its samples no longer: {drift['joined']:,} have joined it, {drift['distance']:g} times as "
        f"far from their leaves as those it was fitted on, and its fullest leaf is {drift['fullness']:g} times as full. Set "
        "`index.rebuild: true` once to fit it anew"
    )


@dataclass
class NodesWorker(VectorsWorker):
    kind: str
    leaf_size: int
    space: Space
    kept: list[int]

    def process(self, part: Part) -> Output:
        branches, tree, more = part.spec
        drift = _drift(branches, tree)
        base = f"index/{part.key[:16]}"
        upper = self._upper(branches, base)
        manifest = Manifest(
            schema=SCHEMA,
            kind=self.kind,
            of=self.space.of,
            model=self.space.model,
            dims=self.space.dims,
            joint=self.space.joint,
            caption_weight=self.space.caption_weight,
            samples=sum(out.counts["samples"] for out in branches),
            tree=tree["id"],
            leaf_size=self.leaf_size,
            layers=self.kept,
            branches=[
                Branch(*(stored(out.files[n]) for n in ("rows", "vectors", "sizes", "nodes"))) for out in branches
            ],
            upper=stored(upper),
            drift=drift,
            ann=next(map(stored, more.get("ann", [])), None),
            cooccurrence=[stored(file) for file in more.get("cooccurrence", [])],
        )
        data = to_bytes(manifest)
        key = f"{base}/manifest.json"
        file = File(key, self.workspace.store.put(key, data), len(data))
        facts = {"manifest": key, "drift": msgspec.structs.asdict(drift), "leaves": tree["leaves"], "kind": self.kind}
        return Output({"manifest": file, "upper": upper}, {"samples": manifest.samples}, facts)

    def _upper(self, branches: list[Output], base: str) -> File:
        """The kept nodes above the branches."""
        store = self.workspace.store
        sums = arrays.joined(store, [out.files["sum"] for out in branches])
        sizes = np.array([out.counts["samples"] for out in branches])
        above = len(branches).bit_length() - 1
        nodes, _ = layers.means(sums, sizes, 0, [depth for depth in self.kept if depth < above])
        return arrays.write(store, f"{base}/upper.npy", nodes)


def _drift(branches: list[Output], tree: Any) -> Drift:
    """Exact where samples have only joined."""
    samples, distance = sum(out.counts["samples"] for out in branches), sum(out.facts["distance"] for out in branches)
    joined = samples - tree["fitted_on"]
    before = tree["distance"] / max(tree["fitted_on"], 1)
    since = max(distance - tree["distance"], 0) / max(joined, 1)
    ratio = since / before if joined > 0 and before > 0 else 1.0
    fullest = max(out.facts["fullest"] for out in branches)
    return Drift(max(joined, 0), round(ratio, 3), fullest, round(fullest / max(tree["fullest"], 1), 3))
