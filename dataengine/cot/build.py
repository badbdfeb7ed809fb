"""From a sample to records: which tasks are tried is drawn from seed and id, so it depends on no other sample.

A task that finds no sure answer is counted and the next one in the draw is tried, until ``per_sample`` records are there.
"""

from __future__ import annotations

from collections.abc import Mapping

from dataengine.cot.account import Kept, Outcome, Rejected, Step
from dataengine.cot.difficulty import difficulty
from dataengine.cot.draw import Draw, derive_seed
from dataengine.cot.members import encode_png, observations
from dataengine.cot.mix import PRESETS
from dataengine.cot.record import VERSION, Record, Style, VerdictModel, facts_of, params_of, record_id
from dataengine.cot.registry import TASKS
from dataengine.cot.source import CotInput
from dataengine.cot.task import Facts, Params, Task, Unsure, messages, words
from dataengine.cot.verify import verify_record
from dataengine.cot.written import TEACHER

EVEN = PRESETS["even"]


def candidates(source: CotInput, seed: int, per_sample: int, mix: Mapping[str, float] = EVEN) -> list[Outcome]:
    """Records of one sample, at most ``per_sample`` and one a task, and the candidates that failed, in the order tried.

    ``mix`` weighs which modes come first; by itself it promises no shares (``mix.pick`` does). Raises InputError where the
    media cannot be decoded.
    """
    draw = Draw(seed, source.id, "tasks")
    queues = [_choices(cell, source.kind, draw) for cell in draw.race(mix)]
    found: list[Outcome] = []
    tried: set[str] = set()
    while any(queues) and sum(isinstance(o, Kept) for o in found) < per_sample:
        queue = queues.pop(0)
        while queue:
            task, style = queue.pop(0)
            if task.name not in tried:
                tried.add(task.name)
                found.append(attempt(task, style, source, seed))
                if isinstance(found[-1], Kept):
                    break
        queues.append(queue)
    return found


def attempt(task: Task, style: Style, source: CotInput, seed: int) -> Outcome:
    """One candidate: the first question of the task with a sure answer, written and verified."""
    own = derive_seed(seed, source.id, task.name)
    sure = _sure(task, source, Draw(own).fork("question"))
    if isinstance(sure, Rejected):
        return sure
    kept = compose(task, style, source, own, *sure)
    images = {o.name: data for o, data in zip(kept.record.observations, kept.images, strict=True)}
    verdict = verify_record(kept.record.to_bytes(), lambda _: source, images)
    if not verdict.passed:
        return Rejected(source.id, task.mode, task.name, Step.VERIFY, verdict.step)
    return kept


def compose(task: Task, style: Style, source: CotInput, seed: int, params: Params, facts: Facts, answer: str) -> Kept:
    """The record for a question, its facts and its answer; ``seed`` chooses the words."""
    exchange = task.write(source.id, params, facts, answer, style, words(seed, 0))
    images = tuple(encode_png(pixels) for pixels in task.observe(params, source))
    parents = (source.id,)
    record = Record(
        version=VERSION,
        id=record_id(task.mode, task.name, seed, parents),
        mode=task.mode,
        task=task.name,
        style=style,
        family=task.family,
        difficulty=difficulty(task.name, params, facts),
        teacher=TEACHER,
        seed=seed,
        parents=parents,
        messages=messages(exchange, style),
        answer=answer,
        answer_type=task.answer_type,
        params=params_of(params),
        evidence=facts_of(facts),
        observations=observations(images),
        verdict=VerdictModel(status="passed"),
    )
    return Kept(record, images)


def _sure(task: Task, source: CotInput, draw: Draw) -> tuple[Params, Facts, str] | Rejected:
    """The first question with a sure answer, else why the first one had none."""
    options = task.options(source, draw)
    if isinstance(options, Unsure):
        return Rejected(source.id, task.mode, task.name, Step.PROPOSE, options.reason)
    why: Unsure | None = None
    for params in options:
        facts = task.measure(params, source)
        answer = facts if isinstance(facts, Unsure) else task.decide(params, facts, strict=True)
        if isinstance(answer, str) and not isinstance(facts, Unsure):
            return params, facts, answer
        why = why or (answer if isinstance(answer, Unsure) else None)
    return Rejected(source.id, task.mode, task.name, Step.DECIDE, why.reason if why else "no question")


def _choices(cell: str, kind: str, draw: Draw) -> list[tuple[Task, Style]]:
    """Tasks of a cell that take such a sample, each with a style, in drawn order."""
    mode, _, style = cell.partition("/")
    found: list[tuple[Task, Style]] = []
    for task in draw.shuffled([TASKS[name] for name in sorted(TASKS)]):
        styles = [s for s in task.styles if style in ("", s)]
        if task.mode == mode and task.kind == kind and styles:
            found.append((task, draw.choice(styles)))
    return found
