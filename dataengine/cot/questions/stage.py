"""cot.questions: composes questions about each sample, with answers that are measured from its media.

A question is kept only if its answer, the programmatic reply and, where there are any, its
tool calls hold when everything is measured again. Those of a sample that an earlier part holds are copied from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.config.recipe import Recipe
from dataengine.cot.core.columns import encode
from dataengine.cot.core.earlier import Unit, rows_in, table_of_inputs
from dataengine.cot.core.frame_sampling import sampling_of
from dataengine.cot.core.outcomes import Outcome, Rejected, Step
from dataengine.cot.core.picture_packs import UNPACKED, Pictures, collected
from dataengine.cot.core.proposals import ProposalRow, proposals_of
from dataengine.cot.core.record import VERSION, canonical_json
from dataengine.cot.core.sample_parts import cut_of, sample_parts
from dataengine.cot.core.schemas import QUESTIONS
from dataengine.cot.core.stage import CotPart, CotParts
from dataengine.cot.core.tables import QuestionRow, SourceMaterial, read_rows, rows_of
from dataengine.cot.questions.encoded import Context, EncodedSample
from dataengine.cot.questions.rewrite import Enhancer, Rewriting
from dataengine.cot.tasks.asked import PREFIX
from dataengine.cot.tasks.mix_shares import resolve
from dataengine.cot.tasks.plugin_tasks import task_plugins, use, versions
from dataengine.cot.tasks.registry import shares
from dataengine.cot.tasks.rendered import fonts
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.models.serving.connect import chat_model
from dataengine.plugins.offers import Plugin
from dataengine.samples.locate import LOCATED, Located, chunks, objects
from dataengine.samples.worker import DecodingWorker
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import File, Output, digest

_CHUNK = 64
"""Samples whose questions are held at once."""
_PARTNER_BYTES = 64 << 20
"""Bytes of other videos that are read for one sample; clips are not matched where they are more."""


class CotQuestions(CotParts):
    """One part some samples, by the first bits of their ids."""

    name = "cot.questions"
    version = "11"
    needs = ("cot.material", "cot.propose")

    def validate(self, recipe: Recipe) -> None:
        config = self.config(recipe)
        shares(config.tasks, config.capabilities)
        resolve(config.mix, bool(config.texts))
        if config.questions.rewrite is not None:
            chat_model(config.questions.rewrite, None).validate()

    def servers(self, recipe: Recipe) -> list[str]:
        enhance = self.config(recipe).questions.rewrite
        return [] if enhance is None or enhance.server is None else [enhance.server]

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
        weights = shares(config.tasks, config.capabilities)
        return [
            VERSION,
            recipe.seed,
            config.questions_per_sample,
            _samplings(config),
            _models(config),
            config.switches,
            weights,
            sorted(resolve(config.mix, bool(config.texts)).items()),
            rewriting,
            *versions(task_plugins(recipe)),
        ]

    def plan(self, run: Run) -> list[Part]:
        base, cut, proposed = self.base(run), cut_of(run), _proposed(run)
        parts = []
        for part in sample_parts(run):
            files = proposed.get(part.name, {})
            key = [part.key, *(file.sha256 for file in files.values())] if files else part.key
            parts.append(self.part(base, cut, part.name, key, part.rows, files))
        return parts

    def worker(self, run: Run) -> Worker:
        limits, plugins = run.recipe.limits.to_limits(), task_plugins(run.recipe)
        return QuestionWorker(limits, run.workspace, run.recipe.seed, self.config(run.recipe), plugins)


def _proposed(run: Run) -> dict[str, dict[str, File]]:
    """The proposals of each part, where the recipe asks a model for some."""
    record = run.records.get("cot.propose")
    return {name: {"proposals": out.files["proposals"]} for name, out in record.parts.items()} if record else {}


def _samplings(config: CotConfig) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sampling_of(frames, config.video.slow_fast) for frames in config.video.frames))


def _models(config: CotConfig) -> bool:
    return any(isinstance(teacher, OpenAIConfig) for teacher in config.teachers)


@dataclass
class QuestionWorker(DecodingWorker):
    seed: int
    config: CotConfig
    plugins: tuple[Plugin, ...] = ()
    _enhancer: Enhancer | None = None

    function = "dataengine.cot.questions.worker:compose_all"

    def context(self) -> Context:
        config = self.config
        return Context(
            self.limits,
            self.seed,
            config.questions_per_sample,
            _samplings(config),
            _models(config),
            config.switches,
            shares(config.tasks, config.capabilities),
            resolve(config.mix, bool(config.texts)),
            self.plugins,
        )

    def answer(self) -> Any:
        return list[Outcome]

    def setup(self) -> None:
        use(self.plugins)
        fonts.prepare()
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
        spec: CotPart = part.spec
        table = spec.rows.read(self.workspace.store)
        material = {row.id: row for row in rows_of(table, SourceMaterial)}
        samples = objects(table.select(LOCATED.names))
        proposals = self._proposals(spec)
        inputs = {row.id: _input(row, material[row.id], proposals.get(row.id, [])) for row in samples}
        units = spec.earlier.units(self.workspace, "questions", QUESTIONS, "sample", inputs)
        with collected(self.workspace.store) as pictures:
            new = [row for row in samples if row.id not in units]
            units |= self._made(new, material, proposals, pictures) if new else {}
            units = dict(sorted(units.items()))
            rows = pictures.publish(rows_in(units.values()), "cot/pictures", lambda row: spec.cut.pack(row["sample"]))
        base = f"cot/questions/{part.name}-{part.key[:16]}"
        write = self.workspace.write_table
        files = {
            "questions": write(f"{base}.parquet", pa.Table.from_pylist(rows, QUESTIONS)),
            "inputs": write(f"{base}-inputs.parquet", table_of_inputs(units, inputs)),
        }
        accepted = sum(row["rejected"] is None for row in rows)
        counts = Counter({"samples": len(samples), "questions": len(rows), "asked": accepted})
        for unit in units.values():
            counts.update(unit.counts)
        return Output(files, dict(counts))

    def _proposals(self, spec: CotPart) -> dict[str, list[ProposalRow]]:
        """What a model has proposed, by sample."""
        by_sample: dict[str, list[ProposalRow]] = {}
        files = [file for role, file in spec.files.items() if role == "proposals"]
        for row in read_rows(self.workspace, files, ProposalRow):
            by_sample.setdefault(row.sample, []).append(row)
        return by_sample

    def _made(
        self,
        samples: Sequence[Located],
        material: Mapping[str, SourceMaterial],
        proposals: Mapping[str, Sequence[ProposalRow]],
        pictures: Pictures,
    ) -> dict[str, Unit]:
        """The questions of each sample, by id."""
        units = {}
        encoded = partial(self._encoded, material=material, proposals=proposals)
        for some in chunks(self.decoded(samples, encoded), _CHUNK):
            outcomes = {row.id: _candidates(row, result, proposals.get(row.id, ())) for row, result in some}
            rewritten: dict[str, Rewriting] = {}
            if self._enhancer is not None:
                rewritten = self._enhancer.over(outcomes, {row.id: row for row, _ in some})
            for row, result in some:
                rewriting = rewritten.get(row.id, Rewriting())
                rows = [_packed(one, pictures, material[row.id].split).to_row() for one in outcomes[row.id]]
                units[row.id] = Unit(rows, rewriting.counts, isinstance(result, Ok) and not rewriting.failed)
        return units

    def _encoded(
        self,
        row: Located,
        data: bytes,
        *,
        material: Mapping[str, SourceMaterial],
        proposals: Mapping[str, Sequence[ProposalRow]],
    ) -> EncodedSample:
        known = material[row.id]
        others = known.videos if sum(v.bytes for v in known.videos) <= _PARTNER_BYTES else ()
        read = self.workspace.each(lambda v: self.workspace.store.get_range(v.media, v.offset, v.bytes), others)
        partners = tuple((v.id, data, v.facts) for v, data in zip(others, read, strict=True))
        facts = row.facts | ({"clip": True} if known.parent not in (None, row.id) else {})
        sample = EncodedSample(row.id, row.kind, data, row.captions, facts, known.pairs, known.distractors, partners)
        return replace(sample, proposals=proposals_of(proposals.get(row.id, ())))


def _input(row: Located, material: SourceMaterial, proposals: Sequence[ProposalRow]) -> str:
    """Digest of what the questions of a sample are made from, besides the settings."""
    pairs, distractors = encode("pairs", material.pairs), encode("distractors", material.distractors)
    proposed = [row.to_row() for row in proposals]
    return digest(
        row.captions, row.facts, material.split, pairs, distractors, material.partners, material.parent, *proposed
    )


def _candidates(row: Located, result: Ok | Failed, proposals: Sequence[ProposalRow]) -> list[Outcome]:
    """The sample's questions, and why others are none; those that a model proposed in vain among them."""
    lost: list[Outcome] = [
        Rejected(
            row.id,
            "",
            f"{PREFIX}{one.capability.replace(' ', '_')}" if one.capability else "asked",
            Step.DECODE if one.verdict == "failed" else Step.PROPOSE,
            one.reason,
        )
        for one in proposals
        if one.verdict in ("rejected", "failed")
    ]
    if isinstance(result, Failed):
        return [Rejected(row.id, "", "decode", Step.DECODE, result.failure), *lost]
    return [*result.value, *lost]


def _packed(outcome: Outcome, pictures: Pictures, split: str) -> QuestionRow:
    """The row of a candidate, its pictures added to those of the part."""
    if isinstance(outcome, Rejected):
        id_, why = outcome.sample, f"{outcome.step.value}: {outcome.reason}"
        return QuestionRow(id_, id_, outcome.mode, "", outcome.task, "", split, "", "", "", why, None, UNPACKED, ())
    question = outcome.question
    names = (observation.name for observation in question.observations)
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
        pack=UNPACKED,
        members=pictures.add(zip(names, outcome.images, strict=True)),
    )
