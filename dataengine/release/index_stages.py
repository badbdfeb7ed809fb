"""release.rows, release.index, release.index_manifest: the index over the released samples, as files of the release.

The index of a run has every representative, those that the filter drops included; none of these goes into a release. What is
released is the same tree over the samples that lie in shards: of each leaf the vectors that are left, nodes as their means, and
places in the shards instead of the workspace. So ``dataengine search`` works on a copy of the release, wherever it lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.recipe import Recipe
from dataengine.index import arrays, layers
from dataengine.index.cooccurrence import NEIGHBOURS
from dataengine.index.leaves import sums_of
from dataengine.index.leaves_stage import kept_layers
from dataengine.index.manifest import Branch, Manifest, Stored, load, stored, to_bytes
from dataengine.index.planes import Points
from dataengine.index.vectors import GROUP, PLACES
from dataengine.index.vectors_stage import of_samples
from dataengine.index.worker import VectorsWorker
from dataengine.shards.places import MEDIA_PLACES
from dataengine.stage import Part, RecordStage, Run, TableStage, Worker
from dataengine.storage.release_folder import ReleaseFolder
from dataengine.storage.workspace import File, Output, digest, roles

ROWS, INDEX, DESCRIBE = "release.rows", "release.index", "release.index_manifest"
#: Folder of the index in a release, and its manifest.
FOLDER = "index"
MANIFEST = f"{FOLDER}/manifest.json"
_ROWS = pa.schema([PLACES.field("id"), PLACES.field("leaf"), *(f for f in MEDIA_PLACES if f.name != "id")])
_SPLIT = _ROWS.append(pa.field("branch", pa.string()))
_RELEASED = """
SELECT r."id", r."leaf", p."media", p."offset", p."bytes" FROM r INNER JOIN p ON r."id" = p."id"
"""
_BOTH_RELEASED = """
SELECT c."id", c."place", c."neighbour", c."similarity", c."count" FROM c INNER JOIN p ON c."id" = p."id"
INNER JOIN p AS q ON c."neighbour" = q."id"
"""
_FILES = ("rows", "vectors", "sizes", "nodes")


def releasing(recipe: Recipe) -> bool:
    """Whether the release has an index of its own."""
    return recipe.index is not None and recipe.index.release


class ReleaseRows(TableStage):
    """Which rows of each branch are released, and where their bytes lie in the shards. Items of a table are all released."""

    name = ROWS
    version = "1"
    needs = ("index.leaves", "index.tree", "index.cooccurrence", "shard.write")

    def active(self, recipe: Recipe) -> bool:
        return releasing(recipe) and of_samples(recipe)

    def compute(self, run: Run, key: str) -> Output:
        engine, base = run.engine, f"index/released/{key}"
        tree = run.records["index.tree"].parts["all"].facts
        places = engine.kept(run.frame("shard.write", "places", MEDIA_PLACES))
        rows = engine.sql(_RELEASED, {"r": run.frame("index.leaves", "rows", PLACES, ["id", "leaf"]), "p": places})
        named = engine.local(rows, (), partial(with_branch, tree["leaves"] // tree["branches"]), _SPLIT)
        split = engine.split(run.workspace, base, named, _ROWS, "branch", ("leaf", "id"))
        files = {f"branch/{name}": file for name, file in split.items()}
        if "index.cooccurrence" in run.records:
            near = run.frame("index.cooccurrence", "cooccurrence", NEIGHBOURS)
            both = engine.sql(_BOTH_RELEASED, {"c": near, "p": places})
            written = engine.write(run.workspace, f"{base}/cooccurrence", both, NEIGHBOURS, ("id", "place"))
            files |= roles("cooccurrence", written)
        return Output(files, {"samples": sum(file.rows for file in split.values())})


def with_branch(leaves: int, rows: pa.Table) -> pa.Table:
    """Rows with the name of the branch that each leaf is in; a branch has so many ``leaves``."""
    branches = rows["leaf"].to_numpy() // leaves
    return rows.append_column("branch", pa.array([branch_name(int(n)) for n in branches], pa.string())).cast(_SPLIT)


def branch_name(number: int) -> str:
    return f"branch-{number:06d}"


class ReleaseIndex(RecordStage):
    """One part a branch, and one a file of neighbours in sequences of behaviour."""

    name = INDEX
    version = "1"
    needs = (ROWS, "index.nodes", "index.leaves", "index.tree", "index.cooccurrence")
    in_place = True

    def active(self, recipe: Recipe) -> bool:
        return releasing(recipe)

    def plan(self, run: Run) -> list[Part]:
        kept, leaves = kept_layers(run), run.records["index.leaves"].parts
        released = run.records[ROWS].parts["all"].files if ROWS in run.records else None
        parts = []
        for name, out in sorted(leaves.items()):
            rows = None if released is None else released.get(f"branch/{name}", _NOTHING)
            own = {role: out.files[role] for role in ("rows", "vectors", "sizes")}
            key = digest(self.version, kept, len(leaves), [f.sha256 for f in own.values()], rows and rows.sha256)
            parts.append(Part(name, key, _Spec(own, rows, len(leaves), kept)))
        for n, file in enumerate(_neighbours(run)):
            parts.append(Part(f"cooccurrence-{n:06d}", digest(self.version, file.sha256), file))
        return parts

    def worker(self, run: Run) -> Worker:
        return BranchWriter(run.workspace, run.recipe.name)


def _neighbours(run: Run) -> list[File]:
    stage = ROWS if ROWS in run.records else "index.cooccurrence"
    return run.records[stage].files("cooccurrence") if stage in run.records else []


_NOTHING = File("", "", 0)


@dataclass(frozen=True)
class _Spec:
    """Files of a branch, ``released`` rows of it (None: all), how many ``branches`` there are, and the depths that are kept."""

    files: dict[str, File]
    released: File | None
    branches: int
    kept: list[int]


@dataclass
class BranchWriter(VectorsWorker):
    """Writes the released rows of a branch into the release."""

    release: str

    def process(self, part: Part) -> Output:
        folder = ReleaseFolder(self.workspace.store, self.release)
        if isinstance(part.spec, File):
            data = self.workspace.store.get(part.spec.key, part.spec.sha256)
            path = f"{FOLDER}/{part.name}.parquet"
            return Output({"cooccurrence": folder.put(path, data, len(data), part.spec.rows)})
        spec: _Spec = part.spec
        rows = self.workspace.read_table([spec.files["rows"]], PLACES)
        vectors, sizes = (arrays.read(self.workspace.store, spec.files[name]) for name in ("vectors", "sizes"))
        leaves = np.repeat(np.arange(len(sizes)), sizes)
        if spec.released is not None:
            kept, rows = self._released(spec.released, rows)
            vectors, leaves = vectors[kept], leaves[kept]
            sizes = np.bincount(leaves, minlength=len(sizes)).astype(sizes.dtype)
        points = Points(vectors, np.zeros(len(vectors), np.uint32))
        above = spec.branches.bit_length() - 1
        nodes, whole = layers.means(sums_of(points, leaves, len(sizes)), sizes, above, spec.kept)
        base = f"{folder.staging}/{FOLDER}/{part.name}"
        written: dict[str, Any] = {"vectors": vectors, "sizes": sizes, "nodes": nodes}
        files = {n: arrays.write(self.workspace.store, f"{base}/{n}.npy", a) for n, a in written.items()}
        files["rows"] = self.workspace.write_table(f"{base}/rows.parquet", rows, PLACES, GROUP)
        files = {name: folder.adopt(file) for name, file in files.items()}
        sum_ = arrays.write(self.workspace.store, f"index/released/{part.name}-{part.key[:16]}-sum.npy", whole[None])
        return Output({**files, "sum": sum_}, {"samples": len(rows)})

    def _released(self, file: File, rows: pa.Table) -> tuple[Any, pa.Table]:
        """Numbers of the rows that are released, and these rows with their places in the shards."""
        released = self.workspace.read_table([file] if file.rows else [], _ROWS)
        place: Any = pc.index_in(rows["id"], value_set=released["id"].combine_chunks())
        kept = np.flatnonzero(place.is_valid().to_numpy())
        some, places = rows.take(kept), released.take(place.drop_null())
        for name in ("media", "offset", "bytes"):
            some = some.set_column(some.column_names.index(name), PLACES.field(name), places[name])
        return kept, some


class ReleaseIndexManifest(TableStage):
    """The nodes above the branches, and the manifest of the released index, whose keys are paths in the release."""

    name = DESCRIBE
    version = "1"
    needs = (INDEX, "index.nodes")
    in_place = True

    def active(self, recipe: Recipe) -> bool:
        return releasing(recipe)

    def compute(self, run: Run, key: str) -> Output:
        store, folder = run.workspace.store, ReleaseFolder(run.workspace.store, run.recipe.name)
        whole = load(store, run.records["index.nodes"].parts["all"].facts["manifest"])
        parts = [out for _, out in sorted(run.records[INDEX].parts.items())]
        branches = [out for out in parts if "sum" in out.files]
        upper = folder.adopt(self._upper(run, branches, f"{folder.staging}/{FOLDER}/upper.npy"))
        samples = sum(out.counts["samples"] for out in branches)
        released = released_manifest(whole, folder.base, branches, upper, samples)
        near = [out.files["cooccurrence"] for out in parts if "cooccurrence" in out.files]
        data = to_bytes(msgspec.structs.replace(released, cooccurrence=[_inside(file, folder.base) for file in near]))
        return Output({"manifest": folder.put(MANIFEST, data, len(data)), "upper": upper}, {"samples": samples})

    def _upper(self, run: Run, branches: list[Output], key: str) -> File:
        store, kept = run.workspace.store, kept_layers(run)
        sums = arrays.joined(store, [out.files["sum"] for out in branches])
        sizes = np.array([out.counts["samples"] for out in branches])
        above = len(branches).bit_length() - 1
        nodes, _ = layers.means(sums, sizes, 0, [depth for depth in kept if depth < above])
        return arrays.write(store, key, nodes)


def released_manifest(whole: Manifest, base: str, branches: list[Output], upper: File, samples: int) -> Manifest:
    """As the run's own, of the released files. It is searched by its tree: faiss's index is over rows that are not released."""
    return msgspec.structs.replace(
        whole,
        kind="tree",
        ann=None,
        samples=samples,
        upper=_inside(upper, base),
        branches=[Branch(*(_inside(out.files[name], base) for name in _FILES)) for out in branches],
    )


def _inside(file: File, base: str) -> Stored:
    """A file of the release by its path in it."""
    return msgspec.structs.replace(stored(file), key=file.key.removeprefix(f"{base}/"))


def files_of(run: Run) -> list[File]:
    """All files of the index in the release."""
    outputs = [out for name in (INDEX, DESCRIBE) if name in run.records for out in run.records[name].parts.values()]
    files = (file for out in outputs for role, file in out.files.items() if role != "sum")
    return sorted(files, key=lambda file: file.key)
