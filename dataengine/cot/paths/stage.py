"""cot.paths: several paths of reasoning for each question, by each teacher, and a blind answer where a model is asked.

The programmatic teacher needs no media. A model is shown the pictures (of a video, its frames), in chunks of questions so
that memory does not grow with the part; finished generations lie in the workspace by content, so none is paid for twice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.config.recipe import Recipe
from dataengine.cot.core.record import Record
from dataengine.cot.core.seeded import Draw
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import PATHS, QUESTIONS
from dataengine.cot.paths.error_injection import planted
from dataengine.cot.paths.sampler import PathRow, PathSampler, path_row
from dataengine.cot.questions.stage import samples
from dataengine.cot.tasks.programmatic import TEACHER, exchange
from dataengine.cot.tasks.registry import TASKS
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.ingest.stage import limits_of
from dataengine.media.limits import Limits
from dataengine.models.serving.completion import ChatModel
from dataengine.models.serving.connect import chat_model
from dataengine.samples.locate import Located
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest

_CHUNK = 64
_COLUMNS = ("rid", "sample", "record", "pack", "members")


class CotPaths(Cot, RecordStage):
    """One part a part of the questions."""

    name = "cot.paths"
    version = "2"
    needs = ("shard.assign", "cot.questions")

    def validate(self, recipe: Recipe) -> None:
        for config in models(self.config(recipe)):
            chat_model(config, None).validate()

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        told = [chat_model(c, None).id if isinstance(c, OpenAIConfig) else c.model_dump() for c in config.teachers]
        return [
            told,
            prompt_text.VERSION,
            config.paths,
            config.temperature,
            config.max_tokens,
            config.blind,
            config.show_answer,
            *([config.tool_turns] if models(config) else []),
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
        table = self.workspace.read_table([file], QUESTIONS, _COLUMNS)
        rows = [row for row in table.to_pylist() if row["record"] is not None]
        paths = [path for row in rows for path in self._programmatic(Record.model_validate_json(row["record"]))]
        by_id = {one.id: one for one in located}
        for start in range(0, len(rows) if self._samplers else 0, _CHUNK):
            paths += self._sampled(rows[start : start + _CHUNK], by_id)
        paths.sort(key=lambda p: (p["rid"], p["kind"], p["index"]))
        base = f"cot/paths/{part.name}-{part.key[:16]}"
        files = self._packed(paths, f"{base}.bin")
        files["paths"] = self.workspace.write_table(f"{base}.parquet", pa.Table.from_pylist(paths, PATHS))
        failed = sum(p["failure"] is not None for p in paths)
        planted_ = sum(p["planted"] is not None for p in paths)
        return Output(files, {"paths": len(paths), "failed": failed, "planted": planted_})

    def _packed(self, paths: Sequence[PathRow], key: str) -> dict[str, File]:
        """Put the pictures of tools into one file, in the order of the paths."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pack")
            with path.open("wb") as pack:
                for row in (p for p in paths if "pictures" in p):
                    row["pack"] = key
                    for number, data in enumerate(row.pop("pictures")):
                        row["members"].append({"name": f"obs{number}.png", "offset": pack.tell(), "size": len(data)})
                        pack.write(data)
                size = pack.tell()
            return {"pack": File(key, self.workspace.store.put(key, path), size)} if size else {}

    def _programmatic(self, record: Record) -> Iterator[dict[str, Any]]:
        for place, config in enumerate(self.config.teachers):
            if isinstance(config, OpenAIConfig) or not TASKS[record.task].programs(record.style):
                continue
            for path in range(place * self.config.paths, (place + 1) * self.config.paths):
                reply, wrong = exchange(record, path).reply, None
                draw = Draw(record.seed, "plant", path)
                if draw.below(1_000_000) < config.planted * 1_000_000:
                    wrong = planted(record, reply, draw)
                kind, text = wrong or (None, reply.render())
                yield path_row(record, path, TEACHER, "", record.seed) | {"text": text, "planted": kind}

    def _sampled(self, rows: Sequence[dict[str, Any]], located: dict[str, Located]) -> Iterator[PathRow]:
        """Paths of a chunk of questions by all models; what is shown is decoded once."""
        if self._renderer is None:
            raise RuntimeError("setup() comes before process()")
        records = [Record.model_validate_json(row["record"]) for row in rows]
        questions = list(zip(records, rows, strict=True))
        answerable = [r for r in records if any(prompt_text.answerable(r, one.model) for one in self._samplers)]
        rendered = self._renderer.samples(answerable, located)
        for one in self._samplers:
            yield from one.paths(questions, rendered, located)
