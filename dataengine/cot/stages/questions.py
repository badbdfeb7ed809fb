"""cot.questions: what can be asked about each sample, with answers that were measured from its media.

One part a shard of the release. A question is kept only if its answer, the programmatic reply and, where there are any, its
tool calls hold when everything is measured again.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from dataengine.cot.mix import resolve
from dataengine.cot.prepare import VERSION, Draft
from dataengine.cot.stages.base import Cot
from dataengine.cot.tables import QUESTIONS
from dataengine.decode import Decoder
from dataengine.ingest.stage import limits_of
from dataengine.locate import Located, locate
from dataengine.media.limits import Limits
from dataengine.media.sandbox import Failed, Ok
from dataengine.recipe import Recipe
from dataengine.shards.manifest import split_and_family
from dataengine.shards.plan import PLAN
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.workspace import File, Output, Workspace, digest


class CotQuestions(Cot, RecordStage):
    """One part a shard of the release: its samples are what the questions are about."""

    name = "cot.questions"
    version = "1"
    needs = ("shard.assign",)

    def validate(self, recipe: Recipe) -> None:
        resolve(self.config(recipe).mix)

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, VERSION, run.recipe.seed, self.config(run.recipe).per_sample)
        return [
            Part(name, digest(base, [(r.id, r.captions) for r in rows]), rows) for name, rows in samples(run).items()
        ]

    def worker(self, run: Run) -> Worker:
        config = self.config(run.recipe)
        return QuestionWorker(limits_of(run.recipe), run.recipe.seed, config.per_sample, run.workspace)


def samples(run: Run) -> dict[str, list[Located]]:
    """The samples of each shard of the release, by its name."""
    files = run.records["shard.assign"].parts["all"].files
    return {
        role.removeprefix("plan/"): locate(run.workspace.read_table([file], PLAN))
        for role, file in sorted(files.items())
        if role.startswith("plan/")
    }


@dataclass
class QuestionWorker:
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
        base = f"cot/questions/{part.name}-{part.key[:16]}"
        rows: list[dict[str, Any]] = []
        seen = self._decoder.over(self.workspace.store, part.spec, _item)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pack")
            with path.open("wb") as pack:
                for row, outcome in seen:
                    for draft in _drafts(row, outcome):
                        rows.append(_packed(draft, row.id, pack, f"{base}.bin", split_and_family(part.name)[0]))
                size = pack.tell()
            sha256 = self.workspace.store.put(f"{base}.bin", path)
        files = {"questions": self.workspace.write_table(f"{base}.parquet", pa.Table.from_pylist(rows, QUESTIONS))}
        files["pack"] = File(f"{base}.bin", sha256, size)
        asked = sum(row["rejected"] is None for row in rows)
        return Output(files, {"samples": len(part.spec), "questions": len(rows), "asked": asked})


def _item(row: Located, data: bytes) -> tuple[str, str, bytes, tuple[str, ...], dict[str, Any]]:
    return row.id, row.kind, data, row.captions, row.facts


def _drafts(row: Located, outcome: Ok | Failed) -> list[Draft]:
    if isinstance(outcome, Failed):
        return [Draft(row.id, "", "decode", b"", (), f"failed: {outcome.failure}")]
    drafts: list[Draft] = outcome.value
    return drafts


def _packed(draft: Draft, sample: str, pack: BinaryIO, key: str, split: str) -> dict[str, Any]:
    members = []
    for name, data in draft.images if draft.rejected is None else ():
        members.append({"name": name, "offset": pack.tell(), "size": len(data)})
        pack.write(data)
    names = ("rid", "mode", "style", "task", "family", "difficulty", "asked", "answer", "rejected")
    told = {name: getattr(draft, name) for name in names}
    record = draft.record.decode() or None
    return {**told, "sample": sample, "split": split, "record": record, "pack": key, "members": members}
