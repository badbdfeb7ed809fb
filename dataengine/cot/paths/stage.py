"""cot.paths: samples several paths of reasoning for each question by each teacher, and a text-only baseline by each model.

The programmatic teacher needs no media. A model sees the pictures (of a video, its frames), in chunks of questions so that
memory does not grow with the part; completions are cached in the workspace by content, so none is paid for twice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.config.recipe import Recipe
from dataengine.cot.core.columns import Member
from dataengine.cot.core.question import Question
from dataengine.cot.core.seeded import Draw
from dataengine.cot.core.shard_samples import samples_by_shard
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import AskedQuestion, PathRow, rows_of, table_of
from dataengine.cot.paths.error_injection import with_error
from dataengine.cot.paths.sampler import PathSampler, SampledPath, path_row
from dataengine.cot.tasks.programmatic import TEACHER, exchange
from dataengine.cot.tasks.registry import TASKS
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.media.limits import Limits
from dataengine.models.serving.completion import ChatModel
from dataengine.models.serving.connect import chat_model
from dataengine.samples.locate import Located
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest

_CHUNK = 64
_KINDS = ("text_only", "path")
"""In the order in which a question's rows lie in the table."""


class CotPaths(Cot, RecordStage):
    """One part a part of the questions."""

    name = "cot.paths"
    version = "3"
    needs = ("shard.assign", "cot.questions")

    def validate(self, recipe: Recipe) -> None:
        for config in models(self.config(recipe)):
            chat_model(config, None).validate()

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        teachers = [chat_model(c, None).id if isinstance(c, OpenAIConfig) else c.model_dump() for c in config.teachers]
        return [
            teachers,
            prompt_text.VERSION,
            config.paths_per_question,
            config.temperature,
            config.max_tokens,
            config.text_only_baseline,
            config.show_answer,
            *([config.max_tool_turns] if models(config) else []),
        ]

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, self.settings(run.recipe), run.recipe.limits.model_dump())
        located = samples_by_shard(run) if models(self.config(run.recipe)) else {}
        return [
            Part(name, digest(base, out.files["questions"].sha256), (out.files["questions"], located.get(name, [])))
            for name, out in sorted(run.records["cot.questions"].parts.items())
        ]

    def worker(self, run: Run) -> Worker:
        return PathWorker(self.config(run.recipe), run.recipe.limits.to_limits(), run.workspace)


def models(config: CotConfig) -> list[OpenAIConfig]:
    """The teachers behind model servers."""
    return [c for c in config.teachers if isinstance(c, OpenAIConfig)]


@dataclass
class PathWorker:
    config: CotConfig
    limits: Limits
    workspace: Workspace
    _teachers: list[ChatModel] = field(default_factory=list)
    _samplers: list[PathSampler] = field(default_factory=list)
    _renderer: Renderer | None = None

    def setup(self) -> None:
        if not models(self.config):
            return
        self._renderer = Renderer(self.limits, self.workspace)
        for place, config in enumerate(self.config.teachers):
            if isinstance(config, OpenAIConfig):
                teacher = chat_model(config, self.workspace.store)
                teacher.setup()
                self._teachers.append(teacher)
                self._samplers.append(PathSampler(self.config, config, place, teacher, self._renderer))

    def close(self) -> None:
        for teacher in self._teachers:
            teacher.close()
        if self._renderer is not None:
            self._renderer.close()

    def process(self, part: Part) -> Output:
        file, located = part.spec
        table = self.workspace.read_table([file], AskedQuestion.schema, AskedQuestion.columns())
        questions = rows_of(table.filter(pc.is_valid(table["question"])), AskedQuestion)
        paths = [path for one in questions for path in self._programmatic(one.question)]
        by_id = {one.id: one for one in located}
        for start in range(0, len(questions) if self._samplers else 0, _CHUNK):
            paths += self._sampled(questions[start : start + _CHUNK], by_id)
        paths.sort(key=lambda p: (p.row.rid, _KINDS.index(p.row.kind), p.row.index))
        base = f"cot/paths/{part.name}-{part.key[:16]}"
        rows, files = self._packed(paths, f"{base}.bin")
        files["paths"] = self.workspace.write_table(f"{base}.parquet", table_of(PathRow, rows))
        failed = sum(row.failure is not None for row in rows)
        injected = sum(row.injected is not None for row in rows)
        return Output(files, {"paths": len(rows), "failed": failed, "planted": injected})

    def _packed(self, paths: Sequence[SampledPath], key: str) -> tuple[list[PathRow], dict[str, File]]:
        """The rows, and the pictures of tools in one file, in the order of the paths."""
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pack")
            with path.open("wb") as pack:
                for one in paths:
                    members = []
                    for number, data in enumerate(one.pictures or ()):
                        members.append(Member(f"obs{number}.png", pack.tell(), len(data)))
                        pack.write(data)
                    with_tools = one.pictures is not None
                    rows.append(replace(one.row, pack=key, members=tuple(members)) if with_tools else one.row)
                size = pack.tell()
            return rows, {"pack": File(key, self.workspace.store.put(key, path), size)} if size else {}

    def _programmatic(self, question: Question) -> Iterator[SampledPath]:
        for place, config in enumerate(self.config.teachers):
            if isinstance(config, OpenAIConfig) or not TASKS[question.task].programs(question.style):
                continue
            for path in range(place * self.config.paths_per_question, (place + 1) * self.config.paths_per_question):
                reply, wrong = exchange(question, path).reply, None
                draw = Draw(question.seed, "plant", path)
                if draw.below(1_000_000) < config.error_injection_rate * 1_000_000:
                    wrong = with_error(question, reply, draw)
                error, text = wrong or (None, reply.render())
                row = path_row(question, path, TEACHER, "", question.seed)
                yield SampledPath(replace(row, text=text, injected=error))

    def _sampled(self, chunk: Sequence[AskedQuestion], located: Mapping[str, Located]) -> Iterator[SampledPath]:
        """Paths of a chunk of questions by all models; each sample is decoded once."""
        if self._renderer is None:
            raise RuntimeError("setup() comes before process()")
        questions = [one.question for one in chunk]
        answerable = [q for q in questions if any(prompt_text.answerable(q, one.model) for one in self._samplers)]
        rendered = self._renderer.samples(answerable, located)
        for sampler in self._samplers:
            yield from sampler.paths(chunk, rendered, located)
