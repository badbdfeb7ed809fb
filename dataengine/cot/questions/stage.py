"""cot.questions: composes questions about each sample, with answers that are measured from its media.

One part a shard of the release. A question is kept only if its answer, the programmatic reply and, where there are any, its
tool calls hold when everything is measured again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.config.recipe import Recipe
from dataengine.cot.core.columns import Member
from dataengine.cot.core.frame_sampling import sampling_of
from dataengine.cot.core.outcomes import Outcome, Rejected, Step
from dataengine.cot.core.record import VERSION, canonical_json
from dataengine.cot.core.shard_samples import samples_by_shard
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import QuestionRow, SourceMaterial, run_rows, table_of
from dataengine.cot.questions.rewrite import Enhancer
from dataengine.cot.questions.worker import Context, EncodedSample
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.models.serving.connect import chat_model
from dataengine.samples.locate import Located, chunks
from dataengine.samples.worker import DecodingWorker
from dataengine.shards.manifest import split_and_family
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, digest

_CHUNK = 64
"""Samples whose questions are held at once."""
_PARTNER_BYTES = 64 << 20
"""Bytes of other videos that are read for one sample; clips are not matched where they are more."""


class CotQuestions(Cot, RecordStage):
    """One part a shard of the release: its samples are what the questions are about."""

    name = "cot.questions"
    version = "3"
    needs = ("shard.assign", "cot.material")

    def validate(self, recipe: Recipe) -> None:
        enhance = self.config(recipe).questions.rewrite
        if enhance is not None:
            chat_model(enhance, None).validate()

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        rewriting: Any = None
        if (enhance := config.questions.rewrite) is not None:
            rewriting = [
                chat_model(enhance, None).id,
                prompt_text.prompt_of("enhance"),
                config.temperature,
                config.max_tokens,
            ]
        return [VERSION, recipe.seed, config.questions_per_sample, _samplings(config), _models(config), rewriting]

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, self.settings(run.recipe))
        material = {row.id: row for row in run_rows(run, "cot.material", "material", SourceMaterial)}
        shards = samples_by_shard(run)
        located = {row.id: row for rows in shards.values() for row in rows}
        parts = []
        for name, rows in shards.items():
            own = {r.id: material[r.id] for r in rows}
            videos = {id_: located[id_] for one in own.values() for id_ in one.partners}
            key = digest(base, [(r.id, r.captions, own[r.id].to_row()) for r in rows])
            parts.append(Part(name, key, (rows, own, videos)))
        return parts

    def worker(self, run: Run) -> Worker:
        return QuestionWorker(run.recipe.limits.to_limits(), run.workspace, run.recipe.seed, self.config(run.recipe))


def _samplings(config: CotConfig) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sampling_of(frames, config.video.slow_fast) for frames in config.video.frames))


def _models(config: CotConfig) -> bool:
    return any(isinstance(teacher, OpenAIConfig) for teacher in config.teachers)


@dataclass
class QuestionWorker(DecodingWorker):
    seed: int
    config: CotConfig
    _enhancer: Enhancer | None = None

    function = "dataengine.cot.questions.worker:compose_all"

    def context(self) -> Context:
        return Context(
            self.limits, self.seed, self.config.questions_per_sample, _samplings(self.config), _models(self.config)
        )

    def answer(self) -> Any:
        return list[Outcome]

    def setup(self) -> None:
        if (enhance := self.config.questions.rewrite) is not None:
            teacher = chat_model(enhance, self.workspace.store)
            teacher.setup()
            self._enhancer = Enhancer(self.config, teacher, Renderer(self.limits, self.workspace))

    def close(self) -> None:
        super().close()
        if self._enhancer is not None:
            self._enhancer.teacher.close()
            self._enhancer.renderer.close()

    def process(self, part: Part) -> Output:
        samples, material, videos = part.spec
        base, split = f"cot/questions/{part.name}-{part.key[:16]}", split_and_family(part.name)[0]
        rows: list[QuestionRow] = []
        encoded = partial(self._encoded, material=material, videos=videos)
        decoded = self.decoded(samples, encoded)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pack")
            with path.open("wb") as pack:
                for some in chunks(decoded, _CHUNK):
                    for outcome in self._outcomes(some):
                        rows.append(_packed(outcome, pack, f"{base}.bin", split))
                size = pack.tell()
            sha256 = self.workspace.store.put(f"{base}.bin", path)
        files = {"questions": self.workspace.write_table(f"{base}.parquet", table_of(QuestionRow, rows))}
        files["pack"] = File(f"{base}.bin", sha256, size)
        accepted = sum(row.rejected is None for row in rows)
        counts = {"samples": len(samples), "questions": len(rows), "asked": accepted}
        return Output(files, counts | (self._enhancer.pop_counts() if self._enhancer else {}))

    def _outcomes(self, decoded: Sequence[tuple[Located, Ok | Failed]]) -> list[Outcome]:
        """Candidates of some samples, the source's questions made harder where the recipe says so."""
        outcomes = [one for row, result in decoded for one in _candidates(row, result)]
        if self._enhancer is not None:
            self._enhancer.over(outcomes, {row.id: row for row, _ in decoded})
        return outcomes

    def _encoded(
        self, row: Located, data: bytes, *, material: Mapping[str, SourceMaterial], videos: Mapping[str, Located]
    ) -> EncodedSample:
        known = material[row.id]
        others = [videos[id_] for id_ in known.partners]
        others = others if sum(v.bytes for v in others) <= _PARTNER_BYTES else []
        read = self.workspace.each(lambda v: self.workspace.store.get_range(v.media, v.offset, v.bytes), others)
        partners = tuple((v.id, data, v.facts) for v, data in zip(others, read, strict=True))
        return EncodedSample(row.id, row.kind, data, row.captions, row.facts, known.pairs, known.distractors, partners)


def _candidates(row: Located, result: Ok | Failed) -> list[Outcome]:
    if isinstance(result, Failed):
        return [Rejected(row.id, "", "decode", Step.DECODE, result.failure)]
    outcomes: list[Outcome] = result.value
    return outcomes


def _packed(outcome: Outcome, pack: BinaryIO, key: str, split: str) -> QuestionRow:
    """The row of a candidate, its pictures put into the pack."""
    if isinstance(outcome, Rejected):
        id_, why = outcome.sample, f"{outcome.step.value}: {outcome.reason}"
        return QuestionRow(id_, id_, outcome.mode, "", outcome.task, "", split, "", "", "", why, None, key, ())
    question, members = outcome.question, []
    for observation, data in zip(question.observations, outcome.images, strict=True):
        members.append(Member(observation.name, pack.tell(), len(data)))
        pack.write(data)
    return QuestionRow(
        rid=question.id,
        sample=question.parents[0],
        mode=question.mode,
        style=question.style,
        task=question.task,
        family=question.family,
        split=split,
        difficulty=question.difficulty,
        asked=canonical_json(question.parameters).decode(),
        answer=question.answer,
        rejected=None,
        question=question,
        pack=key,
        members=tuple(members),
    )
