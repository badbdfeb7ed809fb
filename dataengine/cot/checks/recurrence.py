"""How often the steps of a path of reasoning recur in the other right paths of its question: of several right ones, those that
most paths share are kept (Keye-VL, arXiv 2507.01949, on the thinking paths of the cold start)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dataengine.cot.core.tables import CheckRow
from dataengine.cot.teachers.prompt_text import steps_of

RECOMBINED = "recombined:"
"""Before the teachers of a path that was made of steps of others (``paths.recombination``)."""
LEAST = 3
"""Right paths of a question, below which nothing recurs."""
_SAME = 0.5
"""Sentences that share so many of their words (Jaccard), and all of their numbers, are one step."""

Words = frozenset[str]


def with_recurrence(checks: Sequence[CheckRow], texts: Sequence[str]) -> Iterator[CheckRow]:
    """The checks, each right path with the mean share of the other right paths that have a step of it; ``texts`` are theirs. What
    was recombined is no path of its own for the others."""
    steps: dict[str, dict[int, list[Words]]] = {}
    for place, (check, text) in enumerate(zip(checks, texts, strict=True)):
        if check.kind == "path" and check.right and not check.injected:
            steps.setdefault(check.rid, {})[place] = list(map(words_of, steps_of(text)))
    for place, check in enumerate(checks):
        own = steps.get(check.rid, {})
        sampled = {at: of for at, of in own.items() if not checks[at].teacher.startswith(RECOMBINED)}
        if place not in own or len(sampled) < LEAST:
            yield check
            continue
        yield replace(check, recurrence=recurrence(own[place], [of for at, of in sampled.items() if at != place]))


def recurrence(own: Sequence[Words], others: Sequence[Sequence[Words]]) -> float:
    """Mean share of the ``others`` that have a step of a path; 0 for a path without steps."""
    if not own:
        return 0.0
    shares = [sum(any(same_step(step, other) for other in steps) for steps in others) / len(others) for step in own]
    return round(sum(shares) / len(shares), 4)


def same_step(a: Words, b: Words) -> bool:
    """Whether two sentences, as ``words_of`` gives them, say the same; other numbers are another step."""
    return bool(a) and len(a & b) >= _SAME * len(a | b) and not any(word.isdigit() for word in a ^ b)


def words_of(sentence: str) -> Words:
    return frozenset(re.findall(r"\w+", sentence.lower()))
