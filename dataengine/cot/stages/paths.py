"""cot.paths: several paths of reasoning for each question, by each teacher, and a blind answer where a model is asked.

The programmatic teacher needs no media. A model is shown the pictures (of a video, its frames), in chunks of questions so
that memory does not grow with the part; finished generations lie in the workspace by content, so none is paid for twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dataengine.cot import asks
from dataengine.cot.draw import Draw, derive_seed
from dataengine.cot.plant import planted
from dataengine.cot.record import Record
from dataengine.cot.shower import Shower
from dataengine.cot.stages.base import Cot
from dataengine.cot.stages.questions import samples
from dataengine.cot.tables import PATHS, QUESTIONS
from dataengine.cot.teach import stop, teacher_of
from dataengine.cot.teachers.base import Ask, NotSaid, Said, Teacher
from dataengine.cot.written import TEACHER, exchange
from dataengine.cot_config import CotConfig, OpenAIConfig
from dataengine.ingest.stage import limits_of
from dataengine.locate import Located
from dataengine.media.limits import Limits
from dataengine.recipe import Recipe
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.workspace import Output, Workspace, digest

_CHUNK = 64
_COLUMNS = ("rid", "sample", "record", "pack", "members")


class CotPaths(Cot, RecordStage):
    """One part a part of the questions."""

    name = "cot.paths"
    version = "1"
    needs = ("shard.assign", "cot.questions")

    def validate(self, recipe: Recipe) -> None:
        for config in models(self.config(recipe)):
            teacher_of(config, None).validate()

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        told = [teacher_of(c, None).id if isinstance(c, OpenAIConfig) else c.model_dump() for c in config.teachers]
        return [
            told,
            asks.VERSION,
            config.paths,
            config.temperature,
            config.max_tokens,
            config.blind,
            config.show_answer,
        ]

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, self.settings(run.recipe), run.recipe.limits.model_dump())
        located = samples(run) if models(self.config(run.recipe)) else {}
        return [
            Part(name, digest(base, out.files["questions"].sha256), (out.files["questions"], located.get(name, [])))
            for name, out in sorted(run.records["cot.questions"].parts.items())
        ]

    def worker(self, run: Run) -> Worker:
        return PathWorker(self.config(run.recipe), limits_of(run.recipe), run.workspace)


def models(config: CotConfig) -> list[OpenAIConfig]:
    """The teachers that are asked over a network."""
    return [c for c in config.teachers if isinstance(c, OpenAIConfig)]


@dataclass
class PathWorker:
    config: CotConfig
    limits: Limits
    workspace: Workspace
    _teachers: list[tuple[int, Teacher]] = field(default_factory=list)
    _shower: Shower | None = None

    @property
    def shower(self) -> Shower:
        if self._shower is None:
            raise RuntimeError("setup() comes before process()")
        return self._shower

    def setup(self) -> None:
        for place, config in enumerate(self.config.teachers):
            if isinstance(config, OpenAIConfig):
                self._teachers.append((place, teacher_of(config, self.workspace.store)))
        for _, teacher in self._teachers:
            teacher.setup()
        if self._teachers:
            self._shower = Shower(self.limits, self.workspace)

    def close(self) -> None:
        for _, teacher in self._teachers:
            teacher.close()
        if self._shower is not None:
            self._shower.close()

    def process(self, part: Part) -> Output:
        file, located = part.spec
        table = self.workspace.read_table([file], QUESTIONS, _COLUMNS)
        rows = [row for row in table.to_pylist() if row["record"] is not None]
        paths = [path for row in rows for path in self._programmatic(Record.model_validate_json(row["record"]))]
        by_id = {one.id: one for one in located}
        for start in range(0, len(rows) if self._teachers else 0, _CHUNK):
            paths += self._asked(rows[start : start + _CHUNK], by_id)
        paths.sort(key=lambda p: (p["rid"], p["kind"], p["index"]))
        written = self.workspace.write_table(
            f"cot/paths/{part.name}-{part.key[:16]}.parquet", pa.Table.from_pylist(paths, PATHS)
        )
        failed = sum(p["failure"] is not None for p in paths)
        planted_ = sum(p["planted"] is not None for p in paths)
        return Output({"paths": written}, {"paths": len(paths), "failed": failed, "planted": planted_})

    def _programmatic(self, record: Record) -> Iterator[dict[str, Any]]:
        for place, config in enumerate(self.config.teachers):
            if isinstance(config, OpenAIConfig):
                continue
            for path in range(place * self.config.paths, (place + 1) * self.config.paths):
                reply, wrong = exchange(record, path).reply, None
                draw = Draw(record.seed, "plant", path)
                if draw.below(1_000_000) < config.planted * 1_000_000:
                    wrong = planted(record, reply, draw)
                kind, text = wrong or (None, reply.render())
                yield _row(record, path, TEACHER, "", record.seed) | {"text": text, "planted": kind}

    def _asked(self, rows: Sequence[dict[str, Any]], located: dict[str, Located]) -> Iterator[dict[str, Any]]:
        """Paths of a chunk of questions by all models."""
        asked = [(Record.model_validate_json(row["record"]), row) for row in rows]
        asked = [(record, row) for record, row in asked if asks.answerable(record)]
        shown = self.shower.over({row["sample"] for _, row in asked}, located)
        for place, teacher in self._teachers:
            batch: list[tuple[dict[str, Any], Ask]] = []
            pictures: dict[str, bytes] = {}
            for record, row in asked:
                views = asks.views(record, shown.get(row["sample"], {}), self.shower.own(row))
                if views:
                    batch += self._questions(record, place, teacher, views, pictures)
                else:
                    told = _row(record, place * self.config.paths, teacher.id, "", record.seed)
                    yield told | {"failure": "media", "message": "the sample cannot be shown"}
            for at, said in teacher.answer([ask for _, ask in batch], pictures.__getitem__):
                yield batch[at][0] | _told(said)

    def _questions(
        self, record: Record, place: int, teacher: Teacher, views: Sequence[bytes], pictures: dict[str, bytes]
    ) -> Iterator[tuple[dict[str, Any], Ask]]:
        names = asks.register(views, pictures)
        for path in range(self.config.paths):
            seed = derive_seed(record.seed, teacher.id, path)
            ask = asks.path(record, names, seed, self.config)
            row = _row(record, place * self.config.paths + path, teacher.id, asks.prompt_of(record.style), seed)
            yield row, ask
        if self.config.blind:
            ask = asks.blind(record, derive_seed(record.seed, teacher.id, "blind"))
            row = _row(record, place * self.config.paths, teacher.id, asks.prompt_of("blind"), ask.seed)
            yield row | {"kind": "blind"}, ask


def _row(record: Record, index: int, teacher: str, prompt: str, seed: int) -> dict[str, Any]:
    told = {"rid": record.id, "kind": "path", "index": index, "teacher": teacher, "prompt": prompt, "seed": seed}
    return told | {"text": None, "planted": None, "failure": None, "message": None, "confidence": None}


def _told(said: Said | NotSaid) -> dict[str, Any]:
    if isinstance(said, Said):
        return {"text": said.text.strip(), "confidence": said.confidence}
    stop(said)
    return {"failure": said.failure.value, "message": said.message[:300]}
