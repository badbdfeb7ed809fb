"""Workers of the CoT steps on a few samples, without a run around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dataengine.config.cot import CotConfig
from dataengine.cot.checks.stage import CheckWorker
from dataengine.cot.core.columns import Member
from dataengine.cot.core.tables import CheckRow, PathRow, QuestionRow, R, SourceMaterial, read_rows, table_of
from dataengine.cot.paths.stage import PathWorker
from dataengine.cot.questions.stage import QuestionWorker
from dataengine.media.limits import Limits
from dataengine.samples.locate import Located
from dataengine.stage import Part, Worker
from dataengine.storage.workspace import Output, Workspace, digest
from support.cot_corpus import alone, pictures, videos


class Workshop:
    """``material``: what the source says of a sample, by its id, where it says something."""

    def __init__(self, folder: Path, ids: Sequence[str], config: Mapping[str, Any], seed: int = 3) -> None:
        self.workspace = Workspace(str(folder))
        self.config = CotConfig.model_validate({"paths_per_question": 1, "text_only_baseline": False, **config})
        self.seed = seed
        self.located = [self._put(id_) for id_ in ids]
        self.outputs: dict[str, Output] = {}

    def questions(self, material: Mapping[str, SourceMaterial] | None = None) -> list[QuestionRow]:
        known = {row.id: (material or {}).get(row.id, SourceMaterial(row.id)) for row in self.located}
        videos = {row.id: row for row in self.located}
        worker = QuestionWorker(Limits(), self.workspace, self.seed, self.config)
        return self._rows("questions", worker, (self.located, known, videos), QuestionRow)

    def only(self, rows: Sequence[QuestionRow], **config: Any) -> Workshop:
        """The same place with these questions alone, and another recipe."""
        changed = self.config.model_dump() | {"paths_per_question": 1, "text_only_baseline": False} | config
        other = Workshop(Path(self.workspace.store.url), [], changed, self.seed)
        name = digest([row.rid for row in rows])
        other.located = self.located
        file = self.workspace.write_table(f"only-{name}.parquet", table_of(QuestionRow, rows))
        other.outputs["questions"] = Output({"questions": file})
        return other

    def paths(self) -> list[PathRow]:
        worker = PathWorker(self.config, Limits(), self.workspace)
        return self._rows("paths", worker, (self.outputs["questions"].files["questions"], self.located), PathRow)

    def checks(self) -> list[CheckRow]:
        worker = CheckWorker(self.config.judge, Limits(), self.workspace)
        files = [self.outputs[name].files[name] for name in ("questions", "paths")]
        return self._rows("checks", worker, (*files, self.located), CheckRow)

    def pictures(self, pack: str | None, members: Sequence[Member]) -> dict[str, bytes]:
        """Of a path or a question, by name."""
        store = self.workspace.store
        return {m.name: store.get_range(pack, m.offset, m.size) for m in members} if pack else {}

    def _put(self, id_: str) -> Located:
        data, known = (pictures() | videos())[id_], alone(id_)
        self.workspace.store.put(f"media/{id_}", data)
        facts = {"duration": known.facts.get("duration")}
        return Located(id_, known.kind, "bin", len(data), known.captions, f"media/{id_}", 0, facts)

    def _rows(self, name: str, worker: Worker, spec: Any, kind: type[R]) -> list[R]:
        with working(worker):
            self.outputs[name] = worker.process(Part("train-image-00000", "k" * 16, spec))
        return read_rows(self.workspace, [self.outputs[name].files[name]], kind)


@contextmanager
def working(worker: Worker) -> Iterator[None]:
    worker.setup()
    try:
        yield
    finally:
        worker.close()
