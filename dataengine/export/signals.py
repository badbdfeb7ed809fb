"""Training signals that graded paths hold: preference pairs, RL questions with hints, step labels.

Pairs as in DPO and MPO (arXiv 2411.10442); questions with 0 < accuracy < 1 and hint levels 1 concept, 2 strategy, 3 tools or
formula, 4 first step, 5 whole solution as in Keye-VL-1.5 (arXiv 2509.01563); labels by step as in process reward models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dataengine.cot.checks.reasoning import flawed_sentences, prose, sentences
from dataengine.cot.checks.recurrence import RECOMBINED
from dataengine.cot.core import formats
from dataengine.cot.core.question import Question
from dataengine.cot.replies.expected import holds, words
from dataengine.export.graded_paths import GradedPath, GradedQuestion

_OPENING_WORDS = 6
_FORMULA = re.compile(r"[^.,;\n]{1,60}=[^.,;\n]{1,60}")
_LOCATED = frozenset({"wrong reading", "unsupported number", "contradiction"})


@dataclass(frozen=True)
class Pair:
    """A sound reply, and one that is wrong: ``why`` it is."""

    chosen: GradedPath
    rejected: GradedPath

    @property
    def why(self) -> str:
        return self.rejected.injected or "; ".join(self.rejected.reasons)


def pairs(graded: GradedQuestion, most: int) -> Iterator[Pair]:
    """The surest sound path with up to ``most`` wrong ones: those of models first, wrong answers before wrong forms."""
    sound = [path for path in graded.paths if path.grade == "A" and not path.injected]
    wrong = [path for path in graded.paths if path.grade == "C"]
    if not sound:
        return
    chosen = min(sound, key=lambda p: (not p.edited, -(p.confidence or 0.0), p.words, p.index))
    wrong.sort(key=lambda p: (p.injected is not None, p.reasons[:1] != ("answer",), p.index))
    different = {path.text: path for path in reversed(wrong) if path.text.strip() and path.text != chosen.text}
    for path in [p for p in wrong if different.get(p.text) is p][:most]:
        yield Pair(chosen, path)


@dataclass(frozen=True)
class Attempted:
    """How often the models were right, of how many samples; ``hints`` by level, from the surest sound path."""

    accuracy: float
    samples: int
    hints: dict[int, str]


def attempted(graded: GradedQuestion) -> Attempted | None:
    """None where all of the models' samples are right, none is, or there are none."""
    tried = [path for path in graded.paths if not path.programmatic and not path.teacher.startswith(RECOMBINED)]
    right = [path for path in tried if path.right]
    if not 0 < len(right) < len(tried):
        return None
    sound = [path for path in graded.paths if path.grade == "A" and not path.injected]
    best = min(sound, key=lambda p: (-(p.confidence or 0.0), p.words, p.index), default=None)
    hints = hints_of(graded.question, best.text) if best is not None else {}
    return Attempted(round(len(right) / len(tried), 4), len(tried), hints)


def hints_of(question: Question, text: str) -> dict[int, str]:
    """Hints by level, as far as a reply has them; none below 5 says the answer."""
    try:
        reply = formats.parse(question.style, text)
    except formats.FormatError:
        return {}
    reasoning = _reasoning(reply)
    steps = sentences(reasoning)
    tools = [step.code for step in reply.steps] if isinstance(reply, formats.Agentic) else _FORMULA.findall(reasoning)
    hints = {
        1: f"It is about this: {question.task.replace('_', ' ')}.",
        2: _outline(steps[:-1]),
        3: "\n".join(tool.strip() for tool in tools[:2]),
        4: steps[0] if len(steps) > 1 else "",
    }
    hints = {level: hint for level, hint in hints.items() if hint and not _says(question, hint)}
    return hints | ({5: reasoning} if reasoning else {})


def labelled_steps(question: Question, path: GradedPath) -> tuple[list[str], list[bool]] | None:
    """Steps of a path with their labels, the answer last. None where the rules found a flaw that they cannot place, and for
    wrong answers of which no step is known to be wrong."""
    try:
        reply = formats.parse(question.style, path.text)
    except formats.FormatError:
        return None
    reasoning = _reasoning(reply)
    steps = sentences(reasoning)
    if not steps or isinstance(reply, formats.Agentic | formats.Plain | formats.AutoPlain):
        return None
    flawed = set(flawed_sentences(question, steps, path.programmatic))
    if path.grade == "A":
        return ([*steps, reply.answer], [True] * (len(steps) + 1)) if not path.injected else None
    if not flawed or set(path.reasons) - {*_LOCATED, "answer"}:
        return None
    return [*steps, reply.answer], [*(n not in flawed for n in range(len(steps))), path.right]


def _reasoning(reply: formats.Reply) -> str:
    if isinstance(reply, formats.Thinking | formats.AutoThinking):
        return reply.think.strip()
    if isinstance(reply, formats.Agentic):
        return "\n".join([*(step.thought for step in reply.steps), reply.closing]).strip()
    return "" if isinstance(reply, formats.Plain) else prose(reply).strip()


def _outline(steps: list[str]) -> str:
    """How each step begins."""
    openings = [" ".join(step.split()[:_OPENING_WORDS]) for step in steps]
    return "\n".join(f"{n}. {opening} …" for n, opening in enumerate(openings, 1)) if len(openings) > 1 else ""


def _says(question: Question, hint: str) -> bool:
    """Whether a hint says the answer, or names it among others where that is a letter."""
    if question.answer_type == "choice":
        return bool(re.search(rf"(?i)\b(?:answer|option|hence|so)\b[^.]{{0,20}}\b{re.escape(question.answer)}\b", hint))
    return holds(words(hint), words(question.answer))


def fields_of(question: Question) -> dict[str, Any]:
    """Fields of every row: to mix by, and to grade by."""
    return {
        "id": question.id,
        "mode": question.mode,
        "task": question.task,
        "difficulty": question.difficulty,
        "answer": question.answer,
        "answer_type": question.answer_type,
    }
