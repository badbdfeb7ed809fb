"""cot.write: the CoT shards of a release, one part a tar. Records point at the release's samples by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dataengine.config.cot import CotConfig
from dataengine.config.recipe import Recipe
from dataengine.cot.checks.grade import pictures
from dataengine.cot.core import formats
from dataengine.cot.core.record import VERSION, Record, Verification, facts_of, params_of
from dataengine.cot.core.shard_files import observations, record_members
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import PlanRow, read_rows
from dataengine.cot.mix.picture_codes import PictureCodes
from dataengine.models.serving.messages import Message
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.release_folder import ReleaseFolder
from dataengine.storage.workspace import File, Output, Workspace, digest
from dataengine.tokenize.base import Grid
from dataengine.tokenize.codec import to_npy
from dataengine.tokenize.decision import plugins_of

_SCORES = ("quality", "agreement", "prior", "weight", "repeat")


class CotWrite(Cot, RecordStage):
    """One part a CoT shard."""

    name = "cot.write"
    version = "4"
    needs = ("cot.mix", "tokenize.fit")
    in_place = True

    def device(self, recipe: Recipe) -> str:
        return recipe.tokenize.device if recipe.tokenize else "cpu"

    def plan(self, run: Run) -> list[Part]:
        files = run.records["cot.mix"].parts["all"].files
        tokenizer = _fitted(run)
        depends = [self.config(run.recipe).show_answer, *([tokenizer.facts["id"]] if tokenizer else [])]
        return [
            Part(role.removeprefix("plan/"), digest(self.version, f.sha256, *depends), f.key)
            for role, f in sorted(files.items())
            if role.startswith("plan/")
        ]

    def worker(self, run: Run) -> Worker:
        tokenizer = _fitted(run)
        codes = None
        if tokenizer is not None:
            codes = PictureCodes(
                run.workspace, tokenizer.files["tokenizer"], self.device(run.recipe), plugins_of(run.recipe)
            )
        return CotShardWorker(run.workspace, run.recipe.name, self.config(run.recipe), codes)


def _fitted(run: Run) -> Output | None:
    """The release's tokenizer; None where it has none."""
    return run.records["tokenize.fit"].parts["all"] if "tokenize.fit" in run.records else None


@dataclass
class CotShardWorker:
    workspace: Workspace
    release: str
    config: CotConfig
    codes: PictureCodes | None = None

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        rows = read_rows(self.workspace, [File(part.spec, "", 0, 1)], PlanRow)
        release = ReleaseFolder(self.workspace.store, self.release)
        file, info = release.put_tar(f"cot/{part.name}.tar", self._members(rows), len(rows))
        facts = {
            "name": part.name,
            "split": rows[0].split,
            "family": rows[0].family,
            "sha256": info.sha256,
            "bytes": info.bytes,
            "records": len(rows),
        }
        return Output({"tar": file}, {"records": len(rows)}, facts)

    def _members(self, rows: Sequence[PlanRow]) -> Iterator[tuple[str, bytes]]:
        for row in rows:
            places = [(row.pack, m.offset, m.size) for m in row.members]
            images = self.workspace.each(lambda place: self.workspace.store.get_range(*place), places)
            codes = [self.codes.of(image) for image in images] if self.codes is not None else []
            record = record_of(row, images, self.config.show_answer, [one.grid for one in codes])
            yield from record_members(record, images, [to_npy(one) for one in codes])


def record_of(row: PlanRow, images: Sequence[bytes], show_answer: bool, grids: Sequence[Grid] = ()) -> Record:
    """The record of a question: the chosen path as the reply, with these pictures (and the grids of their codes) and what the
    steps have found out."""
    question = row.question
    chosen = next(path for path in row.paths if path.index == row.chosen)
    reply = formats.to_blocks(row.text, pictures(question, row.text))
    return Record(
        version=VERSION,
        id=question.id,
        mode=question.mode,
        task=question.task,
        style=question.style,
        family=row.family,
        difficulty=question.difficulty,
        teacher=chosen.teacher,
        prompt=chosen.prompt,
        path=chosen.index,
        review=row.review,
        answer_shown=show_answer and bool(chosen.prompt),
        blind=row.text_only,
        seed=question.seed,
        parents=question.parents,
        messages=(Message(role="user", content=question.content), Message(role="assistant", content=reply)),
        answer=question.answer,
        answer_type=question.answer_type,
        basis=question.basis,
        judged=row.equal,
        params=params_of(question.parameters),
        evidence=facts_of(question.facts),
        observations=observations(images, grids),
        paths=row.paths,
        scores=facts_of({name: getattr(row, name) for name in _SCORES}),
        verdict=Verification(status="passed"),
    )
