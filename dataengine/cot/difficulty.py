"""How hard a question is, from the facts its answer rests on: how many things are compared, and how close they come.

An estimate before anybody has answered. Keye-VL (arXiv 2507.01949, section on post-training data) also takes correctness and
length of several models' answers; agreement between paths is a score of its own here.
"""

from __future__ import annotations

from itertools import pairwise

from dataengine.cot.measure import QUALITIES
from dataengine.cot.record import Difficulty
from dataengine.cot.task import Facts, Params

_EASY = frozenset({"glance", "dominant_colour", "orientation", "read_text"})
_CLOSE, _WIDE = 1.6, 3.0
"""Smallest gap between neighbours, in margins of the quality."""


def difficulty(task: str, params: Params, facts: Facts) -> Difficulty:
    """easy, medium or hard."""
    if task in _EASY:
        return "easy"
    if "cuts" in facts:
        return "easy" if facts["cuts"] < 1 else "medium" if facts["cuts"] < 4 else "hard"
    if "quality" not in params or task == "rank_parts":
        return "hard"
    values = sorted(facts.values(), reverse=params.get("end") == "highest")
    gaps = [abs(a - b) for a, b in pairwise(values)][:1]
    ratio = min(gaps) / QUALITIES[params["quality"]].margin
    return "hard" if ratio < _CLOSE else "medium" if ratio < _WIDE or len(values) > 2 else "easy"
