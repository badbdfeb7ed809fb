"""cot.propose: a model proposes questions about each sample, and sampled answers decide which of them are asked.

A question is asked if enough of the answers are the proposed one, if it cannot be answered without the picture, and if it is not
trivial, not asked already and, where there is a judge, valid. What models do not agree on goes to people. Each proposal is a row
with its reason; those of a sample that an earlier part holds are copied from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dataengine.config.cot import AskConfig
from dataengine.config.recipe import Recipe
from dataengine.cot.core.columns import encode
from dataengine.cot.core.earlier import Unit, rows_in, table_of_inputs
from dataengine.cot.core.sample_parts import cut_of, sample_parts
from dataengine.cot.core.schemas import PROPOSALS
from dataengine.cot.core.stage import CotPart, CotParts
from dataengine.cot.core.tables import SourceMaterial, rows_of
from dataengine.cot.questions.asker import SAMPLING, QuestionAsker, without_unsettled
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.errors import UsageError
from dataengine.media.limits import Limits
from dataengine.models.serving.completion import ChatModel
from dataengine.models.serving.connect import chat_model
from dataengine.samples.locate import LOCATED, Located, chunks, objects
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import Output, Workspace, digest

_CHUNK = 64
"""Samples whose pictures are held at once."""
_PROMPTS = ("propose", "sample", "blind", "judge_question")


class CotPropose(CotParts):
    """One part some samples. Left out where the recipe has no ``cot.questions.ask``."""

    name = "cot.propose"
    version = "3"
    needs = ("cot.material",)

    def active(self, recipe: Recipe) -> bool:
        return recipe.cot is not None and recipe.cot.questions.ask is not None

    def ask(self, recipe: Recipe) -> AskConfig:
        config = self.config(recipe).questions.ask
        if config is None:
            raise ValueError("the recipe asks no model for questions")
        return config

    def validate(self, recipe: Recipe) -> None:
        config = self.ask(recipe)
        for model in config.models:
            chat_model(model, None).validate()
        blind = [model.model for model in config.models if not model.vision]
        if blind:
            raise UsageError(f"cot.questions.ask: {blind[0]} sees no pictures (vision: false); name a model that does")

    def servers(self, recipe: Recipe) -> list[str]:
        return list(dict.fromkeys(m.server for m in self.ask(recipe).models if m.server is not None))

    def settings(self, recipe: Recipe) -> Any:
        config = self.ask(recipe)
        models = [chat_model(model, None).id for model in config.models]
        own = config.model_dump(exclude={"model", "samplers", "judge"})
        return [
            own,
            models,
            bool(config.judge),
            recipe.seed,
            SAMPLING,
            [prompt_text.prompt_of(name) for name in _PROMPTS],
        ]

    def plan(self, run: Run) -> list[Part]:
        base, cut = self.base(run), cut_of(run)
        return [self.part(base, cut, part.name, part.key, part.rows, {}) for part in sample_parts(run)]

    def worker(self, run: Run) -> Worker:
        return ProposalWorker(self.ask(run.recipe), run.recipe.limits.to_limits(), run.workspace, run.recipe.seed)


@dataclass
class ProposalWorker:
    config: AskConfig
    limits: Limits
    workspace: Workspace
    seed: int
    _models: list[ChatModel] = field(default_factory=list)
    _asker: QuestionAsker | None = None

    def setup(self) -> None:
        clients: dict[str, ChatModel] = {}
        for config in self.config.models:
            key = config.model_dump_json() + repr(config.urls)
            if key not in clients:
                clients[key] = chat_model(config, self.workspace.store)
                clients[key].setup()
            self._models.append(clients[key])
        proposer, *others = self._models
        judge = others.pop() if self.config.judge is not None else None
        renderer = Renderer(self.limits, self.workspace)
        self._asker = QuestionAsker(self.config, self.seed, proposer, others, judge, renderer)

    def close(self) -> None:
        for client in {id(client): client for client in self._models}.values():
            client.close()
        if self._asker is not None:
            self._asker.renderer.close()

    def process(self, part: Part) -> Output:
        spec: CotPart = part.spec
        table = spec.rows.read(self.workspace.store)
        material = {row.id: row for row in rows_of(table, SourceMaterial)}
        samples = objects(table.select(LOCATED.names))
        inputs = {row.id: _input(row, material[row.id]) for row in samples}
        units = spec.earlier.units(self.workspace, "proposals", PROPOSALS, "sample", inputs)
        units |= self._made([row for row in samples if row.id not in units], material)
        units = dict(sorted(units.items()))
        rows = rows_in(units.values())
        base, write = f"cot/proposals/{part.name}-{part.key[:16]}", self.workspace.write_table
        files = {
            "proposals": write(f"{base}.parquet", pa.Table.from_pylist(rows, PROPOSALS)),
            "inputs": write(f"{base}-inputs.parquet", table_of_inputs(units, inputs)),
        }
        verdicts = Counter(row["verdict"] for row in rows)
        counts = {"samples": len(samples), "proposed": len(rows), **dict(sorted(verdicts.items()))}
        return Output(files, counts)

    def _made(self, samples: Sequence[Located], material: Mapping[str, SourceMaterial]) -> dict[str, Unit]:
        if self._asker is None:
            raise RuntimeError("setup() comes before process()")
        units = {}
        for some in chunks(iter(samples), _CHUNK):
            by_sample, unfinished = self._asker.over(some, material)
            for id_, rows in by_sample.items():
                kept = without_unsettled(rows) if self.config.unsettled == "drop" else rows
                units[id_] = Unit([row.to_row() for row in kept], final=id_ not in unfinished)
        return units


def _input(row: Located, material: SourceMaterial) -> str:
    """Digest of what the proposals of a sample are made from, besides its bytes and the settings."""
    return digest(row.captions, row.facts, material.texts, encode("pairs", material.pairs))
