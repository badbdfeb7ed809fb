"""The five modes on real pictures and clips: right answers, no leaks, all of it from the seed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import numpy as np
import pytest
from support.cot_corpus import (
    ALL,
    Written,
    candidates_of,
    dissolving,
    encode,
    images_of,
    of,
    one_shot,
    outcomes,
    pan,
    pictures,
    pixels_of,
    records,
    sample,
    three_shots,
    videos,
    written,
)

from dataengine.contracts import sample_id
from dataengine.cot.checks.answers import options, wrong_answers
from dataengine.cot.core.formats import AutoPlain, Plain, boxed, parse, to_text, without_switch
from dataengine.cot.core.outcomes import Kept, Rejected, Step
from dataengine.cot.core.record import Record
from dataengine.cot.core.seeded import Draw
from dataengine.cot.core.shard_files import decode_png
from dataengine.cot.questions.build import attempt, candidates
from dataengine.cot.tasks.programmatic import exchange
from dataengine.cot.tasks.registry import TASKS
from dataengine.errors import InputError


def question(record: Record) -> str:
    return without_switch(to_text(record.messages[0].content)[0], record.style)


def reply(record: Record) -> str:
    return to_text(record.messages[-1].content)[0]


def measured(seed: int = 3) -> list[Written]:
    """Records whose questions are this program's own."""
    return [k for k in records(seed) if k.record.basis == "measured"]


@pytest.mark.slow
def test_every_task_makes_records() -> None:
    """But for those that only a model can answer."""
    programmatic = {n for n, task in TASKS.items() if any(map(task.programs, task.styles)) and task.basis != "agreed"}
    programmatic -= {"merged_given", "merged_given_video"}  # the samples have too few pairs
    assert {kept.record.task for kept in records()} == programmatic


@pytest.mark.slow
def test_candidates_are_kept_or_have_a_reason() -> None:
    assert len(records()) > 100
    assert all(isinstance(o, Kept) or (o.step is not Step.VERIFY and o.reason) for o in outcomes())


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes() -> None:
    again = [o for id_ in sorted({k.record.parents[0] for k in records()}) for o in candidates_of(id_)]
    assert [written(o) for o in again if isinstance(o, Kept)] == records()


@pytest.mark.slow
def test_another_seed_gives_other_questions() -> None:
    mine, other = ({(k.record.parents, question(k.record)) for k in measured(seed)} for seed in (3, 4))
    assert len(mine & other) < 0.25 * len(mine)


def test_fewer_records_a_sample_are_a_part_of_more() -> None:
    for id_ in sorted(pictures())[:6]:
        two, all_ = ([o.question.id for o in candidates(sample(id_), 3, n) if isinstance(o, Kept)] for n in (2, 16))
        assert len(two) == 2 and two == all_[:2]


def words_of(answer: str, text: str) -> bool:
    """Whether an answer stands in a text as words of its own: a letter as a capital, others in any case."""
    flags = re.NOFLAG if len(answer) == 1 and answer.isalpha() else re.IGNORECASE
    return bool(re.search(rf"(?<![\w.]){re.escape(answer)}(?![\w]|\.\d)", text, flags))


def test_replies_give_the_answer_and_no_other() -> None:
    plain: Counter[str] = Counter()
    clips = [
        attempt(TASKS[task], "non_thinking", sample(id_), 0)
        for task in ("order_frames", "match_clips")
        for id_ in videos()
    ]
    for kept in [*measured(), *(written(o) for o in clips if isinstance(o, Kept))]:
        answer, parsed = kept.record.answer, parse(kept.record.style, reply(kept.record))
        box = boxed(parsed)
        if box is not None:
            assert box == answer
            continue
        assert isinstance(parsed, Plain | AutoPlain)
        plain[kept.record.answer_type] += 1
        assert words_of(answer, parsed.text), (kept.record.task, answer, parsed.text)
        assert not [other for other in wrong_answers(kept.question) if words_of(other, parsed.text)], parsed.text
        if kept.record.answer_type == "number":
            assert re.findall(r"\d+", parsed.text) == [answer]
    assert set(plain) == {"word", "number", "order", "choice"}, plain


def test_questions_do_not_give_the_answer_away() -> None:
    tasks: Counter[str] = Counter()
    for kept in measured():
        record, asked = kept.record, question(kept.record)
        if record.task == "match_clips":
            continue  # its options are pictures
        tasks[record.task] += 1
        if record.answer_type == "choice":
            listed = re.findall(r"^([A-F])\. the (.+)$", asked, re.MULTILINE)
            assert record.answer in dict(listed) and len({option for _, option in listed}) == len(listed) > 1
            outside = re.sub(r"^[A-F]\. .+$", "", asked, flags=re.MULTILINE)
            assert not any(option in outside for _, option in listed)
        else:
            assert not re.search(rf"\b{re.escape(record.answer)}\b", asked, re.IGNORECASE)
    programmatic = {name for name, task in TASKS.items() if task.basis == "measured"}
    assert set(tasks) == programmatic - {"match_clips"}


@pytest.mark.slow
def test_right_options_are_spread_over_all_positions() -> None:
    places: dict[int, Counter[str]] = defaultdict(Counter)
    words: dict[str, Counter[str]] = defaultdict(Counter)
    for seed in range(3, 7):
        for kept in measured(seed):
            if kept.record.answer_type == "choice":
                places[len(options(kept.question))][kept.record.answer] += 1
            if kept.record.task == "inspect_view":
                words[kept.record.task][kept.record.answer] += 1
    assert set(places) == {2, 3, 4}
    for count, found in places.items():
        assert len(found) == count
        fair = found.total() / count
        assert all(abs(n - fair) < 4 * fair**0.5 for n in found.values()), found
    assert min(words["inspect_view"].values()) > 0.35 * words["inspect_view"].total()


def test_every_number_in_the_reasoning_is_a_measured_one() -> None:
    """Where pixels were measured: facts, differences of two facts, counts of parts and of cuts, times of frames, and what the
    question itself says."""
    for kept in measured():
        record = kept.record
        values = list(record.facts.values())
        known = (
            {f"{v:g}" for v in values}
            | {f"{v:.1f}" for v in values}
            | {f"{abs(a - b):g}" for a in values for b in values}
        )
        known |= {"0", "255", str(len(values)), record.answer, *re.findall(r"\d+", question(record) + record.answer)}
        known |= set(re.findall(r"\d+", " ".join(record.facts))) | set(record.parameters.get("times", "").split())
        prose = re.sub(r"```python\n.+?\n```", "", reply(record), flags=re.DOTALL)
        stray = [n for n in re.findall(r"-?\d+(?:\.\d+)?", prose) if n not in known and n.lstrip("-") not in known]
        assert not stray, (record.task, stray, prose)


@pytest.mark.slow
def test_words_vary() -> None:
    tasks = [task for task in TASKS.values() if task.basis == "measured"]
    assert len(tasks) > 10
    for task in tasks:
        clip = three_shots() if task.name.startswith(("count", "cut", "change")) else one_shot()
        source = sample(sample_id(clip)[0] if task.kind == "video" else sorted(pictures())[0])
        made = [attempt(task, style, source, seed) for seed in range(9) for style in task.styles]
        texts = {re.sub(r"[\d.]+", "", exchange(o.question, 0).reply.render()) for o in made if isinstance(o, Kept)}
        assert len(texts) >= 3, (task.name, texts)


def test_observations_show_what_the_reply_asked_for() -> None:
    [kept] = [
        k for k in records() if k.record.task == "find_cell" and k.record.parents == (sorted(pictures())[0],)
    ] or [next(k for k in records() if k.record.task == "find_cell")]
    picture = sample(kept.record.parents[0]).picture()
    shown = decode_png(images_of(kept)["obs0.png"])
    left, top, right, bottom = map(int, re.findall(r"crop\((\d+), (\d+), (\d+), (\d+)\)", reply(kept.record))[0])
    height, width = picture.shape[:2]
    part = picture[top * height // 1000 : bottom * height // 1000, left * width // 1000 : right * width // 1000]
    assert abs(float(shown.mean()) - float(part.mean())) < 2
    assert shown.shape[0] > part.shape[0]


@pytest.mark.parametrize("nframes", [16, 32])
def test_shots_are_counted(nframes: int) -> None:
    for data, shots in ((three_shots(), "3"), (one_shot(), "1")):
        tried = [attempt(TASKS[f"count_shots_{nframes}"], "thinking", of(data), seed) for seed in range(20)]
        outcome = next(one for one in tried if isinstance(one, Kept))
        assert isinstance(outcome, Kept) and outcome.question.answer == shots
    facts = attempt(TASKS["count_shots_16"], "thinking", of(three_shots()), 0)
    assert isinstance(facts, Kept)
    cuts = [facts.question.facts[f"cut {i}"] for i in (1, 2)]
    assert cuts == [1.5, 3.2]


def test_unclear_shots_are_not_counted() -> None:
    flash = pan("china.jpg", 60, 1)
    flash[30] = np.full_like(flash[30], 255)
    short = [*pan("china.jpg", 40, 1), *pan("flower.jpg", 2, 1), *pan("china.jpg", 40, 1)]
    for data, reason in (
        (dissolving(), "gradual change"),
        (encode(flash), "unclear cut"),
        (encode(short), "unclear cut"),
        (encode(pan("china.jpg", 10, 1)), "too few frames"),
    ):
        outcome = attempt(TASKS["count_shots_16"], "thinking", of(data), 0)
        assert isinstance(outcome, Rejected) and (outcome.step, outcome.reason) == (Step.DECIDE, reason)


def test_shots_between_the_sampled_frames_are_not_asked_for() -> None:
    blink = [*pan("china.jpg", 115, 1)[:115], *pan("flower.jpg", 6, 1), *pan("china.jpg", 115, 1, top=0)]
    outcome = attempt(TASKS["count_shots_16"], "thinking", of(encode(blink)), 0)
    assert isinstance(outcome, Rejected) and outcome.reason == "a shot between the frames"


def test_frames_are_in_the_order_of_time() -> None:
    outcome = attempt(TASKS["order_frames"], "thinking", of(one_shot()), 0)
    assert isinstance(outcome, Kept)
    frames, _ = of(one_shot()).frames(32, 168)
    shown = [decode_png(data) for data in outcome.images]
    times = [min(range(len(frames)), key=lambda i: float(np.abs(frames[i].astype(int) - s).mean())) for s in shown]
    expected = ["ABCDEF"[i] for i in np.argsort(times)]
    assert outcome.question.answer == ", ".join(expected)
    assert f"rame {expected[0]}" in outcome.question.text.split("\n")[-1]


def test_still_clips_have_no_order() -> None:
    outcome = attempt(TASKS["order_frames"], "thinking", of(encode([pixels_of("china.jpg")[:240, :320]] * 48)), 0)
    assert isinstance(outcome, Rejected) and outcome.reason == "order not visible"


def test_tasks_abstain_from_comparing_flat_parts() -> None:
    source = of(encode([np.full((240, 320, 3), 120, np.uint8)] * 2))
    still = type(source)("0" * 32, "image", lambda: np.full((300, 300, 3), 120, np.uint8), source.frames)
    found = {o.task if isinstance(o, Rejected) else o.question.task: o for o in candidates(still, 0, 99, shares=ALL)}
    for name in ("compare_parts", "rank_parts", "inspect_view", "find_cell"):
        outcome = found[name]
        assert isinstance(outcome, Rejected) and outcome.reason == "too close"
    colour, shape = found["dominant_colour"], found["orientation"]
    assert isinstance(colour, Kept) and colour.question.answer == "grey"
    assert isinstance(shape, Kept) and shape.question.answer == "square"


def test_a_task_given_the_wrong_kind_says_so() -> None:
    with pytest.raises(InputError, match="wrong_kind"):
        attempt(TASKS["compare_parts"], "thinking", of(one_shot()), 0)


def test_draws_are_even_and_apart() -> None:
    found = Counter(Draw(7, f"sample {i}").below(2) for i in range(4000))
    assert abs(found[0] - 2000) < 150
    first = Counter(Draw(7, str(i)).weighted_order({"a": 3.0, "b": 1.0, "c": 0.0})[0] for i in range(4000))
    assert abs(first["a"] - 3000) < 150 and not first["c"]
    orders = Counter(tuple(Draw(i).shuffled("abc")) for i in range(3000))
    assert len(orders) == 6 and max(orders.values()) < 600
    assert Draw(1).fork("x").below(1 << 30) != Draw(1).fork("y").below(1 << 30)
