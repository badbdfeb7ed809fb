"""Questions of a run with all their graded paths, a part at a time: what preferences, RL sets and step labels are made of.

Questions that a benchmark list holds are left out, and those that a reviewer has rejected. A reply that a reviewer has edited
stands in place of the path that it came from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.cot.core.columns import Member
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import TEACHER, Grade
from dataengine.cot.core.sample_parts import sample_parts
from dataengine.cot.core.schemas import CHECKS, PATHS, QUESTIONS, REVIEWED, SCORES
from dataengine.cot.core.tables import Row, read_rows, rows_of
from dataengine.samples.locate import Located, objects
from dataengine.stage import Run

_REJECTED = "rejected by a reviewer"


@dataclass(frozen=True)
class _Asked(Row):
    schema = QUESTIONS
    rid: str
    sample: str
    split: str
    question: Question
    pack: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class _Path(Row):
    schema = PATHS
    rid: str
    kind: str
    index: int
    text: str | None


@dataclass(frozen=True)
class _Check(Row):
    schema = CHECKS
    rid: str
    kind: str
    index: int
    teacher: str
    injected: str | None
    grade: Grade | None
    right: bool
    reasons: tuple[str, ...]
    words: int
    confidence: float | None


@dataclass(frozen=True)
class _Edited(Row):
    schema = REVIEWED
    rid: str
    chosen: int | None
    text: str | None
    reason: str


@dataclass(frozen=True)
class GradedPath:
    """``injected`` names the error of a path that is wrong on purpose; ``edited``: a reviewer has written its text."""

    index: int
    text: str
    grade: Grade
    right: bool
    reasons: tuple[str, ...]
    teacher: str
    injected: str | None
    confidence: float | None
    words: int
    edited: bool = False

    @property
    def programmatic(self) -> bool:
        return self.teacher == TEACHER


@dataclass(frozen=True)
class GradedQuestion:
    """A question, where its sample's bytes and its own pictures lie, and its paths in the order of their indices."""

    question: Question
    sample: Located | None
    pack: str
    members: tuple[Member, ...]
    paths: tuple[GradedPath, ...]


def graded_questions(run: Run, split: str) -> Iterator[GradedQuestion]:
    """By part, then by id. Holds one part's rows, and the ids that are left out."""
    left_out, edited = _left_out(run), _edits(run)
    rows = {part.name: part.rows for part in sample_parts(run)}
    for name, output in sorted(run.records["cot.questions"].parts.items()):
        table = run.workspace.read_table([output.files["questions"]], QUESTIONS, _Asked.columns())
        table = table.filter(pc.and_(pc.is_valid(table["question"]), pc.equal(table["split"], pa.scalar(split))))
        questions = [one for one in rows_of(table, _Asked) if one.rid not in left_out]
        if not questions:
            continue
        located = {row.id: row for row in objects(rows[name].read(run.workspace.store))} if name in rows else {}
        paths = _paths(run, name, {one.rid for one in questions}, edited)
        for one in sorted(questions, key=lambda one: one.rid):
            graded = tuple(sorted(paths[one.rid], key=lambda path: path.index))
            yield GradedQuestion(one.question, located.get(one.sample), one.pack, one.members, graded)


def _paths(run: Run, part: str, rids: Collection[str], edited: Mapping[str, _Edited]) -> dict[str, list[GradedPath]]:
    texts = {
        (path.rid, path.index): path.text
        for path in read_rows(run.workspace, [run.records["cot.paths"].parts[part].files["paths"]], _Path)
        if path.kind == "path" and path.text
    }
    graded: dict[str, list[GradedPath]] = defaultdict(list)
    for check in read_rows(run.workspace, [run.records["cot.check"].parts[part].files["checks"]], _Check):
        text = texts.get((check.rid, check.index))
        if check.kind != "path" or check.grade is None or text is None or check.rid not in rids:
            continue
        fields = (check.teacher, check.injected, check.confidence, check.words)
        path = GradedPath(check.index, text, check.grade, check.right, check.reasons, *fields)
        edit = edited.get(check.rid)
        if edit is not None and edit.text is not None and edit.chosen == check.index:
            path = GradedPath(check.index, edit.text, "A", True, (), check.teacher, None, None, check.words, True)
        graded[check.rid].append(path)
    return graded


def _left_out(run: Run) -> set[str]:
    """Questions in a benchmark, and those that a reviewer has rejected."""
    ids = set[str]()
    for scores in _batches(run, "cot.score", "scores", SCORES, ["rid", "benchmark"]):
        ids.update(map(str, scores.filter(pc.is_valid(scores["benchmark"]))["rid"].to_pylist()))
    for reviewed in _batches(run, "cot.review", "reviewed", REVIEWED, ["rid", "reason"]):
        rejected = reviewed.filter(pc.equal(reviewed["reason"], pa.scalar(_REJECTED)))
        ids.update(map(str, rejected["rid"].to_pylist()))
    return ids


def _edits(run: Run) -> dict[str, _Edited]:
    edits: dict[str, _Edited] = {}
    for reviewed in _batches(run, "cot.review", "reviewed", REVIEWED, _Edited.columns()):
        edits |= {row.rid: row for row in rows_of(reviewed.filter(pc.is_valid(reviewed["text"])), _Edited)}
    return edits


def _batches(run: Run, stage: str, role: str, schema: pa.Schema, names: Sequence[str]) -> Iterator[pa.Table]:
    wanted = pa.schema([schema.field(name) for name in names])
    return run.workspace.batches(run.records[stage].files(role), wanted)
