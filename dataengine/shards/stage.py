"""The shard stages: assign kept samples to shards, then write each WebDataset tar from its plan."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.annotate.track import ANNOTATIONS
from dataengine.config.recipe import Recipe
from dataengine.index.tracks import INDEXED
from dataengine.media.image.exif import Policy, clean
from dataengine.policy.annotated import in_samples
from dataengine.shards.assign_distributed import Rules
from dataengine.shards.continued import Carried, assigned_on, carried_of, carry
from dataengine.shards.earlier import check, earlier_of, key_of, opened, place_of
from dataengine.shards.json_types import plain
from dataengine.shards.manifest import Shard, split_and_family
from dataengine.shards.places import write_places
from dataengine.shards.plan import PLAN_WITH_MAKERS, codes_of, plan_schema, planned
from dataengine.shards.sample import Members, flatten, sample_members
from dataengine.stage import Part, RecordStage, Run, TableStage, Worker
from dataengine.storage.release_folder import ReleaseFolder
from dataengine.storage.store import Store
from dataengine.storage.workspace import File, Output, Workspace, digest, roles

#: Bytes of media that are read at once from S3, and from a folder; rows that are made objects at once.
_FROM_S3, _FROM_FOLDER, _ROWS = 64 << 20, 16 << 20, 1024
#: Goes up when the bytes that ``media.exif`` leaves could change.
EXIF_VERSION = "2"


class ShardAssign(TableStage):
    """Assigns samples to shards: a table, and a plan file a shard, whose digest is the shard's key."""

    name = "shard.assign"
    version = "5"
    needs = ("ingest", "dedup", "score", *ANNOTATIONS, *INDEXED, "filter", "tokenize.encode")

    def settings(self, recipe: Recipe) -> Any:
        tracks = [track.name for track in in_samples(recipe)]
        return [recipe.shard.model_dump(), recipe.seed, *([tracks] if tracks else [])]

    def validate(self, recipe: Recipe) -> None:
        if (earlier := earlier_of(recipe)) is not None:
            check(recipe, earlier)

    def key(self, run: Run) -> str:
        return key_of(run, self.name, super().key(run))

    def objection(self, run: Run) -> str:
        kept, left = run.records["filter"].counts["kept"], run.records[self.name].counts["samples"]
        return f"nothing would be kept: none of {kept:,} kept samples could be encoded" if kept and not left else ""

    def compute(self, run: Run, key: str) -> Output:
        engine, workspace, base = run.engine, run.workspace, f"shards/{key}"
        config = run.recipe.shard
        rows = engine.kept(planned(run))
        rules = Rules(config.target_bytes, run.recipe.seed, config.splits)
        earlier = opened(run, self.name, super().key(run))
        continued = assigned_on(engine, workspace, base, rows, rules, earlier)
        columns = ", ".join(f'r."{name}"' for name in plan_schema(run.recipe).names)
        plans = engine.sql(
            f"SELECT {columns}, p.shard, p.position FROM r JOIN p ON r.id = p.id", {"r": rows, "p": continued.placed}
        )
        shards = engine.split(workspace, base, plans, plan_schema(run.recipe), "shard", ("position",))
        order = ("shard", "position")
        table = engine.write(workspace, f"{base}/assignment", continued.placed, contracts.ASSIGNMENT, order, ids="id")
        files = roles("assignment", table) | {f"plan/{name}": file for name, file in shards.items()} | continued.files
        counts = {"samples": sum(f.rows for f in table), "shards": len(shards)}
        return Output(files, counts, continued.facts)


class ShardWrite(RecordStage):
    """Writes the shards, one part each."""

    name = "shard.write"
    version = "3"
    needs = ("shard.assign",)
    in_place = True

    def settings(self, recipe: Recipe) -> Any:
        return ["places"] if _with_places(recipe) else None

    def plan(self, run: Run) -> list[Part]:
        files = run.records["shard.assign"].parts["all"].files
        plans = {role.removeprefix("plan/"): f for role, f in files.items() if role.startswith("plan/")}
        exif = run.recipe.media.exif
        versions = [self.version] if exif == "keep" else [self.version, EXIF_VERSION, exif]
        versions += ["places"] if _with_places(run.recipe) else []
        carried = self._carried(run)
        new = {name: Part(name, digest(*versions, f.sha256), f.key) for name, f in plans.items() if name not in carried}
        old = {
            name: Part(name, digest(*versions, "carried", shard.sha256, lost), shard)
            for name, (shard, lost) in carried.items()
        }
        return [part for _, part in sorted((new | old).items())]

    def _carried(self, run: Run) -> dict[str, tuple[Carried, str]]:
        """Shards of the release that this one continues."""
        assigned, place = run.records["shard.assign"].parts["all"], place_of(run.recipe)
        if place is None or "continues" not in assigned.facts:
            return {}
        return carried_of(assigned.facts["continues"], assigned.files, Store(place).url)

    def worker(self, run: Run) -> Worker:
        return ShardWorker(run.workspace, run.recipe.name, run.recipe.media.exif, _with_places(run.recipe))


def _with_places(recipe: Recipe) -> bool:
    return recipe.index is not None and recipe.index.release


@dataclass
class ShardWorker:
    """Writes a shard from its plan, with metadata removed as ``exif`` says, or from that of an earlier release; ``places``: and a
    table of where its media lie."""

    workspace: Workspace
    release: str
    exif: Policy = "keep"
    places: bool = False

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        if isinstance(part.spec, Carried):
            release = ReleaseFolder(self.workspace.store, self.release)
            return carry(self.workspace, release, part.spec, part.key if self.places else "")
        rows = self.workspace.read_table([File(part.spec, "", 0, 1)], PLAN_WITH_MAKERS)
        cleaned = Counter[str]()
        release = ReleaseFolder(self.workspace.store, self.release)
        file, info = release.put_tar(f"shards/{part.name}.tar", flatten(self._samples(rows, cleaned)), len(rows))
        shard = Shard(part.name, *split_and_family(part.name), info.sha256, info.bytes, len(rows))
        counts = {"samples": len(rows), "bytes": info.bytes, **dict(sorted(cleaned.items()))}
        places = write_places(self.workspace, part.name, part.key, info.members) if self.places else None
        files = {"tar": file, **({"places": places} if places else {})}
        return Output(files, counts, plain(shard))

    def _samples(self, rows: pa.Table, cleaned: Counter[str]) -> Iterator[Members]:
        tables = rows.to_batches(max_chunksize=_ROWS)  # as objects they take several times the memory
        most = _FROM_S3 if self.workspace.store.remote else _FROM_FOLDER
        for batch in _batches((row for table in tables for row in table.to_pylist()), most):
            reads = [(r["media"], r["offset"], r["bytes"]) for r in batch]
            codes = [(r["codes_pack"], r["codes_offset"], r["codes_size"]) for r in batch if r["codes_pack"]]
            blobs = self.workspace.each(lambda place: self.workspace.store.get_range(*place), reads + codes)
            media, coded = blobs[: len(batch)], iter(blobs[len(batch) :])
            for row, data in zip(batch, media, strict=True):
                stored_row, stored = self._cleaned(row, data, cleaned)
                yield _members(stored_row, stored, next(coded) if row["codes_pack"] else None)
            del blobs, media, coded  # not held while the next batch is read

    def _cleaned(self, row: dict[str, Any], data: bytes, cleaned: Counter[str]) -> tuple[dict[str, Any], bytes]:
        """The row and its media with metadata removed as the recipe says. Counts what was removed, faces blurred at ingest, and
        formats that could not be cleaned."""
        if row["faces"] is not None:
            cleaned.update(faces_blurred=row["faces"], with_faces=row["faces"] > 0)
        if self.exif == "keep":
            return row, data
        result = clean(data, row["format"], row["orientation"], self.exif)
        cleaned.update(metadata_removed=result.changed, gps_removed=result.gps, metadata_kept=not result.handled)
        sha256 = hashlib.sha256(result.data).hexdigest()
        return {**row, "bytes": len(result.data), "media_sha256": sha256}, result.data


def _members(row: Mapping[str, Any], media: bytes, codes: bytes | None) -> Members:
    decoded = codes_of(row, codes) if codes is not None else None
    return sample_members(row, media, best=row["best"], scores=json.loads(row["scores"]), codes=decoded)


def _batches(rows: Iterable[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if batch and size + row["bytes"] > most:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row["bytes"]
    if batch:
        yield batch
