"""Programmatic teacher: writes replies from templates, facts and a seed, a different one for each path.

Even paths say what is needed; odd ones go through all readings once more. A longer path is no better here: it is what the
check for redundancy is for.
"""

from __future__ import annotations

from dataclasses import replace

from dataengine.cot.core import formats
from dataengine.cot.core.measure import PARTS
from dataengine.cot.core.question import Question
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Exchange, words
from dataengine.cot.tasks.registry import TASKS

_AGAIN = ("Let me go through it once more.", "I check the readings a second time.", "Once more, to be sure.")


def exchange(question: Question, path: int) -> Exchange:
    """Question and reply of a path. The question is the same for all paths."""
    task = TASKS[question.task]
    arguments = (next(iter(question.parents), ""), question.parameters, question.facts, question.answer, question.style)
    first = task.write(*arguments, words(question.seed, 0))
    reply = task.write(*arguments, words(question.seed, path)).reply
    return replace(first, reply=_repeated(question, reply, words(question.seed, path)) if path % 2 else reply)


def _repeated(question: Question, reply: formats.Reply, draw: Draw) -> formats.Reply:
    readings = [f"The {name} has {round(value)}." for name, value in question.facts.items() if name in PARTS]
    if not readings:
        return reply
    more = " ".join(["", draw.fork("again").choice(_AGAIN), *readings, "Nothing changes."])
    if isinstance(reply, formats.Thinking | formats.AutoThinking):
        return replace(reply, think=reply.think + more)
    return replace(reply, closing=reply.closing + more) if isinstance(reply, formats.Agentic) else reply
