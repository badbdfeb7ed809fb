"""Steps that recur across right paths become one more path: kept, put in and worded by the paths that have them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataengine.config.cot import CotConfig
from dataengine.cot.checks.recurrence import with_recurrence
from dataengine.cot.core.formats import Thinking, box
from dataengine.cot.core.question import Question
from dataengine.cot.core.tables import CheckRow, PathRow
from dataengine.cot.paths.recombination import recombined
from dataengine.cot.paths.stage import recombines
from dataengine.cot.review.choose import choose
from dataengine.models.serving.messages import ImageBlock, TextBlock

QUESTION = Question(
    id="q", mode="thinking", task="given_reasoned", style="thinking", family="picture", difficulty="easy", seed=1,
    parents=("a" * 32,), content=(ImageBlock(image=f"sample:{'a' * 32}"), TextBlock(text="How many lamps? /think")),
    answer="3", answer_type="number", basis="given", parameters={"a": "b"}, facts={"given": 1.0},
)  # fmt: skip
WALL, TABLE, SUM = "Two lamps hang on the wall.", "One lamp stands on the table.", "Together that makes 3 lamps."
ASIDE, SHADE = "The carpet is lovely and looks old.", "No other lamp can be seen behind the door."


def path(index: int, *steps: str, means: tuple[float, ...] = (), answer: str = "3") -> PathRow:
    text = Thinking(" ".join(steps), f"There are {box(answer)}").render()
    return PathRow("q", "path", index, f"m{index}", "p", index, text, step_means=means, step_leasts=means)


PATHS = [
    path(0, "I begin at the left.", WALL, TABLE, SUM),
    path(1, WALL, ASIDE, TABLE, SUM),
    path(2, WALL, TABLE, SHADE, SUM),
]


def thought(row: PathRow | None) -> list[str]:
    assert row is not None and row.text is not None
    return [f"{one}." for one in row.text.removeprefix("<think>").partition(".</think>")[0].split(". ")]


def test_what_half_of_the_others_have_is_kept() -> None:
    assert thought(recombined(QUESTION, PATHS, 9)) == [WALL, TABLE, SUM]


def test_a_missing_step_goes_where_the_others_have_it() -> None:
    paths = [path(0, WALL, SUM), path(1, WALL, TABLE, ASIDE, SUM), path(2, TABLE, WALL, SHADE, SUM)]
    made = recombined(QUESTION, paths, 9)
    assert made is not None and made.index == 9 and made.teacher == "recombined:m0, m1, m2"
    assert thought(made) == [WALL, TABLE, SUM]
    assert made.text is not None and made.text.endswith(f"There are {box('3')}</answer>")
    assert recombined(QUESTION, list(reversed(paths)), 9) == made, "whatever their order"


def test_the_surest_wording_of_a_step_is_taken() -> None:
    other = "There are two lamps that hang on the wall."
    paths = [
        path(0, WALL, TABLE, SUM, means=(-2.0, -0.1, -0.1)),
        path(1, other, TABLE, SUM, means=(-0.2, -0.1, -0.1)),
        path(2, WALL, TABLE, SUM, means=(-1.9, -0.1, -0.1)),
    ]
    made = recombined(QUESTION, paths, 9)
    assert thought(made) == [other, TABLE, SUM] and made is not None and made.step_means == (-0.2, -0.1, -0.1)
    assert made.confidence == -0.1333 and made.least_token == -0.2


@pytest.mark.parametrize(
    "paths",
    [
        PATHS[:2],
        [*PATHS[:2], path(2, WALL, TABLE, "Together that makes 4 lamps.", answer="4")],
        [*PATHS[:2], replace(PATHS[2], failure="timeout")],
        [*PATHS[:2], replace(PATHS[2], injected="count")],
        [*PATHS[:2], replace(PATHS[2], kind="direct")],
        [*PATHS[:2], replace(PATHS[2], teacher="programmatic")],
        [path(n, WALL, TABLE, SUM) for n in range(4)],
    ],
)
def test_three_sound_paths_are_needed_that_differ(paths: list[PathRow]) -> None:
    assert recombined(QUESTION, paths, 9) is None


def test_other_numbers_are_another_step() -> None:
    paths = [path(n, f"On the shelf stand {n + 1} of the lamps.", WALL, TABLE, SUM) for n in range(3)]
    assert thought(recombined(QUESTION, paths, 9)) == [WALL, TABLE, SUM]


def test_it_is_chosen_for_its_steps_and_counts_in_no_agreement() -> None:
    paths = [*PATHS, path(5, WALL, "I guess.", answer="4")]
    made = recombined(QUESTION, paths, 9)
    assert made is not None
    rows = [
        CheckRow(
            p.rid, "path", p.index, p.teacher, "p", 1, grade="C" if p.index == 5 else "A", right=p.index != 5, words=9
        )
        for p in [*paths, made]
    ]
    checked = list(with_recurrence(rows, [p.text or "" for p in [*paths, made]]))
    before = list(with_recurrence(rows[:-1], [p.text or "" for p in paths]))
    assert [row.recurrence for row in checked[:-1]] == [row.recurrence for row in before]
    choice = choose(checked, 3.0)
    assert choice.chosen == 9 and choice.agreement == 0.75


def test_a_judge_reads_what_is_recombined() -> None:
    judge = {"type": "openai", "endpoint": "http://127.0.0.1:9/v1", "model": "m"}
    assert not recombines(CotConfig()) and recombines(CotConfig.model_validate({"judge": judge}))
    assert recombines(CotConfig(recombine="always"))
    assert not recombines(CotConfig.model_validate({"judge": judge, "recombine": "never"}))


def test_no_step_is_said_twice_in_its_surest_wording() -> None:
    first, second, both = (
        "A lamp hangs on the wall left.",
        "The lamp hangs on this old wall.",
        "A lamp hangs on the old wall.",
    )
    paths = [
        path(0, first, second, TABLE, SHADE, SUM, means=(-2.0, -2.0, -0.1, -0.1, -0.1)),
        path(1, both, TABLE, SHADE, SUM, means=(-0.2, -0.1, -0.1, -0.1)),
        path(2, first, second, TABLE, ASIDE, SHADE, SUM, means=(-2.0, -2.0, -0.1, -0.1, -0.1, -0.1)),
    ]
    made = recombined(QUESTION, paths, 9)
    assert made is None or len(set(thought(made))) == len(thought(made))
