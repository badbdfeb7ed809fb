"""Recombines the steps that recur across the right paths of a question into one more path (Keye-VL, arXiv 2507.01949, on the
thinking paths of the cold start: paths of frequent steps are kept or recombined).

The path whose steps recur most is the frame. Steps of it that fewer than half of the others have are dropped; steps that it lacks
and at least half of the others have are put in where these have them; a step is worded as the path that was surest of it does.
What comes out is graded and judged like any other path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dataengine.cot.checks.grade import grade
from dataengine.cot.checks.recurrence import LEAST, RECOMBINED, Words, recurrence, same_step, words_of
from dataengine.cot.core import formats
from dataengine.cot.core.formats import AutoThinking, Thinking
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import TEACHER
from dataengine.cot.core.tables import PathRow
from dataengine.cot.teachers.prompt_text import steps_of

_FREQUENT = 0.5
"""Share of the other right paths that have a step, from which on it is kept or put in."""
_SURER = 0.5
"""Mean log-probability by which another wording of a step must be surer to take its place."""


@dataclass(frozen=True)
class _Step:
    """A sentence of reasoning, its words, and mean and lowest log-probability of its tokens; None where the server gave none."""

    text: str
    words: Words
    mean: float | None = None
    least: float | None = None

    def same(self, other: _Step) -> bool:
        return same_step(self.words, other.words)


@dataclass(frozen=True)
class _Sound:
    row: PathRow
    reply: Thinking | AutoThinking
    steps: tuple[_Step, ...]


def recombined(question: Question, paths: Sequence[PathRow], index: int) -> PathRow | None:
    """The path of the steps that recur across sound paths of models, with this index; None where fewer than three are sound, or
    nothing is to be changed in the one whose steps recur most."""
    ordered = sorted(paths, key=lambda path: path.index)
    sound = [one for path in ordered if (one := _sound(question, path)) is not None]
    if len(sound) < LEAST:
        return None
    listed = [[step.words for step in one.steps] for one in sound]
    rates = [recurrence(own, [*listed[:n], *listed[n + 1 :]]) for n, own in enumerate(listed)]
    place = max(range(len(sound)), key=lambda n: (rates[n], -sound[n].row.index))
    frame, others = sound[place], [*sound[:place], *sound[place + 1 :]]
    steps = _surest(_with_frequent(_kept(frame, others), frame, others), others)
    if not steps or [step.text for step in steps] == [step.text for step in frame.steps]:
        return None
    text = replace(frame.reply, think=" ".join(step.text for step in steps)).render()
    if grade(question, text, measured=False).grade != "A":
        return None
    teachers = ", ".join(sorted({one.row.teacher for one in sound}))
    return _row(frame.row, f"{RECOMBINED}{teachers}", index, text, steps)


def _sound(question: Question, path: PathRow) -> _Sound | None:
    """A model's path that the rules find sound, with its steps; None for others, and for replies without a text of reasoning."""
    if path.kind != "path" or path.failure or path.injected or not path.text or path.teacher == TEACHER:
        return None
    if grade(question, path.text, measured=False).grade != "A":
        return None
    reply = formats.parse(question.style, path.text)
    if not isinstance(reply, Thinking | AutoThinking):
        return None
    texts = steps_of(path.text)
    by_step = len(texts) == len(path.step_means) == len(path.step_leasts)
    means, leasts = (path.step_means, path.step_leasts) if by_step else ((None,) * len(texts),) * 2
    return _Sound(path, reply, tuple(_Step(t, words_of(t), *of) for t, *of in zip(texts, means, leasts, strict=True)))


def _kept(frame: _Sound, others: Sequence[_Sound]) -> list[_Step]:
    """The frame's steps that recur, and its last one, which leads to the answer."""
    return [step for step in frame.steps if step is frame.steps[-1] or _rate(step, others) >= _FREQUENT]


def _with_frequent(steps: list[_Step], frame: _Sound, others: Sequence[_Sound]) -> list[_Step]:
    """With the recurring steps that are missing, each after a step that it follows in its own path, never behind the last."""
    for one in others:
        rest = [frame, *(other for other in others if other is not one)]
        for at, step in enumerate(one.steps):
            if any(step.same(known) for known in steps) or _rate(step, rest) < _FREQUENT:
                continue
            before = [n for n, known in enumerate(steps) if any(known.same(earlier) for earlier in one.steps[:at])]
            steps.insert(min(before[-1] + 1 if before else 0, len(steps) - 1), step)
    return steps


def _surest(steps: Sequence[_Step], others: Sequence[_Sound]) -> list[_Step]:
    """Each step in the surest wording, where that is clearly surer and says no other step once more."""
    chosen = list(steps)
    for place, step in enumerate(steps):
        wordings = [other for one in others for other in one.steps if other.same(step) and other.mean is not None]
        best = max(wordings, key=lambda other: (other.mean or 0.0, other.text), default=step)
        surer = step.mean is not None and best.mean is not None and best.mean > step.mean + _SURER
        if surer and not any(best.same(known) for at, known in enumerate(chosen) if at != place):
            chosen[place] = best
    return chosen


def _rate(step: _Step, paths: Sequence[_Sound]) -> float:
    return sum(any(step.same(other) for other in one.steps) for one in paths) / len(paths)


def _row(frame: PathRow, teacher: str, index: int, text: str, steps: Sequence[_Step]) -> PathRow:
    means = tuple(step.mean for step in steps if step.mean is not None)
    leasts = tuple(step.least for step in steps if step.least is not None)
    if len(means) < len(steps):
        means, leasts = (), ()
    return replace(
        frame,
        index=index,
        teacher=teacher,
        text=text,
        confidence=round(math.fsum(means) / len(means), 4) if means else None,
        least_token=min(leasts) if leasts else None,
        step_means=means,
        step_leasts=leasts,
    )
