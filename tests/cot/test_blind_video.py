"""Questions about videos are not answered by what text and blocks tell: times, sizes, the order of the candidates."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from support.cot_corpus import of, written

from dataengine.cot.checks.verify import verify_record
from dataengine.cot.core.outcomes import Kept
from dataengine.cot.core.sample import CotInput
from dataengine.cot.questions.build import attempt
from dataengine.cot.tasks.programmatic import exchange
from dataengine.cot.tasks.registry import TASKS
from dataengine.models.serving.messages import VideoBlock

#: One video of each origin; of other lengths, frame rates, sizes and proportions each.
_VIDEOS = (
    "passenger.mp4", "earth.mp4", "thanks.mp4", "cartoon/rabbit.mp4", "street/taxi.mkv", "concert/duet.wmv",
    "concert/guitarist-and-drums.3gp",
)  # fmt: skip
_SEEDS = range(6)


@pytest.fixture(scope="module")
def sources(demo_corpus: Path) -> list[CotInput]:
    """Each with three others beside it."""
    alone = [of((demo_corpus / "videos" / name).read_bytes()) for name in _VIDEOS]
    concert = {one.id for one in alone[5:]}
    return [
        one.with_partners({other.id: other for other in [*alone[at + 1 :], *alone[:at]][:4] if {one.id, other.id} != concert})
        for at, one in enumerate(alone)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def asked(sources: Sequence[CotInput]) -> Mapping[str, list[Kept]]:
    """Many questions of each family, by its name."""
    return {task: list(_asked(task, sources)) for task in ("match_clips", "odd_frame", "find_frame", "order_frames")}


def _asked(task: str, sources: Iterable[CotInput]) -> Iterable[Kept]:
    for source in sources:
        for seed in _SEEDS:
            for style in TASKS[task].styles:
                outcome = attempt(TASKS[task], style, source, seed)
                if isinstance(outcome, Kept):
                    yield outcome


def sizes(kept: Kept) -> list[tuple[int, int]]:
    return [Image.open(io.BytesIO(data)).size for data in kept.images]


def clips(kept: Kept) -> list[tuple[float, ...]]:
    return [block.times for block in kept.question.content if isinstance(block, VideoBlock)]


def nearest_times(kept: Kept) -> str | None:
    """The candidate whose frames are shown at the times nearest to those of clips 1 and 2, where one is."""
    times = clips(kept)
    far = [min(sum(abs(a - b) for a, b in zip(one, known, strict=True)) for known in times[:2]) for one in times[2:]]
    return "ABCD"[far.index(min(far))] if far.count(min(far)) == 1 else None


def longest(kept: Kept) -> str | None:
    lengths = [times[-1] for times in clips(kept)[2:]]
    return "ABCD"[lengths.index(max(lengths))] if lengths.count(max(lengths)) == 1 else None


def size_of_the_first(kept: Kept) -> str | None:
    """The candidate whose frames are as large as those of clip 1, where one is."""
    first, *_ = sizes(kept)
    same = [letter for letter, size in zip("ABCD", sizes(kept)[8::4], strict=True) if size == first]
    return same[0] if len(same) == 1 else None


def another_size(kept: Kept) -> str | None:
    """The only frame with a size of its own."""
    alone = [n for n, size in enumerate(sizes(kept)) if sizes(kept).count(size) == 1]
    return "ABCDEF"[alone[0]] if len(alone) == 1 else None


@pytest.mark.parametrize(
    ("task", "guess"),
    [
        ("match_clips", nearest_times),
        ("match_clips", longest),
        ("match_clips", size_of_the_first),
        ("odd_frame", another_size),
    ],
)
def test_what_is_told_is_no_guess(
    asked: Mapping[str, list[Kept]], task: str, guess: Callable[[Kept], str | None]
) -> None:
    guesses = [guess(kept) for kept in asked[task]]
    assert len(guesses) >= 12
    assert not any(guesses), Counter(g == k.question.answer for g, k in zip(guesses, asked[task], strict=True))


def test_all_clips_of_a_question_have_the_same_times_and_all_pictures_one_size(
    asked: Mapping[str, list[Kept]],
) -> None:
    for kept in asked["match_clips"]:
        [times] = set(clips(kept))
        steps = {round(b - a, 2) for a, b in pairwise(times)}
        assert times[0] == 0 and len(steps) == 1 and 0.2 <= steps.pop() <= 0.5
    for task in ("match_clips", "odd_frame", "order_frames"):
        assert all(len(set(sizes(kept))) == 1 for kept in asked[task])


def test_frames_of_clips_are_those_at_their_times(asked: Mapping[str, list[Kept]], sources: Sequence[CotInput]) -> None:
    """To within a frame of the video that each is from."""
    known = {one.id: one for one in sources}
    for kept in asked["match_clips"]:
        videos = [known[id_] for id_ in kept.question.parents]
        for video in videos:
            grid, length = clips(kept)[0], float(video.facts["duration"]) / 3
            for third in range(3):
                _, times = video.frames_near(tuple(round(third * length + t, 3) for t in grid), 168)
                rate = len(video.frames(1800, 36)[1]) / float(video.facts["duration"])
                assert all(abs((time - times[0]) - t) <= 1.01 / rate for time, t in zip(times, grid, strict=True))


def test_letters_of_answers_are_spread(asked: Mapping[str, list[Kept]]) -> None:
    for task, letters in (("match_clips", "ABCD"), ("odd_frame", "ABCDEF")):
        counts = Counter(kept.question.answer for kept in asked[task])
        assert set(counts) == set(letters) and max(counts.values()) <= 0.5 * counts.total(), counts
    for place in range(6):
        counts = Counter(kept.question.answer.split(", ")[place] for kept in asked["order_frames"])
        assert len(counts) >= 4 and max(counts.values()) <= 0.5 * counts.total(), counts


def test_the_time_of_a_still_is_that_of_one_frame_anywhere_in_the_video(asked: Mapping[str, list[Kept]]) -> None:
    places = Counter[int]()
    for kept in asked["find_frame"]:
        [times] = clips(kept)
        printed = [f"{time:.1f}" for time in times]
        assert printed.count(kept.question.answer) == 1
        places[printed.index(kept.question.answer)] += 1
    assert len(places) >= 8 and max(places.values()) <= 0.3 * places.total(), places


def test_difficulty_is_measured(asked: Mapping[str, list[Kept]]) -> None:
    for task, kept in asked.items():
        assert len({one.question.difficulty for one in kept}) >= 2, task


def test_replies_are_verified_and_begin_with_capitals(
    asked: Mapping[str, list[Kept]], sources: Sequence[CotInput]
) -> None:
    known = {one.id: one for one in sources}
    for kept in (one for some in asked.values() for one in some):
        text = exchange(kept.question, 0).reply.render()
        sentences = [s for part in text.replace("<think>", ". ").replace("<answer>", ". ").split(". ") if (s := part)]
        assert all(not one[0].islower() for one in sentences), text
        record = written(kept)
        images = {o.name: data for o, data in zip(kept.question.observations, kept.images, strict=True)}
        assert verify_record(record.record.to_bytes(), known.__getitem__, images).passed
