"""Samples paths of reasoning from a model: single turns, text-only baselines, and dialogues with tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.cot.core.record import Record
from dataengine.cot.core.seeded import derive_seed
from dataengine.cot.paths.path import FailedPath, Path, path_of
from dataengine.cot.paths.tool_dialogue import converse
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.media.sandbox.pool import Failed
from dataengine.models.serving.completion import ChatModel, Request, Result
from dataengine.samples.locate import Located

PathRow = dict[str, Any]
"""A row of tables.PATHS; while it is made, ``pictures`` are the PNGs that tools have given."""


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
        questions: Sequence[tuple[Record, Mapping[str, Any]]],
        rendered: Mapping[str, dict[str, list[bytes]]],
        located: Mapping[str, Located],
    ) -> Iterator[PathRow]:
        """All paths of a chunk of questions (records with their rows of tables.QUESTIONS). Raises RunError where all further
        requests would fail."""
        single: list[tuple[PathRow, Request]] = []
        dialogues: list[tuple[PathRow, Request]] = []
        pictures: dict[str, bytes] = {}
        samples: dict[str, str] = {}
        for record, row in questions:
            if not prompt_text.answerable(record, self.model):
                continue
            views = prompt_text.views(record, rendered.get(row["sample"], {}), self.renderer.question_images(row))
            if not views:
                failed = path_row(record, self.place * self.config.paths, self.teacher.id, "", record.seed)
                yield failed | {"failure": "media", "message": "the sample cannot be shown"}
                continue
            samples[record.id] = row["sample"]
            names = prompt_text.register(views, pictures)
            (dialogues if record.style == "agentic" else single).extend(self._requests(record, names))
            single += self._text_only(record)
        for at, result in self.teacher.complete([request for _, request in single], pictures.__getitem__):
            yield single[at][0] | path_columns(path_of(result))
        yield from self._converse(dialogues, pictures, lambda row: located[samples[row["rid"]]])

    def _requests(self, record: Record, names: Sequence[str]) -> Iterator[tuple[PathRow, Request]]:
        prompt = prompt_text.prompt_of(prompt_text.head_of(record, self.model))
        for path in range(self.config.paths):
            seed = derive_seed(record.seed, self.teacher.id, path)
            row = path_row(record, self.place * self.config.paths + path, self.teacher.id, prompt, seed)
            yield row, prompt_text.path(record, names, seed, self.config, self.model)

    def _text_only(self, record: Record) -> Iterator[tuple[PathRow, Request]]:
        if self.config.blind:
            request = prompt_text.text_only(record, derive_seed(record.seed, self.teacher.id, "blind"))
            prompt = prompt_text.prompt_of("blind")
            row = path_row(record, self.place * self.config.paths, self.teacher.id, prompt, request.seed)
            yield row | {"kind": "blind"}, request

    def _converse(
        self,
        dialogues: Sequence[tuple[PathRow, Request]],
        pictures: dict[str, bytes],
        locate: Callable[[PathRow], Located],
    ) -> Iterator[PathRow]:
        def run(programs: Sequence[tuple[int, str]]) -> Sequence[bytes | str | Failed]:
            return self.renderer.run_programs([(locate(dialogues[index][0]), code) for index, code in programs])

        def complete(requests: Sequence[Request]) -> Iterator[tuple[int, Result]]:
            return self.teacher.complete(requests, pictures.__getitem__)

        first = [request for _, request in dialogues]
        for index, path in converse(first, complete, run, self.config.tool_turns, pictures):
            images = list(path.pictures) if isinstance(path, Path) else []
            yield dialogues[index][0] | path_columns(path) | {"pictures": images}


def path_row(record: Record, index: int, teacher: str, prompt: str, seed: int) -> PathRow:
    """A row without its outcome."""
    known = {"rid": record.id, "kind": "path", "index": index, "teacher": teacher, "prompt": prompt, "seed": seed}
    empty = ("text", "planted", "failure", "message", "confidence", "least_token", "pack")
    return known | dict.fromkeys(empty) | {"step_means": [], "step_leasts": [], "members": []}


def path_columns(path: Path | FailedPath) -> PathRow:
    """The columns that a path fills."""
    if isinstance(path, FailedPath):
        return {"failure": path.failure, "message": path.message[:300]}
    sure = path.confidence
    steps = {"step_means": list(sure.step_means), "step_leasts": list(sure.step_leasts)}
    return {"text": path.text.strip(), "confidence": sure.mean, "least_token": sure.least, **steps}
