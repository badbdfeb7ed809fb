"""Quality of a question from 1 to 5 by how much it needs its picture, and how often a record of it is trained on.

The scale is that of Keye-VL-1.5 (arXiv 2509.01563, step 5 of the LongCoT pipeline): 1 can be answered without the picture, 5
depends on it strongly and takes advanced reasoning. Without a judge no question is a 5: rules measure whether the picture is
needed and how hard the question was, not what kind of reasoning it takes. Repeat counts are not in the report; they are the
recipe's.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

_GUESSED = 0.5
"""Share of the answers without the picture that are right, from which on the picture is not needed."""
_PRIOR, _MIN_OTHERS = 0.9, 8
"""Share of the other questions in the same words with the same answer, from which on the answer needs no picture; trusted from
this many others on."""
_UNIT = 1 << 52


@dataclass(frozen=True)
class Evidence:
    """What is known of a question. ``guessed``: share of the models' answers without the picture that are right, None where
    none was asked; ``prior``: how often ``others`` in the same words have its answer; ``judged``: a judge's score."""

    style: str
    difficulty: str
    guessed: float | None = None
    prior: float = 0.0
    others: int = 0
    judged: int | None = None

    @property
    def dependence(self) -> float | None:
        """From 0 to 1: how seldom the answer is right without the picture; None where that was not measured."""
        measured = [self.guessed] if self.guessed is not None else []
        measured += [self.prior] if self.others >= _MIN_OTHERS else []
        return 1.0 - max(measured) if measured else None


def quality(evidence: Evidence) -> int:
    """1 where the picture is not needed. Else a judge's score, which is a 5 only where the picture was measured to be needed
    more often than not; without a judge 2 to 4 by difficulty, at most 3 where nothing measured whether the picture is needed."""
    guessed = evidence.guessed is not None and evidence.guessed >= _GUESSED
    if guessed or (evidence.prior >= _PRIOR and evidence.others >= _MIN_OTHERS):
        return 1
    needed = evidence.dependence
    if evidence.judged is not None:
        return min(evidence.judged, 5 if needed is not None and needed > _GUESSED else 4)
    if evidence.difficulty == "easy":
        return 2 if evidence.style in ("non_thinking", "auto") else 3
    return 4 if evidence.difficulty == "hard" and needed is not None else 3


def repeats(weight: float, seed: int, rid: str) -> int:
    """How often a record is trained on, a whole number: on average over records its weight. A weight of 0.25 is one use of one
    record in four, and none of the others."""
    digits = hashlib.sha256(f"{seed}\0repeat\0{rid}".encode()).hexdigest()[:13]
    whole = math.floor(weight)
    return whole + (int(digits, 16) < (weight - whole) * _UNIT)
