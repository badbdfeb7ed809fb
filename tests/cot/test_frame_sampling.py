"""Frames of a video as its records tell them: evenly spaced or Slow-Fast, shown with their times."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support.cot_corpus import alone, one_shot, sample, three_shots, videos, written
from support.cot_workers import Workshop

from dataengine.contracts import sample_id
from dataengine.cot.checks.verify import verify_record
from dataengine.cot.core.frame_sampling import KEYE, frames_of, parameters_of, same_frames, sampling_of
from dataengine.cot.core.outcomes import Kept
from dataengine.cot.core.record import Record, canonical_json
from dataengine.cot.core.sampled_frames import sample_frames
from dataengine.cot.questions.build import attempt
from dataengine.cot.tasks.registry import TASKS
from dataengine.cot.teachers import render
from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.video import slowfast
from dataengine.media.video.sampling import FAST, PRESETS, SlowFast
from dataengine.models.serving.messages import VideoBlock
from dataengine.testing import ChatServer, Turn, chat_server

SLOW_FAST = sampling_of("slow-fast", PRESETS["released"])
CUT = sample_id(three_shots())[0]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def record(task: str, id_: str = CUT, samplings: tuple[str, ...] = (SLOW_FAST,)) -> Record:
    outcome = attempt(TASKS[task], "thinking", replace(sample(id_), samplings=samplings), 3)
    assert isinstance(outcome, Kept), outcome
    return written(outcome).record


def block(one: Record) -> VideoBlock:
    [found] = [b for b in one.messages[0].content if isinstance(b, VideoBlock)]
    return found


@pytest.mark.parametrize("name", ["released", "paper"])
def test_slow_fast_frames_are_those_of_its_sampling(name: str) -> None:
    assert len(videos()) == 4
    for data in videos().values():
        plan = slowfast.plan(data, PRESETS[name], Limits())
        frames = sample_frames(data, sampling_of("slow-fast", PRESETS[name]), Limits())
        assert frames.kinds == plan.kinds and len(frames.times) == len(plan.times) > 1
        assert all(0 <= t - exact < 0.01 for t, exact in zip(frames.times, plan.times, strict=True))


def test_even_frames_are_the_middles_of_equal_spans() -> None:
    frames = sample_frames(one_shot(), "even 16", Limits())
    _, times = alone(sample_id(one_shot())[0]).frames(16, 64)
    assert len(frames.times) == 16 and set(frames.kinds) == {0}
    assert all(0 <= t - exact < 0.01 for t, exact in zip(frames.times, times, strict=True))


@pytest.mark.parametrize("task", ["count_shots_slow_fast", "cut_time", "change"])
def test_clip_records_tell_their_slow_fast_frames(task: str) -> None:
    one = record(task)
    shown, plan = block(one), slowfast.plan(three_shots(), PRESETS["released"], Limits())
    assert (shown.sampling, shown.nframes, shown.kinds) == ("slow-fast", len(plan.times), plan.kinds)
    assert {0, 1} == set(shown.kinds)
    assert verify_record(one.to_bytes(), sample).passed
    for change in ({"times": " ".join(str(t + 0.5) for t in shown.times)}, {"kinds": " ".join("0" * shown.nframes)}):
        fields = json.loads(one.to_bytes())
        fields["params"] = [p | {"value": change.get(p["name"], p["value"])} for p in fields["params"]]
        found = verify_record(canonical_json(fields), sample)
        assert not found.passed and "other frames" in found.reason


def test_the_recipe_says_which_frames_are_asked_about() -> None:
    only = replace(sample(CUT), samplings=(SLOW_FAST,))
    assert TASKS["count_shots_slow_fast"].takes(only) and not TASKS["count_shots_16"].takes(only)
    keye = replace(sample(CUT), samplings=KEYE)
    assert [TASKS[f"count_shots_{n}"].takes(keye) for n in ("16", "32", "slow_fast")] == [True, True, False]
    assert {block(record("change", samplings=KEYE)).sampling} == {"even"}


def test_shots_that_slow_fast_does_not_show_are_not_asked_for() -> None:
    sparse = sampling_of("slow-fast", SlowFast(fps=0.5))
    outcome = attempt(TASKS["count_shots_slow_fast"], "thinking", replace(sample(CUT), samplings=(sparse,)), 3)
    assert not isinstance(outcome, Kept) and outcome.reason == "a shot between the frames"


def test_frames_but_for_a_decoders_rounding_are_the_same() -> None:
    frames = sample_frames(three_shots(), SLOW_FAST, Limits())
    params = parameters_of(SLOW_FAST, frames)
    assert frames_of(params) == frames and same_frames(params, frames)
    assert same_frames(params, replace(frames, times=tuple(t + 0.05 for t in frames.times)))
    assert not same_frames(params, replace(frames, times=frames.times[:-1], kinds=frames.kinds[:-1]))
    assert not same_frames(params, replace(frames, kinds=tuple(1 - k for k in frames.kinds)))


@pytest.mark.parametrize(
    "sampling", ["even 0", "even 9999", "even x", "odd 3", "slow-fast {}x", 'slow-fast {"fps": -1}']
)
def test_an_unknown_sampling_is_a_bad_record(sampling: str) -> None:
    with pytest.raises(InputError, match="bad_record"):
        sample_frames(one_shot(), sampling, Limits())


@pytest.mark.slow
def test_a_model_is_shown_fast_frames_small_and_all_with_their_times(server: ChatServer, tmp_path: Path) -> None:
    shown = render.render_sample(Limits(), ("video", three_shots(), {SLOW_FAST}))[SLOW_FAST]
    frames = sample_frames(three_shots(), SLOW_FAST, Limits())
    sides = [min(Image.open(io.BytesIO(data)).size) for data in shown]
    assert sides == [render.FAST_SIDE if kind == FAST else min(240, render.FRAME_SIDE) for kind in frames.kinds]
    server.reply = lambda body: Turn(text="?")
    model = {"type": "openai", "endpoint": server.endpoint, "model": "m"}
    shop = Workshop(
        tmp_path, [CUT], {"teachers": [model], "video": {"frames": ["slow-fast"]}, "questions_per_sample": 4}
    )
    asked = [q for q in shop.questions() if q.family == "clip" and q.question]
    shop.paths()
    assert asked
    bodies = [b["messages"][0]["content"] for b in server.bodies if "[0.0 s]" in json.dumps(b)]
    for content in bodies:
        times = [float(t) for part in content for t in re.findall(r"^\[([\d.]+) s\]$", part.get("text", ""))]
        assert times == [float(f"{t:.1f}") for t in frames.times]
        assert sum(part["type"] == "image_url" for part in content) == len(times)
    assert len(bodies) == len(asked)
