"""cot.check: the two-level quality check of every path, its answer and its reasoning.

By rule first (``checks.grade``); where the recipe names a judge, a model reads what the rules find right and says whether the
steps are true of the picture. A judge can only lower a grade, but for answers in free text, which no rule can compare: there
it says whether a reply that differs in words means the same. Checks of the same paths that an earlier part holds are copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.cot import OpenAIConfig
from dataengine.config.recipe import Recipe
from dataengine.cot.checks.grade import grade, guessed_right
from dataengine.cot.checks.recurrence import with_recurrence
from dataengine.cot.core.earlier import Unit, rows_in, table_of_inputs
from dataengine.cot.core.formats import AutoThinking
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import TEACHER
from dataengine.cot.core.schemas import CHECKS, PATHS
from dataengine.cot.core.stage import CotPart, CotParts
from dataengine.cot.core.tables import NO_AGREEMENT, AskedQuestion, CheckRow, PathRow, rows_of
from dataengine.cot.replies.json_replies import json_of_reply
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.models.serving.completion import ChatModel, FailedCompletion, raise_if_fatal
from dataengine.models.serving.connect import chat_model
from dataengine.samples.locate import Located
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import Output, Workspace, digest

RULES = "8"
"""Version of the rules: raised when one changes its findings."""
_CHUNK = 64
_SAME = (
    "rid", "kind", "index", "teacher", "prompt", "seed", "injected", "failure",
    "confidence", "least_token", "step_means", "step_leasts",
)  # fmt: skip
"""Columns that a check has from its path."""


class CotCheck(CotParts):
    """One part a part of the paths."""

    name = "cot.check"
    version = "8"
    needs = ("cot.material", "cot.questions", "cot.paths")

    def validate(self, recipe: Recipe) -> None:
        judge = self.config(recipe).judge
        if judge is not None:
            chat_model(judge, None).validate()

    def servers(self, recipe: Recipe) -> list[str]:
        judge = self.config(recipe).judge
        return [] if judge is None or judge.server is None else [judge.server]

    def settings(self, recipe: Recipe) -> Any:
        judge = self.config(recipe).judge
        prompts = [prompt_text.prompt_of("judge"), prompt_text.prompt_of("judge_text")]
        return [RULES, None if judge is None else [chat_model(judge, None).id, *prompts]]

    def reads_media(self, recipe: Recipe) -> bool:
        return self.config(recipe).judge is not None

    def plan(self, run: Run) -> list[Part]:
        questions, paths = (run.records[name].parts for name in ("cot.questions", "cot.paths"))
        files = {
            name: {"questions": questions[name].files["questions"], "paths": out.files["paths"]}
            for name, out in paths.items()
        }
        return self.parts(run, files)

    def worker(self, run: Run) -> Worker:
        return CheckWorker(self.config(run.recipe).judge, run.recipe.limits.to_limits(), run.workspace)


@dataclass
class CheckWorker:
    judge: OpenAIConfig | None
    limits: Limits
    workspace: Workspace
    _teacher: ChatModel | None = None
    _renderer: Renderer | None = None

    def setup(self) -> None:
        if self.judge is not None:
            self._teacher = chat_model(self.judge, self.workspace.store)
            self._teacher.setup()
            self._renderer = Renderer(self.limits, self.workspace)

    def close(self) -> None:
        if self._teacher is not None:
            self._teacher.close()
        if self._renderer is not None:
            self._renderer.close()

    def process(self, part: Part) -> Output:
        spec: CotPart = part.spec
        questions = self.workspace.read_table([spec.files["questions"]], AskedQuestion.schema, AskedQuestion.columns())
        questions = questions.filter(pc.is_valid(questions["question"]))
        paths = self.workspace.read_table([spec.files["paths"]], PATHS)
        inputs = _inputs(questions, paths)
        units = spec.earlier.units(self.workspace, "checks", CHECKS, "rid", inputs)
        known = pa.array(list(units), pa.string())
        new, unchecked = (t.filter(pc.invert(pc.is_in(t["rid"], value_set=known))) for t in (questions, paths))
        made = self._made(rows_of(new, AskedQuestion), rows_of(unchecked, PathRow), spec)
        units = dict(sorted({**units, **made}.items()))
        rows = rows_in(units.values())
        base, write = f"cot/checks/{part.name}-{part.key[:16]}", self.workspace.write_table
        files = {
            "checks": write(f"{base}.parquet", pa.Table.from_pylist(rows, CHECKS)),
            "inputs": write(f"{base}-inputs.parquet", table_of_inputs(units, inputs)),
        }
        wrong = [row for row in rows if row["injected"] is not None]
        facts = {
            "grades": dict(sorted(Counter(row["grade"] for row in rows if row["grade"]).items())),
            "planted": dict(sorted(Counter(row["injected"] for row in wrong).items())),
            "caught": dict(sorted(Counter(row["injected"] for row in wrong if row["grade"] != "A").items())),
        }
        return Output(files, {"checked": len(rows)}, facts)

    def _made(self, questions: Sequence[AskedQuestion], paths: Sequence[PathRow], spec: CotPart) -> dict[str, Unit]:
        """The checks of each question's paths, by the question's id."""
        by_rid = {one.rid: one for one in questions}
        rows = [check(by_rid[path.rid].question, path) for path in paths]
        unread = set[str]()
        if self._teacher is not None and paths:
            places = [n for n, row in enumerate(rows) if _for_judge(row, by_rid[row.rid].question)]
            located = spec.located(self.workspace)
            for start in range(0, len(places), _CHUNK):
                some = {n: (by_rid[rows[n].rid], paths[n].text or "") for n in places[start : start + _CHUNK]}
                for n, judgement in self._judged(some, located).items():
                    rows[n] = _with_judgement(rows[n], judgement)
                    unread |= {rows[n].rid} if judgement is None else set()
        units = {rid: Unit([], final=rid not in unread) for rid in by_rid}
        for row in with_recurrence(rows, [path.text or "" for path in paths]):
            units[row.rid].rows.append(row.to_row())
        return units

    def _judged(
        self, paths: Mapping[int, tuple[AskedQuestion, str]], located: Mapping[str, Located]
    ) -> dict[int, Judgement | None]:
        """The judgement of each path, given as a question and a text; None where the judge's reply cannot be read."""
        if self._teacher is None or self._renderer is None:
            raise RuntimeError("setup() comes before process()")
        rendered = self._renderer.samples([one.question for one, _ in paths.values()], located)
        pictures: dict[str, bytes] = {}
        requests = []
        for one, text in paths.values():
            images = self._renderer.question_images(one)
            views = prompt_text.views(one.question, rendered.get(one.sample, {}), images)
            requests.append(prompt_text.judge(one.question, prompt_text.register(views, pictures), text))
        places, judged = list(paths), dict[int, Judgement | None]()
        for at, result in self._teacher.complete(requests, pictures.__getitem__):
            if isinstance(result, FailedCompletion):
                raise_if_fatal(result)
                judged[places[at]] = None
            else:
                free = paths[places[at]][0].question.free
                judged[places[at]] = _judgement(result.text, free)
        return judged


def _inputs(questions: pa.Table, paths: pa.Table) -> dict[str, str]:
    """By question the digest of it and of its paths, wherever their pictures lie."""
    contents: dict[str, list[Any]] = {row["rid"]: [row["question"]] for row in questions.to_pylist()}
    for row in paths.drop_columns(["pack", "members"]).to_pylist():
        contents[row["rid"]].append(list(row.values()))
    return {rid: digest(content) for rid, content in contents.items()}


@dataclass(frozen=True)
class Judgement:
    """``process``: the reasoning is true of the picture; ``score`` from 1 to 5; ``right``: of a free answer, whether it means the
    same as the record's, None for others; ``steps``: the flawed ones (``step 3 untrue``)."""

    process: bool
    reason: str
    score: int
    right: bool | None
    steps: tuple[str, ...] = ()


def check(question: Question, path: PathRow) -> CheckRow:
    """A path by rule."""
    row = CheckRow(**{name: getattr(path, name) for name in _SAME})
    text = path.text or ""
    if path.failure is not None:
        return replace(row, reasons=(path.failure,))
    if path.kind != "path":
        return replace(row, answer=text[:80], right=guessed_right(question, text))
    row = replace(row, **asdict(grade(question, text, path.teacher == TEACHER)))
    if row.grade == "A" and (reason := _doubt(question, text)):
        return replace(row, grade="B", reasons=(reason,))
    return row


def _doubt(question: Question, text: str) -> str:
    """What measured answers to a question have against a sound reply: nobody agrees on its answer, or it decides to think about
    what all samples got right at once, or not to where some went wrong."""
    if "unsettled" in question.parameters:
        return NO_AGREEMENT
    if question.style == "auto" and question.basis == "agreed":
        thinks = AutoThinking.decision in text
        return "decision" if thinks == (question.difficulty == "easy") else ""
    return ""


def _for_judge(row: CheckRow, question: Question) -> bool:
    """Whether the judge reads a path: one that the rules find right, or a free answer in other words."""
    if row.kind != "path" or row.grade is None:
        return False
    other_words = question.free and bool(row.answer) and row.reasons[:1] == ("answer",)
    return row.grade in ("A", "B") or other_words


def _with_judgement(row: CheckRow, judgement: Judgement | None) -> CheckRow:
    """The check as a judge leaves it; none: it has said nothing that can be read."""
    if judgement is None:
        reasons = (*row.reasons, "judge gave no verdict")
        return replace(row, grade="C" if row.grade == "C" else "B", reasons=reasons)
    row = replace(row, judged=judgement.score)
    if judgement.right is False:
        return replace(row, grade="C", right=False, reasons=("answer", *row.reasons, "judge: another answer"))
    if not row.right:
        rest = row.reasons[1:]
        row = replace(row, grade="B" if rest else "A", right=True, equal=True, reasons=rest)
    if not judgement.process or judgement.steps:
        steps = tuple(f"judge: {step}" for step in judgement.steps)
        return replace(row, grade="B", reasons=(*row.reasons, *steps, f"judge: {judgement.reason[:120]}"))
    return row


def _judgement(text: str, free: bool) -> Judgement | None:
    try:
        reply = json_of_reply(text)
    except InputError:
        return None
    if not isinstance(reply, dict) or not isinstance(reply.get("process"), bool):
        return None
    score, reason, right = reply.get("score"), reply.get("reason"), reply.get("answer")
    if type(score) is not int or not 1 <= score <= 5 or not isinstance(reason, str):
        return None
    if free and not isinstance(right, bool):
        return None
    steps = reply.get("steps")
    rows = [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else []
    flaws = [(one.get("step"), one.get("flaw")) for one in rows]
    flawed = {(n, flaw) for n, flaw in flaws if type(n) is int and isinstance(flaw, str)}
    named = tuple(f"step {n} {flaw}" for n, flaw in sorted(flawed, key=str) if flaw in prompt_text.FLAWS)
    return Judgement(reply["process"], reason, score, right if isinstance(right, bool) else None, named)
