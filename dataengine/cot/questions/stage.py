"""cot.questions: what can be asked about each sample, with answers that were measured from its media.

One part a shard of the release. A question is kept only if its answer, the programmatic reply and, where there are any, its
tool calls hold when everything is measured again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.config.recipe import Recipe
from dataengine.cot.core.frame_sampling import way_of
from dataengine.cot.core.source_qa import Pair, Rival
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import GIVEN, QUESTIONS
from dataengine.cot.mix.quotas import resolve
from dataengine.cot.questions.rewrite import Enhancer
from dataengine.cot.questions.worker import VERSION, Context, Draft, Item
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.ingest.stage import limits_of
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.models.serving.connect import chat_model
from dataengine.samples.decode import Decoder
from dataengine.samples.locate import Located, chunks, locate
from dataengine.shards.manifest import split_and_family
from dataengine.shards.plan import PLAN
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest

_CHUNK = 64
"""Samples whose drafts are held at once."""
_MOST_BESIDE = 64 << 20
"""Bytes of other videos that are read for one sample; clips are not matched where they are more."""


class CotQuestions(Cot, RecordStage):
    """One part a shard of the release: its samples are what the questions are about."""

    name = "cot.questions"
    version = "2"
    needs = ("shard.assign", "cot.given")

    def validate(self, recipe: Recipe) -> None:
        config = self.config(recipe)
        resolve(config.mix)
        if config.questions.enhance is not None:
            chat_model(config.questions.enhance, None).validate()

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        told: Any = None
        if (enhance := config.questions.enhance) is not None:
            told = [
                chat_model(enhance, None).id,
                prompt_text.prompt_of("enhance"),
                config.temperature,
                config.max_tokens,
            ]
        return [VERSION, recipe.seed, config.per_sample, _ways(config), _models(config), told]

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, self.settings(run.recipe))
        given = {row["id"]: row for row in run.table("cot.given", "given", GIVEN).to_pylist()}
        shards = samples(run)
        located = {row.id: row for rows in shards.values() for row in rows}
        parts = []
        for name, rows in shards.items():
            mine = {r.id: given[r.id] for r in rows}
            videos = {id_: located[id_] for told in mine.values() for id_ in told["partners"]}
            key = digest(base, [(r.id, r.captions, given[r.id]) for r in rows])
            parts.append(Part(name, key, (rows, mine, videos)))
        return parts

    def worker(self, run: Run) -> Worker:
        return QuestionWorker(limits_of(run.recipe), run.recipe.seed, self.config(run.recipe), run.workspace)


def _ways(config: CotConfig) -> tuple[str, ...]:
    return tuple(dict.fromkeys(way_of(frames, config.video.slow_fast) for frames in config.video.frames))


def _models(config: CotConfig) -> bool:
    return any(isinstance(teacher, OpenAIConfig) for teacher in config.teachers)


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
    config: CotConfig
    workspace: Workspace
    _decoder: Decoder | None = None
    _enhancer: Enhancer | None = None

    def setup(self) -> None:
        ways, models = _ways(self.config), _models(self.config)
        context = Context(self.limits, self.seed, self.config.per_sample, ways, models)
        self._decoder = Decoder("dataengine.cot.questions.worker:make", context, self.limits)
        if (enhance := self.config.questions.enhance) is not None:
            teacher = chat_model(enhance, self.workspace.store)
            teacher.setup()
            self._enhancer = Enhancer(self.config, teacher, Renderer(self.limits, self.workspace))

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()
        if self._enhancer is not None:
            self._enhancer.teacher.close()
            self._enhancer.renderer.close()

    def process(self, part: Part) -> Output:
        if self._decoder is None:
            raise RuntimeError("setup() comes before process()")
        samples_, given, videos = part.spec
        base, split = f"cot/questions/{part.name}-{part.key[:16]}", split_and_family(part.name)[0]
        rows: list[dict[str, Any]] = []
        seen = self._decoder.over(self.workspace.store, samples_, partial(self._item, given=given, videos=videos))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pack")
            with path.open("wb") as pack:
                for some in chunks(seen, _CHUNK):
                    for sample, draft in self._drafted(some):
                        rows.append(_packed(draft, sample, pack, f"{base}.bin", split))
                size = pack.tell()
            sha256 = self.workspace.store.put(f"{base}.bin", path)
        files = {"questions": self.workspace.write_table(f"{base}.parquet", pa.Table.from_pylist(rows, QUESTIONS))}
        files["pack"] = File(f"{base}.bin", sha256, size)
        asked = sum(row["rejected"] is None for row in rows)
        counts = {"samples": len(samples_), "questions": len(rows), "asked": asked}
        return Output(files, counts | (self._enhancer.taken() if self._enhancer else {}))

    def _drafted(self, seen: Sequence[tuple[Located, Ok | Failed]]) -> list[tuple[str, Draft]]:
        """Drafts of some samples, those of the source's questions made harder where the recipe says so."""
        found = [(row.id, draft) for row, outcome in seen for draft in _drafts(row, outcome)]
        drafts = [draft for _, draft in found]
        if self._enhancer is not None:
            self._enhancer.over(drafts, {row.id: row for row, _ in seen})
        return [(sample, draft) for (sample, _), draft in zip(found, drafts, strict=True)]

    def _item(self, row: Located, data: bytes, *, given: dict[str, Any], videos: dict[str, Located]) -> Item:
        told = given[row.id]
        pairs = tuple(Pair(**{**p, "choices": tuple(p["choices"])}) for p in json.loads(told["pairs"]))
        rivals = tuple(Rival(**r) for r in json.loads(told["rivals"]))
        beside = [videos[id_] for id_ in told["partners"]]
        beside = beside if sum(v.bytes for v in beside) <= _MOST_BESIDE else []
        read = self.workspace.each(lambda v: self.workspace.store.get_range(v.media, v.offset, v.bytes), beside)
        partners = tuple((v.id, data, v.facts) for v, data in zip(beside, read, strict=True))
        return Item(row.id, row.kind, data, row.captions, row.facts, pairs, rivals, partners)


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
