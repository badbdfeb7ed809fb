"""Matching clips: each is a video of its own, whose frames the record keeps, and nothing tells where it was cut."""

from __future__ import annotations

import json

from support.cot_corpus import images_of, sample, videos, written

from dataengine.config.cot import CotConfig, OpenAIConfig
from dataengine.cot.checks.verify import verify_record
from dataengine.cot.core.outcomes import Kept
from dataengine.cot.questions.build import attempt
from dataengine.cot.tasks.base import Abstain
from dataengine.cot.tasks.registry import TASKS
from dataengine.cot.teachers.prompt_text import path, views
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
            p.model_copy(update={"value": p.value.replace("|0 ", "|0.5 ")}) if p.name == "clip_times" else p
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


def test_frames_of_a_clip_have_times_that_rise() -> None:
    outcomes = (attempt(TASKS["match_clips"], "thinking", sample(id_), 0) for id_ in videos())
    one = next(written(outcome) for outcome in outcomes if isinstance(outcome, Kept))
    task, params = TASKS["match_clips"], one.record.parameters
    source = sample(one.record.parents[0]).with_partners({id_: sample(id_) for id_ in one.record.parents[1:]})
    assert isinstance(task.measure(params, source), dict)
    close = params | {"clip_times": "|".join(["0 0.01 0.01 0.02"] * 6)}
    assert str(task.measure(close, source)) == str(Abstain("frames too close"))


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
