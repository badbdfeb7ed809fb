"""Shard: decide where each kept sample lies, then write the tars, each from a plan of its own."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.locate import representatives
from dataengine.media.exif import Policy, clean
from dataengine.recipe import Recipe
from dataengine.score.annotated import FACT_COLUMNS, annotated
from dataengine.shards.assign import assign
from dataengine.shards.manifest import Shard, split_and_family
from dataengine.shards.sample import Members, flatten, longest, sample_members, sample_size
from dataengine.stage import Part, RecordStage, Run, TableStage, Worker
from dataengine.tar import write_tar
from dataengine.workspace import File, Output, Workspace, canonical, digest

_CODES = [f for f in contracts.CODES_INDEX if f.name != "id"]
#: What a shard is written from: the samples in their order, with all that goes into their members.
PLAN = pa.schema(
    [
        *contracts.UNIQUE,
        pa.field("best", pa.int32()),
        pa.field("scores", pa.string()),
        *(pa.field(f"codes_{f.name}", f.type) for f in _CODES),
    ]
)
_READ_AT_ONCE = 64 << 20
#: Raised when the bytes that media.exif leaves could change.
EXIF_VERSION = "2"


class ShardAssign(TableStage):
    """The assignment is a table of its own; each shard's plan is a file, and its digest the shard's key."""

    name = "shard.assign"
    version = "3"
    needs = ("dedup", "score", "filter", "tokenize.encode")

    def settings(self, recipe: Recipe) -> Any:
        return [recipe.shard.model_dump(), recipe.seed]

    def compute(self, run: Run, key: str) -> Output:
        rows = plan_rows(run)
        config = run.recipe.shard
        sizes = pa.Table.from_pylist(
            [{"id": r["id"], "kind": r["kind"], "bytes": _size(r)} for r in rows],
            pa.schema([contracts.UNIQUE.field(name) for name in ("id", "kind", "bytes")]),
        )
        assignment = assign(sizes, target_bytes=config.target_bytes, seed=run.recipe.seed, splits=config.splits)
        write = run.workspace.write_table
        files = {"assignment": write(f"shards/{key}/assignment.parquet", assignment, contracts.ASSIGNMENT)}
        by_id = {r["id"]: r for r in rows}
        shards: dict[str, list[Mapping[str, Any]]] = {}
        for placed in assignment.to_pylist():
            shards.setdefault(placed["shard"], []).append(by_id[placed["id"]])
        for name, members in shards.items():
            files[f"plan/{name}"] = write(f"shards/{key}/{name}.parquet", pa.Table.from_pylist(members, PLAN))
        return Output(files, {"samples": len(rows), "shards": len(shards)})


class ShardWrite(RecordStage):
    """One part a shard."""

    name = "shard.write"
    version = "2"
    needs = ("shard.assign",)
    in_place = True

    def plan(self, run: Run) -> list[Part]:
        files = run.records["shard.assign"].parts["all"].files
        plans = {role.removeprefix("plan/"): f for role, f in files.items() if role.startswith("plan/")}
        exif = run.recipe.media.exif
        made = [self.version] if exif == "keep" else [self.version, EXIF_VERSION, exif]
        return [Part(name, digest(*made, f.sha256), f.key) for name, f in sorted(plans.items())]

    def worker(self, run: Run) -> Worker:
        return ShardWorker(run.workspace, run.recipe.name, run.recipe.media.exif)


@dataclass
class ShardWorker:
    workspace: Workspace
    release: str
    exif: Policy = "keep"

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        rows = self.workspace.read_table([File(part.spec, "", 0, 1)], PLAN).to_pylist()
        cleaned = Counter[str]()
        key = f"releases/{self.release}/shards/{part.name}.tar"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "shard.tar")
            with path.open("wb") as out:
                info = write_tar(out, flatten(self._samples(rows, cleaned)))
            self.workspace.store.put(key, path)
        shard = Shard(part.name, *split_and_family(part.name), info.sha256, info.bytes, len(rows))
        counts = {"samples": len(rows), "bytes": info.bytes, **dict(sorted(cleaned.items()))}
        return Output({"tar": File(key, info.sha256, info.bytes, len(rows))}, counts, shard.to_json())

    def _samples(self, rows: list[dict[str, Any]], cleaned: Counter[str]) -> Iterator[Members]:
        for batch in _batches(rows):
            reads = [(r["media"], r["offset"], r["bytes"]) for r in batch]
            codes = [(r["codes_pack"], r["codes_offset"], r["codes_size"]) for r in batch if r["codes_pack"]]
            found = self.workspace.each(lambda place: self.workspace.store.get_range(*place), reads + codes)
            media, coded = found[: len(batch)], iter(found[len(batch) :])
            for row, data in zip(batch, media, strict=True):
                told, kept = self._cleaned(row, data, cleaned)
                yield _members(told, kept, next(coded) if row["codes_pack"] else None)

    def _cleaned(self, row: dict[str, Any], data: bytes, cleaned: Counter[str]) -> tuple[dict[str, Any], bytes]:
        """The sample with metadata as the recipe wants them; counts what was done, here and to faces at ingest, and what could
        not be."""
        if row["faces"] is not None:
            cleaned.update(faces_blurred=row["faces"], with_faces=row["faces"] > 0)
        if self.exif == "keep":
            return row, data
        found = clean(data, row["format"], row["orientation"], self.exif)
        cleaned.update(metadata_removed=found.changed, gps_removed=found.gps, metadata_kept=not found.handled)
        sha256 = hashlib.sha256(found.data).hexdigest()
        return {**row, "bytes": len(found.data), "media_sha256": sha256}, found.data


def plan_rows(run: Run) -> list[dict[str, Any]]:
    """Rows of PLAN for all samples that go into the release, ordered by id."""
    decisions = run.table("filter", "decisions", contracts.DECISIONS, ["id", "kept"])
    ids = decisions.filter(decisions["kept"])["id"].combine_chunks()
    codes: dict[str, dict[str, Any]] = {}
    if "tokenize.encode" in run.records:
        index = run.table("tokenize.encode", "codes", contracts.CODES_INDEX)
        codes = {row["id"]: row for row in index.to_pylist()}
        ids = ids.filter(pc.is_in(ids, value_set=index["id"].combine_chunks()))
    unique = representatives(run)
    scores = {row["id"]: row for row in annotated(run).to_pylist()}
    rows = []
    for row in unique.filter(pc.is_in(unique["id"], value_set=ids)).to_pylist():
        told = {k: v for k, v in scores[row["id"]].items() if k not in FACT_COLUMNS and isinstance(v, int | float)}
        best = told.pop("match_caption", None)
        row["best"] = longest(row["captions"]) if best is None else int(best)
        row["scores"] = canonical(told).decode()
        row |= {f"codes_{f.name}": codes[row["id"]][f.name] if row["id"] in codes else None for f in _CODES}
        rows.append(row)
    return rows


def _size(row: Mapping[str, Any]) -> int:
    codes = _codes(row, bytes(row["codes_size"])) if row["codes_pack"] else None
    return sample_size(row, best=row["best"], scores=json.loads(row["scores"]), codes=codes)


def _members(row: Mapping[str, Any], media: bytes, codes: bytes | None) -> Members:
    told = _codes(row, codes) if codes is not None else None
    return sample_members(row, media, best=row["best"], scores=json.loads(row["scores"]), codes=told)


def _codes(row: Mapping[str, Any], data: bytes) -> dict[str, Any]:
    return {f.name: row[f"codes_{f.name}"] for f in _CODES} | {"id": row["id"], "codes": data}


def _batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if batch and size + row["bytes"] > _READ_AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row["bytes"]
    if batch:
        yield batch
