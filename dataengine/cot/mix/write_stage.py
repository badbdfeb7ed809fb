"""cot.write: the CoT shards of a release, one part a tar. Records point at the release's samples by id."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine.config.cot import CotConfig
from dataengine.cot.checks.grade import pictures
from dataengine.cot.core import formats
from dataengine.cot.core.record import PathTold, Record, facts_of
from dataengine.cot.core.shard_files import observations
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import PLAN
from dataengine.models.serving.messages import Message
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.tar import write_tar
from dataengine.storage.workspace import File, Output, Workspace, digest

_SCORES = ("quality", "agreement", "prior", "weight", "repeat")


class CotWrite(Cot, RecordStage):
    """One part a CoT shard."""

    name = "cot.write"
    version = "3"
    needs = ("cot.mix",)
    in_place = True

    def plan(self, run: Run) -> list[Part]:
        files = run.records["cot.mix"].parts["all"].files
        return [
            Part(role.removeprefix("plan/"), digest(self.version, f.sha256, self.config(run.recipe).show_answer), f.key)
            for role, f in sorted(files.items())
            if role.startswith("plan/")
        ]

    def worker(self, run: Run) -> Worker:
        return CotShardWorker(run.workspace, run.recipe.name, self.config(run.recipe))


@dataclass
class CotShardWorker:
    workspace: Workspace
    release: str
    config: CotConfig

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        rows = self.workspace.read_table([File(part.spec, "", 0, 1)], PLAN).to_pylist()
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
            yield f"{row['rid']}.json", finished(row, found, self.config.show_answer).to_bytes()
            for member, data in zip(row["members"], found, strict=True):
                yield f"{row['rid']}.{member['name']}", data


def finished(row: Mapping[str, Any], images: Sequence[bytes], show_answer: bool) -> Record:
    """The record of a row of PLAN with these pictures: its question, the chosen path as the reply, and what the steps have
    told."""
    record = Record.model_validate_json(row["record"])
    paths = tuple(PathTold.model_validate(p) for p in json.loads(row["told"]))
    chosen = next(p for p in paths if p.index == row["chosen"])
    reply = Message(role="assistant", content=formats.to_blocks(row["text"], pictures(record, row["text"])))
    changes = {
        "family": row["family"],
        "observations": observations(images),
        "judged": row["equal"],
        "messages": (record.messages[0], reply),
        "teacher": chosen.teacher,
        "prompt": chosen.prompt,
        "path": chosen.index,
        "review": row["review"],
        "answer_shown": show_answer and bool(chosen.prompt),
        "blind": row["blind"],
        "paths": paths,
        "scores": facts_of({name: row[name] for name in _SCORES}),
    }
    return record.model_copy(update=changes)
