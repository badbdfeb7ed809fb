"""index.top, index.route, index.fit, index.tree: fits the planes of the tree, in partitions.

The upper layers are fitted on a sample (``index.top``) and send every vector to its branch (``index.route``); each branch is
then fitted on all of its vectors (``index.fit``), whoever works on the others. ``index.tree`` puts the planes together: they are
a decision, which the recipe's lock keeps, so that a sample that comes later joins the tree as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.recipe import Recipe
from dataengine.embed.vectors import rows_of
from dataengine.errors import RunError
from dataengine.index import arrays, decision
from dataengine.index.item_table import one_model
from dataengine.index.leaves import distances, settled
from dataengine.index.planes import Planes, Points, depth_for, fit, points_of
from dataengine.index.vectors import SAMPLE, VECTORS
from dataengine.index.vectors_stage import config_of, listed, reasons
from dataengine.index.worker import VectorsWorker
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.row_packs import PARTS, RowPack, places
from dataengine.storage.workspace import File, Output, Record, digest

#: Vectors of a branch, on average, at most.
BRANCH = 1 << 16
#: Vectors that the upper layers are fitted on, at most.
_TOP_SAMPLE = 1 << 18
_PLANES = ("normals", "cuts")


class IndexStage(RecordStage):
    """Active where the recipe has an index."""

    def active(self, recipe: Recipe) -> bool:
        return recipe.index is not None


class FittingStage(IndexStage):
    """Made only where the recipe's lock names no tree."""

    def needed(self, run: Run) -> bool:
        return decision.record(run) is None


def count_of(run: Run) -> int:
    """Vectors of the index."""
    return run.records["index.vectors"].counts["samples"]


def dim_of(run: Run) -> int:
    """Length of its vectors; 0 where there are none."""
    return max((int(out.facts["dim"]) for out in run.records["index.vectors"].parts.values()), default=0)


def nothing(run: Run) -> str:
    """Message for an index without vectors."""
    why = listed(reasons(run)) or "none"
    return (
        f"nothing to index: no vector can be indexed; left out: {why} (index/vectors/*-left-out.parquet lists them). Correct "
        "`index.of` or the inputs, or take `index` out of the recipe"
    )


class IndexTop(FittingStage):
    """One part. Few vectors have one branch, and no planes above it."""

    name = "index.top"
    version = "1"
    needs = ("index.vectors",)

    def plan(self, run: Run) -> list[Part]:
        layers, files = depth_for(count_of(run), BRANCH), run.records["index.vectors"].files("sample")
        key = digest(self.version, layers, [file.sha256 for file in files] if layers else [])
        return [Part("all", key, (layers, files if layers else []))]

    def worker(self, run: Run) -> Worker:
        if not count_of(run):
            raise RunError(nothing(run))
        return TopWorker(run.workspace)


class TopWorker(VectorsWorker):
    def process(self, part: Part) -> Output:
        layers, files = part.spec
        sample = self.workspace.read_table(files, SAMPLE)
        points = points_of(map(str, sample["id"].to_pylist()), rows_of(sample["vector"]))
        most = np.sort(np.argsort(points.hashes, kind="stable")[:_TOP_SAMPLE])
        planes = fit(Points(points.vectors[most], points.hashes[most]), layers)
        return Output(
            write_planes(self, f"index/top/{part.key[:16]}", planes), {"sampled": len(most)}, {"layers": layers}
        )


def write_planes(worker: VectorsWorker, base: str, planes: Planes) -> dict[str, File]:
    """Files of planes, by role."""
    store = worker.workspace.store
    return {role: arrays.write(store, f"{base}-{role}.npy", getattr(planes, role)) for role in _PLANES}


def top_files(run: Run) -> dict[str, File]:
    """The planes of the upper layers, of the tree that the lock names or of this run."""
    kept = decision.record(run)
    if kept is None:
        return run.records["index.top"].parts["all"].files
    return {role: kept.parts["all"].files[f"top_{role}"] for role in _PLANES}


class IndexRoute(IndexStage):
    """Every vector's branch; a part is one of ``index.vectors``."""

    name = "index.route"
    version = "1"
    needs = ("index.vectors", "index.top")

    def key(self, run: Run) -> str:
        """The same whether the upper layers were fitted in this run or the lock names them."""
        return digest(self.name, self.version, [(part.name, part.key) for part in self.plan(run)])

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, {role: file.sha256 for role, file in top_files(run).items()})
        parts = sorted(run.records["index.vectors"].parts.items())
        return [Part(name, digest(base, out.files["vectors"].sha256), out.files["vectors"]) for name, out in parts]

    def worker(self, run: Run) -> Worker:
        vectors = run.records["index.vectors"]
        decision.check(run, one_model(vectors.parts.values()))
        return RouteWorker(run.workspace, top_files(run))


@dataclass
class RouteWorker(VectorsWorker):
    """Sorts a part's vectors by their branches, into slices that are read alone."""

    top: dict[str, File]

    def process(self, part: Part) -> Output:
        table = self.workspace.read_table([part.spec], VECTORS)
        base = f"index/routed/{part.name}-{part.key[:16]}"
        rows, pack = self._branches(table), RowPack()
        for branch in np.unique(rows):
            pack.add(branch_name(int(branch)), [], table.filter(pa.array(rows == branch)))
        return Output(
            {"branches": self.workspace.write_table(f"{base}.parquet", pack.publish(self.workspace.store, base))}
        )

    def _branches(self, table: pa.Table) -> Any:
        planes = read_planes(self, self.top)
        if not planes.depth or not len(table):
            return np.zeros(len(table), np.int64)
        return planes.route(points_of(map(str, table["id"].to_pylist()), rows_of(table["vector"])))


def read_planes(worker: VectorsWorker, files: dict[str, File]) -> Planes:
    """Planes of their files, by role."""
    return Planes(*(arrays.read(worker.workspace.store, files[role]) for role in _PLANES))


def branch_name(branch: int) -> str:
    return f"branch-{branch:06d}"


def branch_parts(run: Run, key: str) -> list[Part]:
    """A part a branch; all depend on all routed files."""
    layers = Planes(np.zeros((0, 0), np.int16), np.zeros(top_files(run)["cuts"].rows, np.int64)).depth
    routed = digest(key, [file.sha256 for file in run.records["index.route"].files("branches")])
    return [Part(branch_name(n), digest(routed, n), n) for n in range(1 << layers)]


@dataclass
class BranchWorker(VectorsWorker):
    """Reads the vectors of a branch out of all routed files."""

    routed: list[File]
    dim: int

    def points(self, rows: pa.Table) -> Points:
        return points_of(map(str, rows["id"].to_pylist()), rows_of(rows["vector"]).reshape(-1, self.dim))

    def rows(self, part: Part) -> pa.Table:
        """VECTORS of the branch, by id."""
        slices = self.workspace.read_table(self.routed, PARTS)
        of_branch: Any = pc.equal(slices["part"], pa.scalar(part.name))
        chosen = places(slices.filter(of_branch))
        tables = self.workspace.each(lambda place: place.read(self.workspace.store), chosen)
        return pa.concat_tables([VECTORS.empty_table(), *tables]).sort_by("id")


class IndexFit(FittingStage):
    """The planes of each branch, fitted on all of its vectors."""

    name = "index.fit"
    version = "3"
    needs = ("index.route",)

    def settings(self, recipe: Recipe) -> Any:
        return config_of(recipe).leaf_size

    def plan(self, run: Run) -> list[Part]:
        return branch_parts(run, digest(self.version, self._layers(run)))

    def _layers(self, run: Run) -> int:
        above = run.records["index.top"].parts["all"].facts["layers"]
        return max(0, depth_for(count_of(run), config_of(run.recipe).leaf_size) - int(above))

    def worker(self, run: Run) -> Worker:
        return FitWorker(run.workspace, run.records["index.route"].files("branches"), dim_of(run), self._layers(run))


@dataclass
class FitWorker(BranchWorker):
    layers: int

    def process(self, part: Part) -> Output:
        points = self.points(self.rows(part))
        planes = fit(points, self.layers)
        leaves, centres = settled(points, planes.route(points), 1 << self.layers)
        base = f"index/fit/{part.name}-{part.key[:16]}"
        files = write_planes(self, base, planes)
        files["centres"] = arrays.write(self.workspace.store, f"{base}-centres.npy", centres)
        facts = {
            "distance": int(distances(points, centres, leaves).sum()),
            "fullest": int(np.bincount(leaves, minlength=1).max()),
        }
        return Output(files, {"samples": len(points)}, facts)


class IndexTree(IndexStage):
    """The decision: the planes of all branches, and the centres of the leaves as they were fitted, to measure drift by."""

    name = "index.tree"
    version = "1"
    needs = ("index.top", "index.fit")

    def locked(self, run: Run) -> Record | None:
        return decision.record(run)

    def unlocked(self, run: Run) -> str:
        return decision.why_anew(run)

    def keep(self, run: Run) -> str:
        return decision.keep(run)

    def plan(self, run: Run) -> list[Part]:
        top, branches = run.records["index.top"].parts["all"], run.records["index.fit"].parts
        model = one_model(run.records["index.vectors"].parts.values())
        files = [{role: f.sha256 for role, f in out.files.items()} for out in (top, *branches.values())]
        return [
            Part("all", digest(self.version, model, files), (model, top, [out for _, out in sorted(branches.items())]))
        ]

    def worker(self, run: Run) -> Worker:
        return TreeWorker(run.workspace)


class TreeWorker(VectorsWorker):
    def process(self, part: Part) -> Output:
        model, top, branches = part.spec
        store = self.workspace.store
        whole = {f"top_{role}": arrays.read(store, top.files[role]) for role in _PLANES}
        whole |= {role: arrays.joined(store, [out.files[role] for out in branches]) for role in (*_PLANES, "centres")}
        written = {role: arrays.write(store, f"index/trees/{part.key[:16]}/{role}.npy", a) for role, a in whole.items()}
        samples = sum(out.counts["samples"] for out in branches)
        facts = {
            "id": digest(model, {role: file.sha256 for role, file in written.items()}),
            "model": model,
            "dim": int(whole["centres"].shape[1]),
            "branches": len(branches),
            "leaves": len(whole["centres"]),
            "fitted_on": samples,
            "distance": sum(out.facts["distance"] for out in branches),
            "fullest": max(out.facts["fullest"] for out in branches),
        }
        return Output(written, {"leaves": facts["leaves"], "fitted_on": samples}, facts)
