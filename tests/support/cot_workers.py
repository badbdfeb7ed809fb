"""Workers of the CoT steps on a few samples, without a run around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataengine.config.cot import CotConfig
from dataengine.cot.checks.stage import CheckWorker
from dataengine.cot.core.columns import Member, encode
from dataengine.cot.core.earlier import Earlier
from dataengine.cot.core.proposals import ProposalRow
from dataengine.cot.core.sample_parts import Cut
from dataengine.cot.core.schemas import SOURCE_MATERIAL
from dataengine.cot.core.stage import CotPart
from dataengine.cot.core.tables import CheckRow, PathRow, QuestionRow, R, SourceMaterial, read_rows, table_of
from dataengine.cot.paths.stage import PathWorker
from dataengine.cot.questions.propose_stage import ProposalWorker
from dataengine.cot.questions.stage import QuestionWorker
from dataengine.media.limits import Limits
from dataengine.samples.locate import Located
from dataengine.stage import Part, Worker
from dataengine.storage.row_packs import PackedRows, RowPack, places
from dataengine.storage.workspace import Output, Workspace, commit_part, digest
from support.cot_corpus import alone, pictures, videos

_NO_BASELINES = {"text_only_baseline": False, "tool_baseline": False}


class Workshop:
    """``material``: what the source says of a sample, by its id, where it says something. With the name of a ``part``, what is
    made is committed, and what was committed before is known."""

    def __init__(
        self, folder: Path, ids: Sequence[str], config: Mapping[str, Any], seed: int = 3, part: str = ""
    ) -> None:
        self.workspace = Workspace(str(folder))
        self.config = CotConfig.model_validate({"paths_per_question": 1, **_NO_BASELINES, **config})
        self.seed, self.part = seed, part
        self.located = [self._put(id_) for id_ in ids]
        self.outputs: dict[str, Output] = {}

    def proposals(self, material: Mapping[str, SourceMaterial] | None = None) -> list[ProposalRow]:
        assert self.config.questions.ask is not None
        worker = ProposalWorker(self.config.questions.ask, Limits(), self.workspace, self.seed)
        return self._rows("proposals", worker, material or {}, ProposalRow)

    def questions(self, material: Mapping[str, SourceMaterial] | None = None) -> list[QuestionRow]:
        worker = QuestionWorker(Limits(), self.workspace, self.seed, self.config)
        return self._rows("questions", worker, material or {}, QuestionRow)

    def only(self, rows: Sequence[QuestionRow], **config: Any) -> Workshop:
        """The same place with these questions alone, and another recipe."""
        changed = self.config.model_dump() | {"paths_per_question": 1} | _NO_BASELINES | config
        other = Workshop(Path(self.workspace.store.url), [], changed, self.seed)
        name = digest([row.rid for row in rows])
        other.located = self.located
        file = self.workspace.write_table(f"only-{name}.parquet", table_of(QuestionRow, rows))
        other.outputs["questions"] = Output({"questions": file})
        return other

    def paths(self) -> list[PathRow]:
        worker = PathWorker(self.config, Limits(), self.workspace)
        return self._rows("paths", worker, {}, PathRow)

    def checks(self) -> list[CheckRow]:
        worker = CheckWorker(self.config.judge, Limits(), self.workspace)
        return self._rows("checks", worker, {}, CheckRow)

    def pictures(self, pack: str | None, members: Sequence[Member]) -> dict[str, bytes]:
        """Of a path or a question, by name."""
        store = self.workspace.store
        return {m.name: store.get_range(pack, m.offset, m.size) for m in members} if pack else {}

    def _put(self, id_: str) -> Located:
        data, known = (pictures() | videos())[id_], alone(id_)
        self.workspace.store.put(f"media/{id_}", data)
        facts = {"duration": known.facts.get("duration")}
        return Located(id_, known.kind, "bin", len(data), known.captions, f"media/{id_}", 0, facts)

    def _rows(self, name: str, worker: Worker, material: Mapping[str, SourceMaterial], kind: type[R]) -> list[R]:
        files = {role: output.files[role] for role, output in self.outputs.items()}
        rows = self._packed(material)
        spec = CotPart(
            Earlier(f"stages/{name}/{digest(self.config.model_dump())}", self.part or "all"), Cut(0, 0), rows, files
        )
        key = digest(name, self.config.model_dump(), rows.sha256, [file.sha256 for file in files.values()])
        with working(worker):
            self.outputs[name] = output = worker.process(Part(self.part or "all", key, spec))
        if self.part:
            commit_part(self.workspace.store, f"{spec.earlier.folder}/{self.part}/{key}.json", key, output)
        return read_rows(self.workspace, [output.files[name]], kind)

    def _packed(self, material: Mapping[str, SourceMaterial]) -> PackedRows:
        """All samples with their material, where a worker reads them."""
        by_id, rows = {row.id: row for row in self.located}, []
        for row in self.located:
            known = replace(material.get(row.id, SourceMaterial(row.id)), split="train")
            known = replace(known, videos=tuple(by_id[id_] for id_ in known.partners))
            place = encode("videos", [row])[0] | {"captions": row.captions}
            rows.append(place | known.to_row())
        pack = RowPack()
        pack.add("all", [], pa.Table.from_pylist(rows, SOURCE_MATERIAL))
        return places(pack.publish(self.workspace.store, "plans"))[0]


@contextmanager
def working(worker: Worker) -> Iterator[None]:
    worker.setup()
    try:
        yield
    finally:
        worker.close()
