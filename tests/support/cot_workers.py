"""Workers of the CoT steps on a few samples, without a run around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataengine.config.cot import CotConfig
from dataengine.cot.checks.stage import CheckWorker
from dataengine.cot.core.tables import CHECKS, PATHS, QUESTIONS
from dataengine.cot.paths.stage import PathWorker
from dataengine.cot.questions.stage import QuestionWorker
from dataengine.media.limits import Limits
from dataengine.samples.locate import Located
from dataengine.stage import Part, Worker
from dataengine.storage.workspace import Output, Workspace, digest
from support.cot_corpus import alone, pictures, videos

Row = dict[str, Any]
NOTHING: Row = {"pairs": "[]", "rivals": "[]", "partners": []}


class Workshop:
    """``given`` are rows of tables.GIVEN by sample, as far as they say something."""

    def __init__(self, folder: Path, ids: Sequence[str], config: Mapping[str, Any], seed: int = 3) -> None:
        self.workspace = Workspace(str(folder))
        self.config = CotConfig.model_validate({"paths": 1, "blind": False, **config})
        self.seed = seed
        self.located = [self._put(id_) for id_ in ids]
        self.outputs: dict[str, Output] = {}

    def questions(self, given: Mapping[str, Row] | None = None) -> list[Row]:
        told = {row.id: {**NOTHING, "id": row.id, **(given or {}).get(row.id, {})} for row in self.located}
        beside = {row.id: row for row in self.located}
        worker = QuestionWorker(Limits(), self.seed, self.config, self.workspace)
        return self._made("questions", worker, (self.located, told, beside), QUESTIONS)

    def only(self, rows: Sequence[Row], **config: Any) -> Workshop:
        """The same place with these questions alone, and another recipe."""
        told = self.config.model_dump() | {"paths": 1, "blind": False} | config
        other = Workshop(Path(self.workspace.store.url), [], told, self.seed)
        table = pa.Table.from_pylist(list(rows), QUESTIONS)
        name = digest([row["rid"] for row in rows])
        other.located = self.located
        other.outputs["questions"] = Output({"questions": self.workspace.write_table(f"only-{name}.parquet", table)})
        return other

    def paths(self) -> list[Row]:
        worker = PathWorker(self.config, Limits(), self.workspace)
        return self._made("paths", worker, (self.outputs["questions"].files["questions"], self.located), PATHS)

    def checks(self) -> list[Row]:
        worker = CheckWorker(self.config.judge, Limits(), self.workspace)
        files = [self.outputs[name].files[name] for name in ("questions", "paths")]
        return self._made("checks", worker, (*files, self.located), CHECKS)

    def pictures(self, row: Row) -> dict[str, bytes]:
        """Of a path or a question, by name."""
        store = self.workspace.store
        return {m["name"]: store.get_range(row["pack"], m["offset"], m["size"]) for m in row["members"]}

    def _put(self, id_: str) -> Located:
        data, known = (pictures() | videos())[id_], alone(id_)
        self.workspace.store.put(f"media/{id_}", data)
        facts = {"duration": known.facts.get("duration")}
        return Located(id_, known.kind, "bin", len(data), known.captions, f"media/{id_}", 0, facts)

    def _made(self, name: str, worker: Worker, spec: Any, schema: Any) -> list[Row]:
        with working(worker):
            self.outputs[name] = worker.process(Part("train-image-00000", "k" * 16, spec))
        rows: list[Row] = self.workspace.read_table([self.outputs[name].files[name]], schema).to_pylist()
        return rows


@contextmanager
def working(worker: Worker) -> Iterator[None]:
    worker.setup()
    try:
        yield
    finally:
        worker.close()
