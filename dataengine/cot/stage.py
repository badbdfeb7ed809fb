"""CoT: draft records from each sample, fill the mix exactly, write shards that point at the release's samples."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataengine.cot.mix import pick, resolve
from dataengine.cot.prepare import VERSION, Draft
from dataengine.cot.record import MODES
from dataengine.decode import Decoder
from dataengine.ingest.stage import limits_of
from dataengine.locate import Located, locate
from dataengine.media.limits import Limits
from dataengine.media.sandbox import Failed, Ok
from dataengine.recipe import CotConfig, Recipe
from dataengine.shards.manifest import split_and_family
from dataengine.shards.stage import PLAN
from dataengine.stage import Part, RecordStage, Run, TableStage, Worker
from dataengine.tar import write_tar
from dataengine.workspace import File, Output, Workspace, digest

_MEMBER = pa.struct([("name", pa.string()), ("offset", pa.int64()), ("size", pa.int64())])
#: One row a candidate: where its members lie in a pack, or why it was rejected.
DRAFTS = pa.schema(
    [
        *(
            pa.field(name, pa.string())
            for name in ("rid", "mode", "style", "task", "family", "split", "rejected", "pack")
        ),
        pa.field("members", pa.list_(_MEMBER)),
    ]
)
_RECORDS_A_SHARD = 10_000


class _Cot:
    def active(self, recipe: Recipe) -> bool:
        return recipe.cot is not None

    def config(self, recipe: Recipe) -> CotConfig:
        if recipe.cot is None:
            raise ValueError("the recipe has no cot")
        return recipe.cot


class CotDraft(_Cot, RecordStage):
    """One part a shard of the release: its samples are where the questions come from."""

    name = "cot.draft"
    version = "1"
    needs = ("shard.assign",)

    def validate(self, recipe: Recipe) -> None:
        resolve(self.config(recipe).mix)

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, VERSION, run.recipe.seed, self.config(run.recipe).per_sample)
        files = run.records["shard.assign"].parts["all"].files
        parts = []
        for role, file in sorted(files.items()):
            if role.startswith("plan/"):
                rows = locate(run.workspace.read_table([file], PLAN))
                parts.append(Part(role.removeprefix("plan/"), digest(base, [(r.id, r.captions) for r in rows]), rows))
        return parts

    def worker(self, run: Run) -> Worker:
        return DraftWorker(limits_of(run.recipe), run.recipe.seed, self.config(run.recipe).per_sample, run.workspace)


class CotMix(_Cot, TableStage):
    """Chooses records so that the shares of the mix are exact, and plans the shards, one family of records each."""

    name = "cot.mix"
    version = "1"
    needs = ("cot.draft",)

    def settings(self, recipe: Recipe) -> Any:
        return [resolve(self.config(recipe).mix), recipe.seed]

    def compute(self, run: Run, key: str) -> Output:
        rows = run.table("cot.draft", "drafts", DRAFTS).to_pylist()
        good = {r["rid"]: r for r in rows if r["rejected"] is None}
        mix = resolve(self.config(run.recipe).mix)
        cells = [(rid, f"{r['mode']}/{r['style']}") for rid, r in sorted(good.items())]
        picked = pick(cells, mix, None, run.recipe.seed)
        files = {}
        for name, members in _tars([good[rid] for rid in picked.ids]).items():
            file = run.workspace.write_table(f"cot/{key}/{name}.parquet", pa.Table.from_pylist(members, DRAFTS))
            files[f"plan/{name}"] = file
        rejected = Counter(r["rejected"] for r in rows if r["rejected"] is not None)
        modes = Counter(good[rid]["mode"] for rid in picked.ids)
        facts = {
            "modes": {mode: modes[mode] for mode in MODES},
            "drafted": len(rows),
            "rejected": dict(sorted(rejected.items())),
            "shortages": picked.shortages,
        }
        return Output(files, {"candidates": len(rows), "good": len(good), "records": len(picked.ids)}, facts)


class CotWrite(_Cot, RecordStage):
    """One part a CoT shard."""

    name = "cot.write"
    version = "1"
    needs = ("cot.mix",)
    in_place = True

    def plan(self, run: Run) -> list[Part]:
        files = run.records["cot.mix"].parts["all"].files
        return [
            Part(role.removeprefix("plan/"), digest(self.version, f.sha256), f.key) for role, f in sorted(files.items())
        ]

    def worker(self, run: Run) -> Worker:
        return CotShardWorker(run.workspace, run.recipe.name)


@dataclass
class DraftWorker:
    limits: Limits
    seed: int
    per_sample: int
    workspace: Workspace
    _decoder: Decoder | None = None

    def setup(self) -> None:
        context = (self.limits, self.seed, self.per_sample)
        self._decoder = Decoder("dataengine.cot.prepare:make", context, self.limits)

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()

    def process(self, part: Part) -> Output:
        if self._decoder is None:
            raise RuntimeError("setup() comes before process()")
        base = f"cot/drafts/{part.name}-{part.key[:16]}"
        rows: list[dict[str, Any]] = []
        seen = self._decoder.over(self.workspace.store, part.spec, _item)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pack")
            with path.open("wb") as pack:
                for row, outcome in seen:
                    for draft in _drafts(row, outcome):
                        rows.append(_packed(draft, pack, f"{base}.bin", split_and_family(part.name)[0]))
                size = pack.tell()
            sha256 = self.workspace.store.put(f"{base}.bin", path)
        files = {"drafts": self.workspace.write_table(f"{base}.parquet", pa.Table.from_pylist(rows, DRAFTS))}
        files["pack"] = File(f"{base}.bin", sha256, size)
        return Output(files, {"samples": len(part.spec), "candidates": len(rows)})


@dataclass
class CotShardWorker:
    workspace: Workspace
    release: str

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        rows = self.workspace.read_table([File(part.spec, "", 0, 1)], DRAFTS).to_pylist()
        key = f"releases/{self.release}/cot/{part.name}.tar"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "shard.tar")
            with path.open("wb") as out:
                info = write_tar(out, self._members(rows))
            self.workspace.store.put(key, path)
        told = {"name": part.name, "split": rows[0]["split"], "family": rows[0]["family"], "sha256": info.sha256}
        facts = {**told, "bytes": info.bytes, "records": len(rows)}
        return Output({"tar": File(key, info.sha256, info.bytes, len(rows))}, {"records": len(rows)}, facts)

    def _members(self, rows: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
        for row in rows:
            places = [(row["pack"], m["offset"], m["size"]) for m in row["members"]]
            found = self.workspace.each(lambda place: self.workspace.store.get_range(*place), places)
            for member, data in zip(row["members"], found, strict=True):
                yield f"{row['rid']}.{member['name']}", data


def _item(row: Located, data: bytes) -> tuple[str, str, bytes, tuple[str, ...], dict[str, Any]]:
    return row.id, row.kind, data, row.captions, row.facts


def _drafts(row: Located, outcome: Ok | Failed) -> list[Draft]:
    if isinstance(outcome, Failed):
        return [Draft(row.id, "", "decode", b"", (), f"failed: {outcome.failure}")]
    drafts: list[Draft] = outcome.value
    return drafts


def _packed(draft: Draft, pack: Any, key: str, split: str) -> dict[str, Any]:
    members = []
    for name, data in [("json", draft.record), *draft.images] if draft.rejected is None else []:
        members.append({"name": name, "offset": pack.tell(), "size": len(data)})
        pack.write(data)
    told = {"rid": draft.rid, "mode": draft.mode, "style": draft.style, "task": draft.task, "family": draft.family}
    return {**told, "rejected": draft.rejected, "split": split, "pack": key, "members": members}


def _tars(rows: list[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows by shard: one split and family each (their records have the same members), ordered by id, which is a hash."""
    tars: dict[str, list[Mapping[str, Any]]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for row in sorted(rows, key=lambda r: r["rid"]):
        group = (row["split"], row["family"])
        tars.setdefault(f"{group[0]}-{group[1]}-{counts[group] // _RECORDS_A_SHARD:05d}", []).append(row)
        counts[group] += 1
    return tars
