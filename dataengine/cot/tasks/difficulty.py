"""Estimates the difficulty of a question from its facts: how many things are compared, and how close they come to each other.

An estimate before anybody has answered. Keye-VL (arXiv 2507.01949, section on post-training data) also takes correctness and
length of several models' answers; agreement between paths is a score of its own here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import combinations, pairwise
from types import MappingProxyType

from dataengine.cot.core.measure import QUALITIES
from dataengine.cot.core.record import Difficulty
from dataengine.cot.tasks.base import LETTERS, Facts, Params
from dataengine.cot.tasks.frame_order import mean_ratio

_EASY = frozenset({"glance", "dominant_colour", "orientation", "read_text"})
_CLOSE, _WIDE = 1.6, 3.0
"""Smallest gap between neighbours, in margins of the quality."""
_FEW, _SOME = 1, 4
"""Steps that a question takes which was made with its answer."""
_PLAIN, _CLOSER = 27.0, 16.0
"""How distinct pictures are that have to be told apart (``composed.base``): at first sight, or on a second look."""
_SHORT, _LONG, _NEAR = 12, 40, 0.25
"""Words of a question; words that two choices share, of all their words."""


def difficulty(task: str, params: Params, facts: Facts) -> Difficulty:
    """easy, medium or hard."""
    if params.get("difficulty") in ("easy", "medium", "hard"):  # by what samples of models got right
        return params["difficulty"]  # type: ignore[return-value]
    if "steps" in facts:
        looks = facts.get("distinct", _PLAIN)
        if facts["steps"] > _SOME or looks < _CLOSER:
            return "hard"
        return "easy" if facts["steps"] <= _FEW and looks >= _PLAIN else "medium"
    if task in _EASY:
        return "easy"
    if "choices" in params or "question" in params:
        return _of_source(params)
    if task in _MARGINS:
        margin, hard, medium = _MARGINS[task]
        value = margin(params, facts)
        return "hard" if value < hard else "medium" if value < medium else "easy"
    if "cuts" in facts:
        return "easy" if facts["cuts"] < 1 else "medium" if facts["cuts"] < 4 else "hard"
    if "quality" not in params or task == "rank_parts":
        return "hard"
    values = sorted(facts.values(), reverse=params.get("end") == "highest")
    gaps = [abs(a - b) for a, b in pairwise(values)][:1]
    ratio = min(gaps) / QUALITIES[params["quality"]].margin
    return "hard" if ratio < _CLOSE else "medium" if ratio < _WIDE or len(values) > 2 else "easy"


def _lead(params: Params, facts: Facts) -> float:
    """Points of colour between the clip that matches and the next."""
    first, second = sorted(value for name, value in facts.items() if name in LETTERS)[:2]
    return second - first


def _step(params: Params, facts: Facts) -> float:
    """How much clearer the next frame is than the one after it."""
    places = params["frames"].split(",")
    order = sorted(range(len(places)), key=lambda at: int(places[at]))
    return mean_ratio(facts, [LETTERS[at] for at in order])


#: What a video question turns on, and below which of it the question is hard, and medium.
_MARGINS: Mapping[str, tuple[Callable[[Params, Facts], float], float, float]] = MappingProxyType(
    {
        "match_clips": (_lead, 35.0, 50.0),
        "find_frame": (lambda _, facts: facts["difference"], 10.0, 20.0),
        "odd_frame": (lambda _, facts: facts["colours"], 20.0, 38.0),
        "order_frames": (_step, 1.75, 2.0),
    }
)


def _of_source(params: Params) -> Difficulty:
    """Difficulty of a question without measurements: by the length of what is asked, how open the answer is, and how much the
    choices have in common. A question that a model has made harder is hard."""
    choices, words = json.loads(params.get("choices", "[]")), len(params.get("question", "").split())
    if "original" in params or words > _LONG or params.get("answer_type") == "text":
        return "hard"
    bags = [set(c.lower().split()) for c in choices]
    near = max((len(a & b) / max(len(a | b), 1) for a, b in combinations(bags, 2)), default=0.0)
    if near >= _NEAR:
        return "hard"
    plain = params.get("answer", "").lower() in ("yes", "no") or 0 < len(choices) <= 2
    return "easy" if plain and words <= _SHORT else "medium"
