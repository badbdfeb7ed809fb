"""cot.check: the two-level quality check of every path, its answer and its reasoning.

By rule first (``cot.grade``); where the recipe names a judge, a model reads what the rules find right and says whether the
steps are true of the picture. A judge can only lower a grade, but for answers in free text, which no rule can compare: there
it says whether a reply that differs in words means the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from dataengine.config.cot import OpenAIConfig
from dataengine.config.recipe import Recipe
from dataengine.cot.checks.grade import blind, grade
from dataengine.cot.core.record import Record
from dataengine.cot.core.stage import Cot
from dataengine.cot.core.tables import CHECKS, PATHS, QUESTIONS, SURE
from dataengine.cot.questions.stage import samples
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.ingest.stage import limits_of
from dataengine.media.limits import Limits
from dataengine.models.serving.completion import ChatModel, FailedCompletion, raise_if_fatal
from dataengine.models.serving.connect import chat_model
from dataengine.samples.locate import Located
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import Output, Workspace, digest

RULES = "2"
"""Raised when a rule changes what it finds."""
_CHUNK = 64


class CotCheck(Cot, RecordStage):
    """One part a part of the paths."""

    name = "cot.check"
    version = "2"
    needs = ("shard.assign", "cot.questions", "cot.paths")

    def validate(self, recipe: Recipe) -> None:
        judge = self.config(recipe).judge
        if judge is not None:
            chat_model(judge, None).validate()

    def settings(self, recipe: Recipe) -> Any:
        judge = self.config(recipe).judge
        prompts = [prompt_text.prompt_of("judge"), prompt_text.prompt_of("judge_text")]
        told = None if judge is None else [chat_model(judge, None).id, *prompts]
        return [RULES, told]

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, self.settings(run.recipe))
        located = samples(run) if self.config(run.recipe).judge is not None else {}
        questions = run.records["cot.questions"].parts
        return [
            Part(
                name,
                digest(base, questions[name].files["questions"].sha256, out.files["paths"].sha256),
                (questions[name].files["questions"], out.files["paths"], located.get(name, [])),
            )
            for name, out in sorted(run.records["cot.paths"].parts.items())
        ]

    def worker(self, run: Run) -> Worker:
        return CheckWorker(self.config(run.recipe).judge, limits_of(run.recipe), run.workspace)


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
        questions, paths, located = part.spec
        asked = self.workspace.read_table([questions], QUESTIONS, ("rid", "sample", "record", "pack", "members"))
        rows = {r["rid"]: r for r in asked.to_pylist() if r["record"] is not None}
        records = {rid: Record.model_validate_json(r["record"]) for rid, r in rows.items()}
        told = self.workspace.read_table([paths], PATHS).to_pylist()
        checks = [_check(records[p["rid"]], p) for p in told]
        sound = [(c, p) for c, p in zip(checks, told, strict=True) if _for_judge(c, records[p["rid"]])]
        for start in range(0, len(sound) if self._teacher else 0, _CHUNK):
            self._judge(sound[start : start + _CHUNK], rows, records, {one.id: one for one in located})
        written = self.workspace.write_table(
            f"cot/checks/{part.name}-{part.key[:16]}.parquet", pa.Table.from_pylist(checks, CHECKS)
        )
        wrong = [c for c in checks if c["planted"] is not None]
        facts = {
            "grades": dict(sorted(Counter(c["grade"] for c in checks if c["grade"]).items())),
            "planted": dict(sorted(Counter(c["planted"] for c in wrong).items())),
            "caught": dict(sorted(Counter(c["planted"] for c in wrong if c["grade"] != "A").items())),
        }
        return Output({"checks": written}, {"checked": len(checks)}, facts)

    def _judge(
        self,
        sound: Sequence[tuple[dict[str, Any], dict[str, Any]]],
        rows: dict[str, dict[str, Any]],
        records: dict[str, Record],
        located: dict[str, Located],
    ) -> None:
        """Ask the judge about a chunk of paths, and lower the grades of those it finds flawed."""
        if self._teacher is None or self._renderer is None:
            raise RuntimeError("setup() comes before process()")
        rendered = self._renderer.samples([records[p["rid"]] for _, p in sound], located)
        pictures: dict[str, bytes] = {}
        wanted = []
        for _, path in sound:
            record, question = records[path["rid"]], rows[path["rid"]]
            views = prompt_text.views(
                record, rendered.get(question["sample"], {}), self._renderer.question_images(question)
            )
            wanted.append(prompt_text.judge(record, prompt_text.register(views, pictures), path["text"]))
        for at, result in self._teacher.complete(wanted, pictures.__getitem__):
            if isinstance(result, FailedCompletion):
                raise_if_fatal(result)
            check, path = sound[at]
            free = records[path["rid"]].answer_type == "text"
            _hold(check, None if isinstance(result, FailedCompletion) else _verdict(result.text, free))


def _for_judge(check: dict[str, Any], record: Record) -> bool:
    """What the rules find right, and free answers in other words."""
    if check["kind"] != "path" or check["grade"] is None:
        return False
    other_words = record.answer_type == "text" and bool(check["answer"]) and list(check["reasons"][:1]) == ["answer"]
    return check["grade"] in ("A", "B") or other_words


def _hold(check: dict[str, Any], verdict: dict[str, Any] | None) -> None:
    """Change a check by what a judge says; none: it has said nothing that can be read."""
    if verdict is None:
        grade_ = "C" if check["grade"] == "C" else "B"
        check |= {"grade": grade_, "reasons": [*check["reasons"], "judge gave no verdict"]}
        return
    check["judged"] = verdict["score"]
    if verdict.get("answer") is False:
        check |= {"grade": "C", "right": False, "reasons": ["answer", *check["reasons"], "judge: another answer"]}
        return
    if not check["right"]:
        rest = check["reasons"][1:]
        check |= {"grade": "B" if rest else "A", "right": True, "equal": True, "reasons": rest}
    if not verdict["process"]:
        check |= {"grade": "B", "reasons": [*check["reasons"], f"judge: {verdict['reason'][:120]}"]}


def _check(record: Record, path: dict[str, Any]) -> dict[str, Any]:
    same = ("rid", "kind", "teacher", "prompt", "planted", "failure", "index", "seed", *SURE)
    told = {name: path[name] for name in same} | {"judged": None, "equal": False}
    if path["failure"] is not None:
        return told | {"grade": None, "answer": "", "right": False, "reasons": [path["failure"]], "words": 0}
    if path["kind"] == "blind":
        right = blind(record, path["text"])
        return told | {"grade": None, "answer": path["text"][:80], "right": right, "reasons": [], "words": 0}
    return told | asdict(grade(record, path["text"]))


def _verdict(text: str, free: bool) -> dict[str, Any] | None:
    try:
        told = json.loads(text)
    except ValueError:
        return None
    if not isinstance(told, dict) or not isinstance(told.get("process"), bool):
        return None
    score, reason = told.get("score"), told.get("reason")
    if not isinstance(score, int) or not 1 <= score <= 5 or not isinstance(reason, str):
        return None
    return told if not free or isinstance(told.get("answer"), bool) else None
