"""How often the steps of a path of reasoning recur in the other right paths of its question: of several right ones, those that
most paths share are kept (Keye-VL, arXiv 2507.01949, on the thinking paths of the cold start)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dataengine.cot.core.tables import CheckRow
from dataengine.cot.teachers.prompt_text import steps_of

_SAME = 0.5
"""Sentences that share so many of their words (Jaccard) are one step."""
_LEAST = 3
"""Right paths of a question, below which nothing recurs."""

Words = frozenset[str]


def with_recurrence(checks: Sequence[CheckRow], texts: Sequence[str]) -> Iterator[CheckRow]:
    """The checks, each right path with the mean share of the other right paths that have a step of it; ``texts`` are theirs."""
    steps: dict[str, dict[int, list[Words]]] = {}
    for place, (check, text) in enumerate(zip(checks, texts, strict=True)):
        if check.kind == "path" and check.right and not check.injected:
            steps.setdefault(check.rid, {})[place] = list(map(_words, steps_of(text)))
    for place, check in enumerate(checks):
        paths = steps.get(check.rid, {})
        yield replace(check, recurrence=_recurrence(place, paths)) if place in paths else check


def _recurrence(place: int, paths: dict[int, list[Words]]) -> float:
    own, others = paths[place], [steps for other, steps in paths.items() if other != place]
    if len(paths) < _LEAST or not own:
        return 0.0
    shares = [sum(any(_same(step, other) for other in steps) for steps in others) / len(others) for step in own]
    return round(sum(shares) / len(shares), 4)


def _same(a: Words, b: Words) -> bool:
    return bool(a) and len(a & b) >= _SAME * len(a | b)


def _words(sentence: str) -> Words:
    return frozenset(re.findall(r"\w+", sentence.lower()))
