"""Error injection: paths that are wrong on purpose, each in one way, to measure what share of errors the checks catch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from dataengine.cot.checks.answers import NO_OTHER, wrong_answers
from dataengine.cot.core import formats
from dataengine.cot.core.measure import PARTS
from dataengine.cot.core.question import Question
from dataengine.cot.core.seeded import Draw

Thinks = formats.Thinking | formats.AutoThinking
_FOREIGN = (
    "Хорошо видно, что это именно так и никак иначе.",
    "从图中可以清楚地看出这一点没有疑问。",
    "これは画像からはっきりと読み取れます。",
)


def with_error(question: Question, reply: formats.Reply, draw: Draw) -> tuple[str, str] | None:
    """``(kind of error, the text with it)``; None where no kind fits this reply."""
    for kind in draw.shuffled(sorted(_KINDS)):
        text = _KINDS[kind](question, reply, draw)
        if text is not None and text != reply.render():
            return kind, text
    return None


def _answer(question: Question, reply: formats.Reply, draw: Draw) -> str | None:
    """Another answer, everything else as it was."""
    wrong = wrong_answers(question)
    if not wrong:
        return None
    new = draw.choice(wrong)
    if formats.boxed(reply) is not None:
        return reply.render().replace(formats.box(question.answer), formats.box(new))
    if question.answer_type == "order":
        return reply.render().replace(question.answer, new)
    head, mark, text = reply.render().rpartition("</analysis> ")
    changed = re.sub(rf"\b{re.escape(question.answer)}\b", new, text, flags=re.IGNORECASE)
    return head + mark + changed


def _reading(question: Question, reply: formats.Reply, draw: Draw) -> str | None:
    """One number that nothing supports."""
    if not isinstance(reply, Thinks) or question.basis != "measured":
        return None
    numbers = re.findall(r"(?<![\w.-])\d{2,3}(?![\w.])", reply.think)
    if not numbers:
        return None
    return _thinking(reply, reply.think.replace(draw.choice(numbers), str(700 + draw.below(200)), 1))


def _swap(question: Question, reply: formats.Reply, draw: Draw) -> str | None:
    """Two readings swapped between their parts."""
    if not isinstance(reply, Thinks) or question.task not in ("compare_parts", "rank_parts"):
        return None
    values = {name: round(value) for name, value in question.facts.items() if name in PARTS}
    apart = [(a, b) for a in values for b in values if a < b and abs(values[a] - values[b]) > 5]
    if not apart:
        return None
    a, b = (str(values[name]) for name in draw.choice(apart))
    swapped = re.sub(rf"(?<![\w.-])(?:{a}|{b})(?![\w])(?!\.\d)", lambda m: b if m[0] == a else a, reply.think)
    return _thinking(reply, swapped)


def _conclusion(question: Question, reply: formats.Reply, draw: Draw) -> str | None:
    """Reasoning that concludes with another answer than the final one."""
    wrong = [one for one in wrong_answers(question) if one != NO_OTHER]
    open_ended = question.basis == "constructed" and question.answer_type in ("word", "text", "box")
    if not wrong or open_ended or formats.boxed(reply) is None:
        return None
    sentence = f" So the answer is {draw.choice(wrong)}."
    if isinstance(reply, formats.Agentic):
        return replace(reply, closing=reply.closing + sentence).render()
    return _thinking(reply, reply.think + sentence) if isinstance(reply, Thinks) else None


def _output(question: Question, reply: formats.Reply, draw: Draw) -> str | None:
    """A number in a tool's output that the tool did not give."""
    if not isinstance(reply, formats.Agentic):
        return None
    read = [n for n, step in enumerate(reply.steps) if re.fullmatch(r"(?:-?\d++\n?)+", step.output)]
    if not read:
        return None
    at = draw.choice(read)
    first, *rest = reply.steps[at].output.split("\n")
    output = "\n".join([str(int(first) + 20 + draw.below(60)), *rest])
    steps = (*reply.steps[:at], replace(reply.steps[at], output=output), *reply.steps[at + 1 :])
    return replace(reply, steps=steps).render()


def _repetition(question: Question, reply: formats.Reply, draw: Draw) -> str | None:
    if not isinstance(reply, Thinks):
        return None
    return _thinking(reply, reply.think + " Let me look at the picture once more." * (4 + draw.below(8)))


def _language(question: Question, reply: formats.Reply, draw: Draw) -> str | None:
    sentence = f" {draw.choice(_FOREIGN)}"
    if isinstance(reply, formats.Agentic):
        return replace(reply, closing=reply.closing + sentence).render()
    return _thinking(reply, reply.think + sentence) if isinstance(reply, Thinks) else None


def _format(question: Question, reply: formats.Reply, draw: Draw) -> str | None:
    """A tag that is missing, or one that has no place there."""
    text = reply.render()
    if isinstance(reply, formats.Plain):
        return f"<answer>{text}</answer>"
    return text.replace(draw.choice([tag for tag in ("</think>", "<answer>", "</analysis>") if tag in text]), "", 1)


def _thinking(reply: Thinks, think: str) -> str:
    return replace(reply, think=think).render()


_KINDS: dict[str, Callable[[Question, formats.Reply, Draw], str | None]] = {
    "answer": _answer,
    "conclusion": _conclusion,
    "format": _format,
    "language": _language,
    "output": _output,
    "reading": _reading,
    "repetition": _repetition,
    "swap": _swap,
}
