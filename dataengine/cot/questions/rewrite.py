"""Makes existing questions harder by a model, without changing their answers: step 1 of Keye-VL-1.5's pipeline.

The question as it was stays in the record (``original``), with the model's name and the digest of its prompt. A rewriting that
tells the answer, is no question, or is another question's is not taken: the question stays as it was.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dataengine.config.cot import CotConfig
from dataengine.cot.core.record import Record, canonical, params_of
from dataengine.cot.core.seeded import derive_seed
from dataengine.cot.questions.worker import Draft
from dataengine.cot.tasks.base import messages
from dataengine.cot.tasks.difficulty import difficulty
from dataengine.cot.tasks.from_source import unfit
from dataengine.cot.tasks.programmatic import exchange
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.models.serving.completion import ChatModel, FailedCompletion, raise_if_fatal
from dataengine.samples.locate import Located

_MOST_WORDS = 200
_CHUNK = 64


@dataclass
class Enhancer:
    """``counts``: how many were rewritten, and why others were not."""

    config: CotConfig
    teacher: ChatModel
    renderer: Renderer
    counts: Counter[str] = field(default_factory=Counter)

    def over(self, drafts: list[Draft], located: dict[str, Located]) -> None:
        """Change drafts of questions of the source in place."""
        places = [n for n, d in enumerate(drafts) if d.rejected is None and d.task.startswith("given_")]
        for start in range(0, len(places), _CHUNK):
            self._chunk(drafts, places[start : start + _CHUNK], located)

    def taken(self) -> dict[str, int]:
        """The counts so far, which are then begun anew."""
        found, self.counts = dict(sorted(self.counts.items())), Counter()
        return found

    def _chunk(self, drafts: list[Draft], places: Sequence[int], located: dict[str, Located]) -> None:
        records = {n: Record.model_validate_json(drafts[n].record) for n in places}
        rendered = self.renderer.samples(records.values(), located)
        siblings: dict[str, list[str]] = defaultdict(list)
        for record in records.values():
            siblings[record.parents[0]].append(record.asked["question"])
        pictures: dict[str, bytes] = {}
        wanted = []
        for record in records.values():
            names = prompt_text.register(prompt_text.views(record, rendered.get(record.parents[0], {}), ()), pictures)
            others = [q for q in siblings[record.parents[0]] if q != record.asked["question"]]
            seed = derive_seed(record.seed, self.teacher.id, "enhance")
            wanted.append(prompt_text.enhanced(record, names, others, seed, self.config))
        for at, result in self.teacher.complete(wanted, pictures.__getitem__):
            if isinstance(result, FailedCompletion):
                raise_if_fatal(result)
                self.counts[f"not enhanced: {result.failure.value}"] += 1
                continue
            record, text = records[places[at]], _question(result.text)
            why = _refused(record, text)
            self.counts[f"not enhanced: {why}" if why else "enhanced"] += 1
            if not why:
                drafts[places[at]] = self._rewritten(drafts[places[at]], record, text)

    def _rewritten(self, draft: Draft, record: Record, question: str) -> Draft:
        told = {"question": question, "original": record.asked["question"], "enhanced_by": self.teacher.id}
        asked = record.asked | told | {"enhance_prompt": prompt_text.prompt_of("enhance")}
        hard = difficulty(record.task, asked, record.measured)
        record = record.model_copy(update={"params": params_of(asked), "difficulty": hard})
        record = record.model_copy(update={"messages": messages(exchange(record, 0), record.style)})
        return replace(draft, record=record.to_bytes(), asked=canonical(asked).decode(), difficulty=record.difficulty)


def _question(text: str) -> str:
    try:
        told = json.loads(text)
    except ValueError:
        return ""
    question = told.get("question") if isinstance(told, dict) else None
    return " ".join(question.split()) if isinstance(question, str) else ""


def _refused(record: Record, question: str) -> str:
    """Why a rewriting is not taken; empty where it is."""
    if not question:
        return "no question"
    if question == record.asked["question"]:
        return "the same question"
    if unfit(question) or len(question.split()) > _MOST_WORDS:
        return "not fit to ask"
    answers = {record.asked["answer"]} if record.answer_type != "choice" else set(json.loads(record.asked["choices"]))
    new = {a for a in answers if _says(question, a) and not _says(record.asked["question"], a)}
    return "it tells the answer" if new else ""


def _says(question: str, answer: str) -> bool:
    """Do the words of the answer stand in the question? A yes or no in it tells nothing."""
    if answer.lower() in ("yes", "no"):
        return False
    return bool(re.search(rf"(?<!\w){re.escape(answer.lower())}(?!\w)", question.lower()))
