"""Samples paths of reasoning from a model: single turns, text-only baselines, and dialogues with tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.cot.checks.grade import read
from dataengine.cot.core.question import Question
from dataengine.cot.core.seeded import derive_seed
from dataengine.cot.core.tables import AskedQuestion, PathRow
from dataengine.cot.paths.reasoning_path import FailedPath, ReasoningPath, path_of
from dataengine.cot.paths.tool_dialogue import converse
from dataengine.cot.tasks.plugin_tasks import OWN
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.program import Program
from dataengine.cot.teachers.renderer import Renderer
from dataengine.media.sandbox.pool import Failed
from dataengine.models.serving.completion import ChatModel, Request, Result
from dataengine.samples.locate import Located


@dataclass(frozen=True)
class SampledPath:
    """A row, and where the model had tools the pictures (PNG) of the record, those that they gave
    after those that the question shows; None where it had none."""

    row: PathRow
    pictures: tuple[bytes, ...] | None = None


@dataclass(frozen=True)
class PathSampler:
    """One of the recipe's models at its ``place`` among the teachers."""

    config: CotConfig
    model: OpenAIConfig
    place: int
    teacher: ChatModel
    renderer: Renderer

    def paths(
        self,
        asked: Sequence[AskedQuestion],
        rendered: Mapping[str, dict[str, list[bytes]]],
        located: Mapping[str, Located],
    ) -> Iterator[SampledPath]:
        """All paths of a chunk of questions. Raises RunError where all further requests would fail."""
        single: list[tuple[PathRow, Request]] = []
        dialogues: list[tuple[PathRow, Request]] = []
        pictures: dict[str, bytes] = {}
        canvases: dict[str, Canvas] = {}
        own: dict[str, tuple[bytes, ...]] = {}
        questions = {one.rid: one.question for one in asked}
        for one in asked:
            question = one.question
            if not prompt_text.answerable(question, self.model):
                continue
            images = self.renderer.question_images(one)
            views = prompt_text.views(question, rendered.get(one.sample, {}), images)
            if not views:
                failed = path_row(
                    question, self.place * self.config.paths_per_question, self.teacher.id, "", question.seed
                )
                yield SampledPath(replace(failed, failure="media", message="the sample cannot be shown"))
                continue
            if question.style == "agentic":
                canvases[question.id] = canvas_of(one, located)
                own[question.id] = tuple(images[: question.shown])
            names = prompt_text.register(views, pictures)
            (dialogues if question.style == "agentic" else single).extend(self._requests(question, names))
            single += self._text_only(question)
            single += self._direct(question, names)
        for at, result in self.teacher.complete([request for _, request in single], pictures.__getitem__):
            row = single[at][0]
            yield SampledPath(with_outcome(row, path_of(result), questions[row.rid]))
        for row, path in self._converse(dialogues, pictures, canvases):
            shown = (*own[row.rid], *path.pictures) if isinstance(path, ReasoningPath) else ()
            yield SampledPath(with_outcome(row, path, questions[row.rid]), shown)

    def _requests(self, question: Question, names: Sequence[str]) -> Iterator[tuple[PathRow, Request]]:
        prompt = prompt_text.prompt_of(prompt_text.head_of(question, self.model))
        for path in range(self.config.paths_per_question):
            seed = derive_seed(question.seed, self.teacher.id, path)
            row = path_row(question, self.place * self.config.paths_per_question + path, self.teacher.id, prompt, seed)
            yield row, prompt_text.path(question, names, seed, self.config, self.model)

    def _text_only(self, question: Question) -> Iterator[tuple[PathRow, Request]]:
        if self.config.text_only_baseline:
            request = prompt_text.text_only(question, derive_seed(question.seed, self.teacher.id, "blind"))
            prompt = prompt_text.prompt_of("blind")
            row = path_row(question, self.place * self.config.paths_per_question, self.teacher.id, prompt, request.seed)
            yield replace(row, kind="text_only"), request

    def _direct(self, question: Question, names: Sequence[str]) -> Iterator[tuple[PathRow, Request]]:
        if self.config.tool_baseline and question.style == "agentic":
            request = prompt_text.direct(question, names, derive_seed(question.seed, self.teacher.id, "direct"))
            prompt = prompt_text.prompt_of("direct")
            row = path_row(question, self.place * self.config.paths_per_question, self.teacher.id, prompt, request.seed)
            yield replace(row, kind="direct"), request

    def _converse(
        self,
        dialogues: Sequence[tuple[PathRow, Request]],
        pictures: dict[str, bytes],
        canvases: Mapping[str, Canvas],
    ) -> Iterator[tuple[PathRow, ReasoningPath | FailedPath]]:
        def run(programs: Sequence[tuple[int, str]]) -> Sequence[bytes | str | Failed]:
            worked_on = ((canvases[dialogues[index][0].rid], code) for index, code in programs)
            return self.renderer.run_programs([(one.located, one.program(code)) for one, code in worked_on])

        def complete(requests: Sequence[Request]) -> Iterator[tuple[int, Result]]:
            return self.teacher.complete(requests, pictures.__getitem__)

        first = [request for _, request in dialogues]
        for index, path in converse(first, complete, run, self.config.max_tool_turns, pictures):
            yield dialogues[index][0], path


@dataclass(frozen=True)
class Canvas:
    """What the programs of a question work on: the bytes from which the task makes the picture."""

    located: Located
    task: str
    parameters: tuple[tuple[str, str], ...]

    def program(self, code: str) -> Program:
        return Program(code, self.task, self.parameters)


def canvas_of(one: AskedQuestion, located: Mapping[str, Located]) -> Canvas:
    """The sample, of which the task makes the picture; for the task of a plugin the picture that is shown, where there is one of
    its own."""
    question = one.question
    if question.task in OWN:
        return Canvas(located[one.sample], question.task, tuple(question.parameters.items()))
    if not question.shown:
        return Canvas(located[one.sample], "", ())
    member = one.members[0]
    return Canvas(Located(one.rid, "image", "png", member.size, (), one.pack, member.offset, {}), "", ())


def path_row(question: Question, index: int, teacher: str, prompt: str, seed: int) -> PathRow:
    """A row without its outcome."""
    return PathRow(question.id, "path", index, teacher, prompt, seed)


def with_outcome(row: PathRow, path: ReasoningPath | FailedPath, question: Question) -> PathRow:
    """The row with what came of it: the reply in the exact form of its mode, as far as it can be brought to it."""
    if isinstance(path, FailedPath):
        return replace(row, failure=path.failure, message=path.message[:300])
    confidence = path.confidence
    return replace(
        row,
        text=path.text.strip() if row.kind == "text_only" else read(question, path.text, path.reasoning),
        confidence=confidence.mean,
        least_token=confidence.lowest,
        step_means=confidence.step_means,
        step_leasts=confidence.step_lowest,
    )
