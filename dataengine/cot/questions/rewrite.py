"""Rewrites existing questions into harder ones by a model, without changing their answers: step 1 of Keye-VL-1.5's pipeline.

The question as it was stays in the record (``original``), with the model's name and the digest of its prompt. A rewriting that
tells the answer, is no question, or is another question's is refused: the question stays as it was.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from dataengine.config.cot import CotConfig
from dataengine.cot.core.outcomes import Kept, Outcome
from dataengine.cot.core.question import Question
from dataengine.cot.core.seeded import derive_seed
from dataengine.cot.tasks.base import messages
from dataengine.cot.tasks.difficulty import difficulty
from dataengine.cot.tasks.from_source import unfit
from dataengine.cot.tasks.programmatic import exchange
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.errors import InputError
from dataengine.models.serving.completion import ChatModel, FailedCompletion, raise_if_fatal
from dataengine.samples.locate import Located
from dataengine.text.bounded_json import parse_json

_MAX_WORDS = 200
_CHUNK = 64


@dataclass
class Enhancer:
    """``counts``: how many were rewritten, and why others were not."""

    config: CotConfig
    teacher: ChatModel
    renderer: Renderer
    counts: Counter[str] = field(default_factory=Counter)

    def over(self, outcomes: list[Outcome], located: Mapping[str, Located]) -> None:
        """Replace the kept questions of the source by harder ones, where the model gives any."""
        kept = [(n, o) for n, o in enumerate(outcomes) if isinstance(o, Kept) and o.question.task.startswith("given_")]
        for start in range(0, len(kept), _CHUNK):
            some = dict(kept[start : start + _CHUNK])
            harder = self._harder({place: one.question for place, one in some.items()}, located)
            for place, question in harder.items():
                outcomes[place] = Kept(question, some[place].images)

    def pop_counts(self) -> dict[str, int]:
        """The counts so far, which then start from zero."""
        counts, self.counts = dict(sorted(self.counts.items())), Counter()
        return counts

    def _harder(self, questions: Mapping[int, Question], located: Mapping[str, Located]) -> dict[int, Question]:
        rendered = self.renderer.samples(questions.values(), located)
        siblings: dict[str, list[str]] = defaultdict(list)
        for question in questions.values():
            siblings[question.parents[0]].append(question.parameters["question"])
        pictures: dict[str, bytes] = {}
        requests = []
        for question in questions.values():
            views = prompt_text.views(question, rendered.get(question.parents[0], {}), ())
            names = prompt_text.register(views, pictures)
            others = [q for q in siblings[question.parents[0]] if q != question.parameters["question"]]
            seed = derive_seed(question.seed, self.teacher.id, "enhance")
            requests.append(prompt_text.enhanced(question, names, others, seed, self.config))
        places, harder = list(questions), dict[int, Question]()
        for at, result in self.teacher.complete(requests, pictures.__getitem__):
            if isinstance(result, FailedCompletion):
                raise_if_fatal(result)
                self.counts[f"not enhanced: {result.failure.value}"] += 1
                continue
            question, text = questions[places[at]], _question(result.text)
            why = _refused(question, text)
            self.counts[f"not enhanced: {why}" if why else "enhanced"] += 1
            if not why:
                harder[places[at]] = self._rewritten(question, text)
        return harder

    def _rewritten(self, question: Question, text: str) -> Question:
        parameters = question.parameters | {
            "question": text,
            "original": question.parameters["question"],
            "enhanced_by": self.teacher.id,
            "enhance_prompt": prompt_text.prompt_of("enhance"),
        }
        hard = difficulty(question.task, parameters, question.facts)
        question = question.model_copy(update={"parameters": parameters, "difficulty": hard})
        content = messages(exchange(question, 0), question.style)[0].content
        return question.model_copy(update={"content": content})


def _question(text: str) -> str:
    try:
        reply = parse_json(text)
    except InputError:
        return ""
    question = reply.get("question") if isinstance(reply, dict) else None
    return " ".join(question.split()) if isinstance(question, str) else ""


def _refused(question: Question, text: str) -> str:
    """Why a rewriting is refused; empty where it is not."""
    parameters = question.parameters
    if not text:
        return "no question"
    if text == parameters["question"]:
        return "the same question"
    if unfit(text) or len(text.split()) > _MAX_WORDS:
        return "not fit to ask"
    answers = {parameters["answer"]} if question.answer_type != "choice" else set(json.loads(parameters["choices"]))
    new = {a for a in answers if _contains(text, a) and not _contains(parameters["question"], a)}
    return "it tells the answer" if new else ""


def _contains(question: str, answer: str) -> bool:
    """Whether a question contains the words of an answer. A yes or no in it gives nothing away."""
    if answer.lower() in ("yes", "no"):
        return False
    return bool(re.search(rf"(?<!\w){re.escape(answer.lower())}(?!\w)", question.lower()))
