"""Matching clips: each is a video of its own, whose frames the record keeps, and nothing tells where it was cut."""

from __future__ import annotations

import json

import numpy as np
from support.cot_corpus import encode, images_of, of, pan, sample, tinted, videos, written

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.cot.checks.verify import verify_record
from dataengine.cot.core.outcomes import Kept, Rejected
from dataengine.cot.questions.build import attempt
from dataengine.cot.tasks.base import Abstain
from dataengine.cot.tasks.colours import COLOURS, leading, told_apart
from dataengine.cot.tasks.programmatic import exchange
from dataengine.cot.tasks.registry import TASKS
from dataengine.cot.tasks.rendered.words import joined
from dataengine.cot.teachers.prompt_text import path, views
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import ImageBlock, TextBlock, VideoBlock


def test_clips_are_videos_that_do_not_tell_where_they_lie() -> None:
    kept = [attempt(TASKS["match_clips"], "thinking", sample(id_), 0) for id_ in videos()]
    matched = [written(outcome) for outcome in kept if isinstance(outcome, Kept)]
    assert matched
    for one in matched:
        clips = [block for block in one.record.messages[0].content if isinstance(block, VideoBlock)]
        assert [clip.video for clip in clips] == [f"obs:{4 * n}" for n in range(6)] and len(one.images) == 24
        assert all(clip.times[0] == 0 and len(clip.times) == 4 and clip.times[-1] > 0 for clip in clips)
        assert not any(parent in json.dumps([clip.model_dump() for clip in clips]) for parent in one.record.parents)
        assert verify_record(one.record.to_bytes(), sample, images_of(one)).passed
        late = one.record.model_copy(update={"params": tuple(
            p.model_copy(update={"value": p.value.replace("0 ", "0.5 ", 1)}) if p.name == "clip_times" else p
            for p in one.record.params
        )})  # fmt: skip
        assert verify_record(late.to_bytes(), sample, images_of(one)).step == "evidence"


def test_a_record_of_the_task_as_it_was_before_says_so() -> None:
    outcomes = (attempt(TASKS["match_clips"], "thinking", sample(id_), 0) for id_ in videos())
    one = next(written(outcome) for outcome in outcomes if isinstance(outcome, Kept))
    before = one.record.model_copy(update={"family": "frames"})
    verdict = verify_record(before.to_bytes(), sample, images_of(one))
    assert verdict.step == "record" and verdict.reason.startswith(
        "its family is 'frames', that of task match_clips is 'clips': "
    )
    assert "made by an earlier version of the task" in verdict.reason


def test_frames_of_all_clips_are_at_the_times_that_the_shortest_video_allows() -> None:
    outcomes = (attempt(TASKS["match_clips"], "thinking", sample(id_), 0) for id_ in videos())
    one = next(written(outcome) for outcome in outcomes if isinstance(outcome, Kept))
    task, params = TASKS["match_clips"], one.record.parameters
    source = sample(one.record.parents[0]).with_partners({id_: sample(id_) for id_ in one.record.parents[1:]})
    assert isinstance(task.measure(params, source), dict)
    shortest = min(one.facts["duration"] for one in (source, *source.partners.values()))
    assert params["clip_times"] == "0 0.25 0.5 0.75" and 0.75 < shortest / 3 < 0.9 + 0.04
    for other in ("0 0.2 0.4 0.6", "0 0.25 0.5 0.7", "0 0.01 0.01 0.02"):
        assert task.measure(params | {"clip_times": other}, source) == Abstain("other frames")


def test_videos_of_less_than_two_seconds_are_not_matched() -> None:
    short = of(encode(pan("china.jpg", 40, 1)))
    source = sample(next(iter(videos()))).with_partners({short.id: short, **sample(next(iter(videos()))).partners})
    outcome = attempt(TASKS["match_clips"], "thinking", source, 0)
    assert isinstance(outcome, Rejected) and outcome.reason == "too short"


def test_one_frame_of_another_video_that_looks_alike_is_enough_to_abstain() -> None:
    """A distractor of other colours but for one frame in each of its thirds."""
    source = of(tinted())
    frames, own = pan("flower.jpg", 60, 1), pan("china.jpg", 60, 2, top=100)
    like = [np.stack([f[..., 2] // 3, f[..., 0], f[..., 1] // 4], axis=-1) for f in own]
    mixed = [like[n] if n % 20 == 12 or n % 20 == 11 else frame for n, frame in enumerate(frames)]
    others = [of(encode(pan("china.jpg", 60, 1))), of(encode(pan("china.jpg", 60, 2)))]

    def reason(third: list[Pixels]) -> str:
        videos = [*others, of(encode(third))]
        outcome = attempt(TASKS["match_clips"], "thinking", source.with_partners({v.id: v for v in videos}), 0)
        return outcome.reason if isinstance(outcome, Rejected) else ""

    assert (reason(frames), reason(mixed)) == ("", "colours do not tell the clips apart")


def test_a_model_sees_the_frames_of_each_clip_with_their_times() -> None:
    kept = next(
        o for id_ in videos() if isinstance(o := attempt(TASKS["match_clips"], "thinking", sample(id_), 0), Kept)
    )
    shown = views(kept.question, {}, kept.images)
    assert shown == list(kept.images)
    server = OpenAIConfig.model_validate({"type": "openai", "endpoint": "http://localhost:1/v1", "model": "m"})
    request = path(kept.question, [f"obs:{n}" for n in range(24)], 1, CotConfig(), server)
    texts = [block.text for block in request.messages[0].content if isinstance(block, TextBlock)]
    assert texts.count("[0.0 s]") == 6 and sum(isinstance(b, ImageBlock) for b in request.messages[0].content) == 24


def test_both_clips_have_to_be_coloured_like_the_right_candidate() -> None:
    """Clip 2 alone is not enough, as where clip 1 shows another place."""
    params = {"others": "x|y|z", "candidates": json.dumps([["x", 0], ["own", 1], ["y", 0], ["z", 2]])}
    facts = {"A": 50.0, "B": 9.0, "C": 60.0, "D": 70.0, "clip 1": 4.0, "clip 2": 8.0}
    abstain = Abstain("colours do not tell the clips apart")
    assert TASKS["match_clips"].decide(params, facts, strict=True) == "B"
    for name in ("clip 1", "clip 2"):
        assert TASKS["match_clips"].decide(params, facts | {name: 14.0}, strict=True) == abstain
        assert TASKS["match_clips"].decide(params, facts | {name: 14.0}, strict=False) == "B"
        assert TASKS["match_clips"].decide(params, facts | {name: 20.0}, strict=False) == abstain


def test_reasoning_names_the_colours_of_all_clips_if_they_tell_them_apart() -> None:
    def clip(name: str, **known: float) -> dict[str, float]:
        return {f"{name} {colour}": known.get(colour, 0.0) for colour in COLOURS}

    facts = clip("clip 1", grey=50, blue=30, red=5) | clip("B", grey=40, blue=42, red=10)
    assert leading(facts, ["clip 1", "B"]) == ("grey", "blue")
    assert leading(facts | clip("B", grey=40, blue=30, red=28), ["B"]) == ("grey", "blue", "red")
    assert leading(facts | clip("B", grey=40, blue=30, red=28), ["clip 1", "B"]) == ()
    assert leading(facts | clip("A", grey=90, blue=9), ["A"]) == ("grey", "blue")
    told = [clip("A", grey=90, red=9), clip("A", grey=45, red=45), clip("A", grey=50, black=20, blue=20)]
    assert all(told_apart(facts | one, ["clip 1", "B"], "A") for one in told)
    alike = [
        clip("A", grey=70, blue=20),
        clip("A", grey=22, blue=20, red=20, pink=19),
        clip("A", grey=61, blue=18, red=16),
    ]
    assert not any(told_apart(facts | one, ["clip 1", "B"], "A") for one in alike)

    task = TASKS["match_clips"]
    thinking = [attempt(task, "thinking", sample(id_), 0) for id_ in videos()]
    kept = [one for one in thinking if isinstance(one, Kept)]
    assert kept
    for one in kept:
        text, question = exchange(one.question, 0).reply.render(), one.question
        assert task.reasons(question.parameters, question.facts)
        for letter in "ABCD":
            assert joined(leading(question.facts, [letter])) in text or letter == question.answer
        own = leading(question.facts, ["clip 1", "clip 2", question.answer])
        assert own and f"mostly {joined(own)}" in text
