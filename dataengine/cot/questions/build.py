"""Composes the questions of a sample: which tasks are tried is drawn from seed and id, so it depends on no other sample.

A task that abstains is counted and the next one in the draw is tried, until ``per_sample`` questions are there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from dataengine.cot.checks.verify import verify_question
from dataengine.cot.core import formats
from dataengine.cot.core.outcomes import Kept, Outcome, Rejected, Step
from dataengine.cot.core.question import SWITCHES, Question
from dataengine.cot.core.record import MODES, Style, record_id
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw, derive_seed
from dataengine.cot.core.shard_files import encode_png, observations
from dataengine.cot.tasks.base import Abstain, Facts, Params, Task, messages, words
from dataengine.cot.tasks.difficulty import difficulty
from dataengine.cot.tasks.from_source import AT
from dataengine.cot.tasks.registry import DEFAULT_SHARES, TASKS
from dataengine.errors import InputError
from dataengine.plugins.failure import ERROR

EVEN: Mapping[str, float] = dict.fromkeys(MODES, 1.0)


def candidates(
    source: CotInput,
    seed: int,
    per_sample: int,
    mix: Mapping[str, float] = EVEN,
    models: bool = False,
    switches: str = "card",
    shares: Mapping[str, float] = DEFAULT_SHARES,
) -> list[Outcome]:
    """Questions about one sample, at most ``per_sample``, one a task and one a variant, and the candidates without one,
    in the order tried. ``models``: also questions that only a model can answer. ``shares`` weigh the tasks of a mode; those of
    share 0 are not tried.

    ``mix`` are the shares of the modes that are asked for: on average over samples their questions are in these shares, as far as
    samples have such questions (``mix.quotas`` makes them exact). Raises InputError where the
    media cannot be decoded.
    """
    draw = Draw(seed, source.id, "tasks")
    turns = Turns(draw, mix)
    queues = {cell: _choices(cell, source, draw, models, shares) for cell in turns.order}
    outcomes: list[Outcome] = []
    tried: set[str] = set()
    while (
        any(queues.values()) and sum(isinstance(o, Kept) for o in outcomes) < per_sample
    ):  # a video's may be some more
        queue = queues[turns.next({cell for cell, queue in queues.items() if queue})]
        while queue:
            task, style, variant = queue.pop(0)
            if (variant or task.name) not in tried:
                tried.add(variant or task.name)
                outcomes.append(attempt(task, style, source, seed, variant, switches))
                if isinstance(outcomes[-1], Kept):
                    same = [
                        one for one in queue if one[0] is task and AT in variant and _asks(one[2]) == _asks(variant)
                    ]
                    outcomes += [attempt(task, style, source, seed, other, switches) for _, _, other in same]
                    tried |= {other for _, _, other in same}
                    break
    return outcomes


_MOMENTS = 1 << 53


class Turns:
    """Whose turn it is among cells with shares: on average over draws, each turn falls to a cell as often as its share says. The
    first one is drawn by the shares (exponential clocks), the others come the first time at a random moment of their own, then
    all at even distances. Where all have the same share, they come one after another, in random order."""

    def __init__(self, draw: Draw, shares: Mapping[str, float]) -> None:
        self._shares = shares
        self._clocks = {
            cell: -math.log((draw.below(_MOMENTS) + 1) / (_MOMENTS + 1)) / shares[cell]
            for cell in sorted(shares)
            if shares[cell] > 0
        }
        self._due = dict[str, float]()
        self.order = sorted(self._clocks, key=lambda cell: (self._clocks[cell], cell))

    def next(self, cells: Collection[str]) -> str:
        """Of these cells (of those of the first call, at least one) the one whose turn it is."""
        if not self._due:
            earliest = min(self._clocks[cell] for cell in cells)
            # What is left of an exponential clock is one again: a moment that does not depend on which cell is first.
            self._due = {
                cell: (1 - math.exp((earliest - self._clocks[cell]) * self._shares[cell])) / self._shares[cell]
                for cell in cells
            }
        cell = min((one for one in self.order if one in cells), key=self._due.__getitem__)
        self._due[cell] += 1 / self._shares[cell]
        return cell


def attempt(
    task: Task, style: Style, source: CotInput, seed: int, variant: str = "", switches: str = "card"
) -> Outcome:
    """One candidate: the first question on which the task does not abstain, composed and verified."""
    own = derive_seed(seed, source.id, task.name, *([variant] if variant else []))
    answered = _answered(task, style, source, Draw(own).fork("question"), variant)
    if isinstance(answered, Rejected):
        return answered
    params, facts, answer = answered
    named = {SWITCHES: switches} if formats.SWITCHES[switches] != formats.SWITCHES["card"] else {}
    try:
        kept = compose(task, style, source, own, params | named, facts, answer)
    except InputError as error:
        if error.failure != ERROR:  # of a plugin
            raise
        return Rejected(source.id, task.mode, task.name, Step.DECIDE, error.failure)
    images = {o.name: data for o, data in zip(kept.question.observations, kept.images, strict=True)}
    verdict = verify_question(kept.question, source, images)
    if not verdict.passed:
        return Rejected(source.id, task.mode, task.name, Step.VERIFY, verdict.step)
    return kept


def compose(task: Task, style: Style, source: CotInput, seed: int, params: Params, facts: Facts, answer: str) -> Kept:
    """The question with its facts and its answer; ``seed`` chooses the words."""
    exchange = task.write(source.id, params, facts, answer, style, words(seed, 0))
    images = tuple(encode_png(pixels) for pixels in task.observe(params, source))
    parents = task.parents(source.id, params)
    question = Question(
        id=record_id(task.mode, task.name, seed, parents),
        mode=task.mode,
        task=task.name,
        style=style,
        family=task.family,
        difficulty=difficulty(task.name, params, facts),
        seed=seed,
        parents=parents,
        content=messages(exchange, style, params.get(SWITCHES, "card"))[0].content,
        answer=answer,
        answer_type=task.type_of(params),
        basis=task.basis,
        parameters=params,
        facts=facts,
        observations=observations(images),
    )
    return Kept(question, images)


def _asks(variant: str) -> str:
    """What a question asks, whatever frames it shows."""
    return variant.partition(AT)[0]


def _answered(
    task: Task, style: Style, source: CotInput, draw: Draw, variant: str
) -> tuple[Params, Facts, str] | Rejected:
    """The first question on which the task does not abstain, else why it did on the first one."""
    options = task.options(source, draw)
    if isinstance(options, Abstain):
        return Rejected(source.id, task.mode, task.name, Step.PROPOSE, options.reason)
    first: Abstain | None = None
    for params in options:
        if params.get("variant", "") != variant:
            continue
        facts = task.measure(params, source)
        answer = facts if isinstance(facts, Abstain) else task.decide(params, facts, strict=True)
        if isinstance(answer, str) and not isinstance(facts, Abstain):
            if style != "thinking" or task.reasons(params, facts):
                return params, facts, answer
            answer = Abstain("nothing seen to reason with")
        first = first or (answer if isinstance(answer, Abstain) else None)
    return Rejected(source.id, task.mode, task.name, Step.DECIDE, first.reason if first else "no question")


def _choices(
    cell: str, source: CotInput, draw: Draw, models: bool, shares: Mapping[str, float]
) -> list[tuple[Task, Style, str]]:
    """Tasks of a cell that take such a sample, each with a style and a variant: those that ask the source's own pairs, then the
    others, in drawn order."""
    mode, _, style = cell.partition("/")
    choices: list[tuple[Task, Style, str]] = []
    drawn = [TASKS[name] for name in draw.weighted_order(shares)]
    for task in sorted(drawn, key=lambda task: "pairs" not in task.needs):
        styles = [s for s in task.styles if style in ("", s) and (models or task.programs(s))]
        if task.mode == mode and styles and task.takes(source):
            choices += [(task, draw.choice(styles), variant) for variant in draw.shuffled(task.variants(source))]
    return choices
