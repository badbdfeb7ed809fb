"""The wording of a question about a drawn or composed picture tells neither its answer nor whether to think.

The guesser knows, from half of the questions, the most frequent answer to each wording, names and numbers removed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import pytest
from support.cot_corpus import pictures, sample

from dataengine.cot.core.formats import AutoThinking
from dataengine.cot.core.sample import NO_SAMPLE
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Task, words
from dataengine.cot.tasks.composed.alone import ALONE
from dataengine.cot.tasks.composed.base import Composed
from dataengine.cot.tasks.composed.beside import BESIDE
from dataengine.cot.tasks.difficulty import difficulty
from dataengine.cot.tasks.rendered.base import Rendered
from dataengine.cot.tasks.rendered.families import FAMILIES

DRAWS, SHEETS = 500, 120
LUCK = 0.10
MOST_DECIDED = 0.65
CHANCE = {"shapes_missing": 1 / 2, "table_missing": 1 / 2, "chart_missing": 1 / 2}
"""Half of what these ask about is missing; otherwise all answers that a family gives are taken to be equally likely."""
AUTO = [task for task in FAMILIES if task.mode == "auto_think"]


def guessed(pairs: Iterable[tuple[str, str]]) -> float:
    """How often the most frequent answer to a wording in one half of the pairs is right in the other."""
    pairs = list(pairs)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for wording, answer in pairs[::2]:
        counts[wording][answer] += 1
    every = Counter(answer for _, answer in pairs[::2]).most_common(1)[0][0]
    best = {wording: of.most_common(1)[0][0] for wording, of in counts.items()}
    return sum(best.get(wording, every) == answer for wording, answer in pairs[1::2]) / len(pairs[1::2])


def drawn(task: Rendered, draws: int) -> Iterator[tuple[str, str, bool]]:
    """Wordings without names and numbers, answers (``no`` for what is missing, the slot for what the question names), and
    whether the reply thinks."""
    for n in range(draws):
        [params] = task.options(NO_SAMPLE, Draw("blind", task.name, n))
        scene = task.scene(params)
        exchange = task.write("0" * 32, params, {}, scene.answer, task.styles[0], words(n, 0))
        wording, answer = exchange.question, scene.answer
        for slot, value in sorted(scene.slots.items(), key=lambda item: -len(item[1])):
            wording = wording.replace(value, slot) if value else wording
            answer = slot if answer == value else answer
        yield wording, "no" if answer.startswith("no ") else answer, isinstance(exchange.reply, AutoThinking)


def asked(task: Composed, draws: int) -> Iterator[tuple[str, str]]:
    """Wordings and answers about the pictures of the tests."""
    sources = [sample(id_) for id_ in sorted(pictures())]
    for n in range(draws):
        source, draw = sources[n % len(sources)], Draw("blind", task.name, n)
        options = task.options(source, draw)
        for params in () if isinstance(options, Abstain) else options:
            facts = task.measure(params, source)
            answer = facts if isinstance(facts, Abstain) else task.decide(params, facts, strict=True)
            if isinstance(answer, str):
                assert not isinstance(facts, Abstain)
                yield task.write(source.id, params, facts, answer, task.styles[0], words(n, 0)).question, answer
                break


def assert_blind(task: Task, pairs: list[tuple[str, str]]) -> None:
    share = guessed(pairs)
    chance = CHANCE.get(task.name, 1 / len({answer for _, answer in pairs}))
    assert share <= chance + LUCK, f"{share:.2f} of {task.name} are guessed from the wording, by chance {chance:.2f}"


@pytest.mark.parametrize("task", FAMILIES, ids=lambda task: task.name)
def test_the_wording_does_not_tell_the_answer_to_a_drawn_picture(task: Rendered) -> None:
    assert_blind(task, [(wording, answer) for wording, answer, _ in drawn(task, DRAWS)])


@pytest.mark.parametrize("task", [*ALONE, *BESIDE], ids=lambda task: task.name)
def test_the_wording_does_not_tell_the_answer_to_a_composed_picture(task: Composed) -> None:
    pairs = list(asked(task, SHEETS))
    assert len(pairs) >= SHEETS / 4, "most of the pictures have no such question"
    assert_blind(task, pairs)


@pytest.mark.parametrize("name", sorted(CHANCE))
def test_the_wording_does_not_tell_whether_a_question_is_a_trap(name: str) -> None:
    """What is asked for may be there or not, what is claimed may be true or not."""
    [task] = [task for task in FAMILIES if task.name == name]
    share = guessed(
        (wording, answer if answer in ("no", "claimed") else "") for wording, answer, _ in drawn(task, DRAWS)
    )
    assert share <= 1 / 2 + LUCK, f"{share:.2f} of the traps of {name} are told from the wording"


@pytest.mark.parametrize("task", AUTO, ids=lambda task: task.name)
def test_the_wording_does_not_tell_whether_to_think(task: Rendered) -> None:
    rows = list(drawn(task, DRAWS))
    share = guessed((wording, str(thinks)) for wording, _, thinks in rows)
    assert share <= MOST_DECIDED, f"{share:.2f} of the decisions of {task.name} follow from the wording"


@pytest.mark.parametrize("task", AUTO, ids=lambda task: task.name)
def test_a_reason_to_think_is_that_of_the_picture(task: Rendered) -> None:
    """It names the work that the scene takes, in at least four wordings either way, and the decision follows its size."""
    reasons: dict[bool, set[str]] = {True: set(), False: set()}
    for n in range(60):
        [params] = task.options(NO_SAMPLE, Draw("reason", task.name, n))
        effort = task.scene(params).effort
        assert effort is not None
        exchange = task.write("0" * 32, params, {}, "1", task.styles[0], words(n, 0))
        reply = exchange.reply
        work = [one for one in effort.work if one.casefold() in reply.analysis.casefold()]  # type: ignore[union-attr]
        assert work and isinstance(reply, AutoThinking) == (effort.size >= effort.many)
        thinks = isinstance(reply, AutoThinking)
        assert thinks == (difficulty(task.name, params, task.measure(params, NO_SAMPLE)) != "easy")
        reasons[effort.is_large].add(reply.analysis.casefold().replace(work[0].casefold(), "…"))  # type: ignore[union-attr]
    assert min(map(len, reasons.values())) >= 4
