"""Asks a model for the paths of some questions: single turns, blind answers, and conversations with tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.cot.core.record import Record
from dataengine.cot.core.seeded import derive_seed
from dataengine.cot.paths.tool_dialogue import converse
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.base import Ask, NotSaid, Said, Teacher
from dataengine.cot.teachers.factory import stop
from dataengine.cot.teachers.renderer import Shower
from dataengine.media.sandbox.pool import Failed
from dataengine.samples.locate import Located

PathRow = dict[str, Any]
"""A row of tables.PATHS; while it is made, ``pictures`` are the PNGs that tools have given."""


@dataclass(frozen=True)
class Asking:
    """One of the recipe's models at its ``place`` among the teachers."""

    config: CotConfig
    model: OpenAIConfig
    place: int
    teacher: Teacher
    shower: Shower

    def paths(
        self,
        asked: Sequence[tuple[Record, Mapping[str, Any]]],
        shown: Mapping[str, dict[str, list[bytes]]],
        located: Mapping[str, Located],
    ) -> Iterator[PathRow]:
        """All paths of a chunk of questions (records with their rows of tables.QUESTIONS). Raises RunError where going on is
        of no use."""
        single: list[tuple[PathRow, Ask]] = []
        talks: list[tuple[PathRow, Ask]] = []
        pictures: dict[str, bytes] = {}
        samples: dict[str, str] = {}
        for record, row in asked:
            if not prompt_text.answerable(record, self.model):
                continue
            views = prompt_text.views(record, shown.get(row["sample"], {}), self.shower.own(row))
            if not views:
                told = path_row(record, self.place * self.config.paths, self.teacher.id, "", record.seed)
                yield told | {"failure": "media", "message": "the sample cannot be shown"}
                continue
            samples[record.id] = row["sample"]
            names = prompt_text.register(views, pictures)
            (talks if record.style == "agentic" else single).extend(self._wanted(record, names))
            single += self._blind(record)
        for at, said in self.teacher.answer([ask for _, ask in single], pictures.__getitem__):
            yield single[at][0] | told_of(said)
        yield from self._talked(talks, pictures, lambda row: located[samples[row["rid"]]])

    def _wanted(self, record: Record, names: Sequence[str]) -> Iterator[tuple[PathRow, Ask]]:
        prompt = prompt_text.prompt_of(prompt_text.head_of(record, self.model))
        for path in range(self.config.paths):
            seed = derive_seed(record.seed, self.teacher.id, path)
            row = path_row(record, self.place * self.config.paths + path, self.teacher.id, prompt, seed)
            yield row, prompt_text.path(record, names, seed, self.config, self.model)

    def _blind(self, record: Record) -> Iterator[tuple[PathRow, Ask]]:
        if self.config.blind:
            ask = prompt_text.blind(record, derive_seed(record.seed, self.teacher.id, "blind"))
            row = path_row(
                record, self.place * self.config.paths, self.teacher.id, prompt_text.prompt_of("blind"), ask.seed
            )
            yield row | {"kind": "blind"}, ask

    def _talked(
        self, talks: Sequence[tuple[PathRow, Ask]], pictures: dict[str, bytes], where: Any
    ) -> Iterator[PathRow]:
        def run(programs: Sequence[tuple[int, str]]) -> Sequence[bytes | str | Failed]:
            return self.shower.run([(where(talks[place][0]), code) for place, code in programs])

        def answers(wanted: Sequence[Ask]) -> Iterator[tuple[int, Said | NotSaid]]:
            return self.teacher.answer(wanted, pictures.__getitem__)

        first = [ask for _, ask in talks]
        for place, talk, said in converse(first, answers, run, self.config.tool_turns, pictures):
            yield talks[place][0] | told_of(said) | {"pictures": talk.pictures if isinstance(said, Said) else []}


def path_row(record: Record, index: int, teacher: str, prompt: str, seed: int) -> PathRow:
    """A row without what was said."""
    told = {"rid": record.id, "kind": "path", "index": index, "teacher": teacher, "prompt": prompt, "seed": seed}
    empty = ("text", "planted", "failure", "message", "confidence", "least_token", "pack")
    return told | dict.fromkeys(empty) | {"step_means": [], "step_leasts": [], "members": []}


def told_of(said: Said | NotSaid) -> PathRow:
    """What came of a call. Raises RunError where the next one would meet the same."""
    if isinstance(said, Said):
        steps = {"step_means": list(said.step_means), "step_leasts": list(said.step_leasts)}
        return {"text": said.text.strip(), "confidence": said.confidence, "least_token": said.least, **steps}
    stop(said)
    return {"failure": said.failure.value, "message": said.message[:300]}
