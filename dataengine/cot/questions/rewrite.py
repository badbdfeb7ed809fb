"""Rewrites existing questions into harder ones by a model, without changing their answers: step 1 of Keye-VL-1.5's pipeline.

The question as it was stays in the record (``original``), with the model's name and the digest of its prompt. A rewriting that
tells the answer, is no question, or is another question's is refused: the question stays as it was.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dataengine.config.cot import CotConfig
from dataengine.cot.core.outcomes import Kept, Outcome
from dataengine.cot.core.question import Question
from dataengine.cot.core.seeded import derive_seed
from dataengine.cot.replies.json_replies import json_of_reply
from dataengine.cot.tasks.base import messages
from dataengine.cot.tasks.difficulty import difficulty
from dataengine.cot.tasks.from_source import unfit
from dataengine.cot.tasks.programmatic import exchange
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.renderer import Renderer
from dataengine.errors import InputError
from dataengine.models.serving.completion import FINAL, ChatModel, FailedCompletion, Result, raise_if_fatal
from dataengine.samples.locate import Located

_MAX_WORDS = 200
_CHUNK = 64


@dataclass
class Rewriting:
    """How many questions of a sample were rewritten, and why others were not. ``failed``: the model may yet reply to one."""

    counts: Counter[str] = field(default_factory=Counter)
    failed: bool = False


@dataclass
class Enhancer:
    """Makes the source's questions harder by a model."""

    config: CotConfig
    teacher: ChatModel
    renderer: Renderer

    def over(self, outcomes: dict[str, list[Outcome]], located: Mapping[str, Located]) -> dict[str, Rewriting]:
        """Replace the kept questions of the source, given by sample, by harder ones where the model gives any."""
        rewritings: dict[str, Rewriting] = defaultdict(Rewriting)
        kept = [
            (id_, place, one)
            for id_, some in outcomes.items()
            for place, one in enumerate(some)
            if isinstance(one, Kept) and one.question.task.startswith("given_")
        ]
        siblings: dict[str, list[str]] = defaultdict(list)
        for id_, _, one in kept:
            siblings[id_].append(one.question.parameters["question"])
        for start in range(0, len(kept), _CHUNK):
            some = kept[start : start + _CHUNK]
            results = self._asked([one.question for _, _, one in some], siblings, located)
            for (id_, place, one), result in zip(some, results, strict=True):
                harder = self._judged(one.question, result, rewritings[id_])
                if harder is not None:
                    outcomes[id_][place] = Kept(harder, one.images)
        return rewritings

    def _asked(
        self, questions: Sequence[Question], siblings: Mapping[str, list[str]], located: Mapping[str, Located]
    ) -> list[Result]:
        """The model's reply to each question, which must not become another of the same sample. Raises RunError where all further
        requests would fail."""
        rendered = self.renderer.samples(questions, located)
        pictures: dict[str, bytes] = {}
        requests = []
        for question in questions:
            views = prompt_text.views(question, rendered.get(question.parents[0], {}), ())
            names = prompt_text.register(views, pictures)
            others = [q for q in siblings[question.parents[0]] if q != question.parameters["question"]]
            seed = derive_seed(question.seed, self.teacher.id, "enhance")
            requests.append(prompt_text.enhanced(question, names, others, seed, self.config))
        results = dict[int, Result]()
        for at, result in self.teacher.complete(requests, pictures.__getitem__):
            if isinstance(result, FailedCompletion):
                raise_if_fatal(result)
            results[at] = result
        return [results[at] for at in range(len(requests))]

    def _judged(self, question: Question, result: Result, rewriting: Rewriting) -> Question | None:
        """The harder question, None where the one that there is stays."""
        if isinstance(result, FailedCompletion):
            rewriting.counts[f"not enhanced: {result.failure.value}"] += 1
            rewriting.failed |= result.failure not in FINAL
            return None
        text = _question(result.text)
        why = _refused(question, text)
        rewriting.counts[f"not enhanced: {why}" if why else "enhanced"] += 1
        return None if why else self._rewritten(question, text)

    def _rewritten(self, question: Question, text: str) -> Question:
        parameters = question.parameters | {
            "question": text,
            "original": question.parameters["question"],
            "enhanced_by": self.teacher.id,
            "enhance_prompt": prompt_text.prompt_of("enhance"),
        }
        hard = difficulty(question.task, parameters, question.facts)
        question = question.model_copy(update={"parameters": parameters, "difficulty": hard})
        content = messages(exchange(question, 0), question.style, question.switches)[0].content
        return question.model_copy(update={"content": content})


def _question(text: str) -> str:
    try:
        reply = json_of_reply(text)
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
