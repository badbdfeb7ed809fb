"""cot.paths: samples several paths of reasoning for each question by each teacher, and a text-only baseline by each model.

The programmatic teacher needs no media. A model sees the pictures (of a video, its frames), in chunks of questions so that
memory does not grow with the part; completions are cached in the workspace by content, so none is paid for twice. Paths of a
question that an earlier part holds are copied from there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.config.recipe import Recipe
from dataengine.cot.core.earlier import Unit, rows_in, table_of_inputs
from dataengine.cot.core.picture_packs import UNPACKED, Pictures, collected
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import TEACHER
from dataengine.cot.core.schemas import PATHS
from dataengine.cot.core.seeded import Draw
from dataengine.cot.core.stage import CotPart, CotParts
from dataengine.cot.core.tables import AskedQuestion, PathRow, rows_of
from dataengine.cot.paths.error_injection import with_error
from dataengine.cot.paths.reasoning_path import DialogueFailure
from dataengine.cot.paths.recombination import recombined
from dataengine.cot.paths.sampler import PathSampler, SampledPath, path_row
from dataengine.cot.tasks.plugin_tasks import task_plugins, use, versions
from dataengine.cot.tasks.programmatic import exchange
from dataengine.cot.tasks.registry import TASKS
from dataengine.cot.tasks.rendered import fonts
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.models.serving.completion import FINAL, ChatModel
from dataengine.models.serving.connect import chat_model
from dataengine.plugins.offers import Plugin
from dataengine.samples.locate import Located
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import Output, Workspace, digest

_CHUNK = 64
_KINDS = ("text_only", "direct", "path")
"""In the order in which a question's rows lie in the table."""
_PROMPTS = ("thinking", "non_thinking", "auto", "agentic", "agentic_calls", "blind", "direct", "shown_answer")
_FINAL = frozenset({None, *FINAL, DialogueFailure.TURNS})
"""Failures that the same question would meet again."""


class CotPaths(CotParts):
    """One part a part of the questions."""

    name = "cot.paths"
    version = "7"
    needs = ("cot.material", "cot.questions")

    def validate(self, recipe: Recipe) -> None:
        for config in models(self.config(recipe)):
            chat_model(config, None).validate()

    def servers(self, recipe: Recipe) -> list[str]:
        return [config.server for config in models(self.config(recipe)) if config.server is not None]

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        teachers = [chat_model(c, None).id if isinstance(c, OpenAIConfig) else c.model_dump() for c in config.teachers]
        return [
            teachers,
            [prompt_text.prompt_of(name) for name in _PROMPTS],
            config.paths_per_question,
            config.temperature,
            config.max_tokens,
            config.text_only_baseline,
            config.tool_baseline,
            config.show_answer,
            *([config.max_tool_turns, recombines(config)] if models(config) else []),
            *versions(task_plugins(recipe)),
        ]

    def reads_media(self, recipe: Recipe) -> bool:
        return bool(models(self.config(recipe)))

    def plan(self, run: Run) -> list[Part]:
        parts = run.records["cot.questions"].parts
        return self.parts(run, {name: {"questions": out.files["questions"]} for name, out in parts.items()})

    def worker(self, run: Run) -> Worker:
        limits, plugins = run.recipe.limits.to_limits(), task_plugins(run.recipe)
        return PathWorker(self.config(run.recipe), limits, run.workspace, plugins)


def models(config: CotConfig) -> list[OpenAIConfig]:
    """The teachers behind model servers."""
    return [c for c in config.teachers if isinstance(c, OpenAIConfig)]


def recombines(config: CotConfig) -> bool:
    """Whether recurring steps of right paths become a path of their own."""
    return config.recombine == "always" or (config.recombine == "judged" and config.judge is not None)


@dataclass
class PathWorker:
    config: CotConfig
    limits: Limits
    workspace: Workspace
    plugins: tuple[Plugin, ...] = ()
    _teachers: list[ChatModel] = field(default_factory=list)
    _samplers: list[PathSampler] = field(default_factory=list)
    _renderer: Renderer | None = None

    def setup(self) -> None:
        use(self.plugins)
        if not models(self.config):
            return
        fonts.prepare()
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
        spec: CotPart = part.spec
        table = self.workspace.read_table([spec.files["questions"]], AskedQuestion.schema, AskedQuestion.columns())
        table = table.filter(pc.is_valid(table["question"]))
        inputs = {row["rid"]: digest(row["question"]) for row in table.select(["rid", "question"]).to_pylist()}
        units = spec.earlier.units(self.workspace, "paths", PATHS, "rid", inputs)
        with collected(self.workspace.store) as pictures:
            new = rows_of(table.filter(pc.invert(pc.is_in(table["rid"], value_set=_names(units)))), AskedQuestion)
            units = dict(sorted({**units, **self._made(new, spec, pictures)}.items()))
            rows = pictures.publish(rows_in(units.values()), "cot/pictures", lambda row: spec.cut.pack(row["rid"]))
        base, write = f"cot/paths/{part.name}-{part.key[:16]}", self.workspace.write_table
        files = {
            "paths": write(f"{base}.parquet", pa.Table.from_pylist(rows, PATHS)),
            "inputs": write(f"{base}-inputs.parquet", table_of_inputs(units, inputs)),
        }
        failed = sum(row["failure"] is not None for row in rows)
        injected = sum(row["injected"] is not None for row in rows)
        return Output(files, {"paths": len(rows), "failed": failed, "planted": injected})

    def _made(self, questions: Sequence[AskedQuestion], spec: CotPart, pictures: Pictures) -> dict[str, Unit]:
        """The paths of each question, by id; those of a question that nobody answers are none."""
        paths = [path for one in questions for path in self._programmatic(one.question)]
        located = spec.located(self.workspace) if questions and self._samplers else {}
        for start in range(0, len(questions) if self._samplers else 0, _CHUNK):
            paths += self._sampled(questions[start : start + _CHUNK], located)
        paths.sort(key=lambda p: (p.row.rid, _KINDS.index(p.row.kind), p.row.index))
        rows: dict[str, list[PathRow]] = defaultdict(list)
        for one in paths:
            rows[one.row.rid].append(_packed(one, pictures))
        if recombines(self.config):
            for row in questions:
                if (path := recombined(row.question, rows[row.rid], self._most_paths)) is not None:
                    rows[row.rid].append(path)
        return {one.rid: _unit(rows[one.rid]) for one in questions}

    @property
    def _most_paths(self) -> int:
        return len(self.config.teachers) * self.config.paths_per_question

    def _programmatic(self, question: Question) -> Iterator[SampledPath]:
        for place, config in enumerate(self.config.teachers):
            if isinstance(config, OpenAIConfig) or not TASKS[question.task].programs(question.style):
                continue
            for path in range(place * self.config.paths_per_question, (place + 1) * self.config.paths_per_question):
                row = path_row(question, path, TEACHER, "", question.seed)
                try:
                    reply, wrong = exchange(question, path).reply, None
                except InputError as failed:  # by the task of a plugin
                    yield SampledPath(replace(row, failure=failed.failure, message=failed.message))
                    continue
                draw = Draw(question.seed, "plant", path)
                if draw.below(1_000_000) < config.error_injection_rate * 1_000_000:
                    wrong = with_error(question, reply, draw)
                error, text = wrong or (None, reply.render())
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


def _packed(path: SampledPath, pictures: Pictures) -> PathRow:
    """The row, the pictures of a model's tools added to those of the part."""
    if path.pictures is None:
        return path.row
    names = (f"obs{number}.png" for number in range(len(path.pictures)))
    return replace(path.row, pack=UNPACKED, members=pictures.add(zip(names, path.pictures, strict=True)))


def _unit(paths: Sequence[PathRow]) -> Unit:
    return Unit([row.to_row() for row in paths], final=all(row.failure in _FINAL for row in paths))


def _names(units: Mapping[str, Unit]) -> pa.Array[Any]:
    return pa.array(list(units), pa.string())
