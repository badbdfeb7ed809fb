"""Slow-Fast sampling against keye-vl-utils, which is another team's code for the same report."""

from __future__ import annotations

import io
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from keye_vl_utils import vision_process as keye
from support import slowfast_videos
from support.slowfast_oracle import oracle, ours

from dataengine.errors import InputError
from dataengine.media.image.resample import filtered
from dataengine.media.limits import Limits
from dataengine.media.video import reader, slowfast
from dataengine.media.video.sampling import FAST, PRESETS, SLOW, SlowFast
from dataengine.media.video.similarity import Reducer, _weights, similarity

LIMITS = Limits()
RELEASED = PRESETS["released"]


@pytest.mark.parametrize("block", range(8))
def test_synthetic_videos_are_sampled_as_keye_vl_utils_does(block: int) -> None:
    fast = 0
    for seed in range(25 * block, 25 * block + 25):
        data = slowfast_videos.video(seed)
        expected, found = oracle(data), ours(data)
        assert found[:2] == expected[:2], f"video {seed}"
        assert found[2] == pytest.approx(expected[2], abs=1e-4)
        fast += sum(found[0])
    assert fast > 20


@given(st.integers(1, 1400), st.integers(0, 1400), st.integers(20, 3000), st.integers(20, 3000))
def test_sizes_are_those_of_keye_vl_utils(slow: int, fast: int, height: int, width: int) -> None:
    shown = torch.zeros(1, 3, 1, 1).expand(slow + fast, 3, height, width)
    kinds = torch.tensor([SLOW] * slow + [FAST] * fast, dtype=torch.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keye, "_read_video_decord", lambda _: (shown, None, kinds))
        _, told = keye.fetch_video({"video": b""})
    found = slowfast.budgeted(kinds.tolist(), height, width, RELEASED)
    assert [*found[0], *found[1]] == [told[n] for n in ("height", "width", "fast_height", "fast_width")]


@given(st.integers(1, 4000), st.floats(0.5, 240), st.floats(0.1, 10))
def test_the_same_frames_are_chosen(count: int, rate: float, fps: float) -> None:
    expected = keye.smart_nframes({"fps": fps}, count, rate)
    found = slowfast.chosen(count, rate, SlowFast(fps=fps))
    if 1 <= expected <= count:
        assert found.tolist() == torch.linspace(0, count - 1, expected).round().long().tolist()
    else:
        assert len(found) == 1, "a video shorter than a step has one frame"


@given(st.integers(28, 400), st.integers(28, 400), st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_pictures_for_comparison_are_those_of_torch(height: int, width: int, h: int, w: int, seed: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    tensor = torch.from_numpy(frame)[None].permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(tensor, [28 * h, 28 * w], mode="bilinear", antialias=True)
    found = filtered(frame, _weights(height, 28 * h), _weights(width, 28 * w))
    assert (found == expected[0].permute(1, 2, 0).numpy()).all()


@given(st.integers(0, 10**6), st.floats(0, 255))
def test_similarity_is_that_of_keye_vl_utils(seed: int, noise: float) -> None:
    draw = np.random.default_rng(seed)
    a = np.kron(draw.integers(0, 256, (8, 12, 3), np.uint8), np.ones((14, 14, 1), np.uint8))
    b = np.clip(a + draw.normal(0, noise, a.shape), 0, 255).astype(np.uint8)
    a[:28, :28] = b[:28, :28] = 0
    reduce = Reducer(112, 168, (112, 168))
    expected = keye.get_frame_sim(*(torch.from_numpy(f).permute(2, 0, 1).float() for f in (a, b)))
    assert similarity(reduce(a), reduce(b)) == pytest.approx(expected, abs=1e-6)


def test_presets_differ_as_paper_and_code_do() -> None:
    frames_ = [np.full((112, 168, 3), level, np.uint8) for level in (90, 90, 90)]
    reduce = Reducer(112, 168, (112, 168))
    assert slowfast.kinds_of(map(reduce, frames_), RELEASED) == [SLOW, FAST, FAST]
    changed = frames_[1].copy()
    changed[:28, :56] = (0, 255, 0)  # two of 24 patches: a similarity of 0.917
    for name, expected in (("released", FAST), ("paper", SLOW)):
        assert slowfast.kinds_of(map(reduce, [frames_[0], changed]), PRESETS[name]) == [SLOW, expected]
    assert (PRESETS["paper"].budget, RELEASED.budget) == (75_000, 65_536)


def test_frames_come_at_the_sizes_of_their_kinds() -> None:
    data = slowfast_videos.video(3)
    plan, shown = slowfast.sampled(data, SlowFast(budget=480, min_tokens=4), LIMITS)
    sizes = [frame.shape[:2] for frame in shown]
    assert sizes == [plan.fast if kind == FAST else plan.slow for kind in plan.kinds]
    assert sum(h * w for h, w in sizes) // 784 == plan.total <= 480
    text = slowfast.frame_text(plan)
    assert text[0] == "<|frame|>0.0" + "<|video_pad|>" * plan.tokens(SLOW)
    if FAST in plan.kinds:
        at = plan.kinds.index(FAST)
        pads = "<|video_pad|>" * plan.tokens(FAST)
        assert text[at] == f"<|frame|>{plan.times[at]:.1f}<|fast_start|>{pads}<|fast_end|>"


def test_long_clips_are_decoded_twice_rather_than_held(monkeypatch: pytest.MonkeyPatch) -> None:
    data = slowfast_videos.video(11)
    held = [f.copy() for f in slowfast.sampled(data, RELEASED, LIMITS)[1]]
    monkeypatch.setattr(slowfast, "_HELD", 0)
    streamed = list(slowfast.sampled(data, RELEASED, LIMITS)[1])
    assert all((a == b).all() for a, b in zip(held, streamed, strict=True))


def test_memory_does_not_grow_with_the_clip() -> None:
    scene = [np.full((240, 320, 3), 10 * i % 256, np.uint8) for i in range(40)]
    peaks = []
    for repeats in (1, 8):
        data = slowfast_videos.encoded(scene * repeats, Fraction(4))
        slowfast.plan(data, SlowFast(fps=4), LIMITS)
        tracemalloc.start()
        slowfast.plan(data, SlowFast(fps=4), LIMITS)
        peaks.append(tracemalloc.get_traced_memory()[1] - len(data))
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 8 * 240 * 320 * 3, "eight times the frames, not eight times the memory"


def test_odd_videos_have_clear_outcomes() -> None:
    one = slowfast_videos.encoded([np.full((64, 64, 3), 200, np.uint8)], Fraction(25))
    plan = slowfast.plan(one, RELEASED, LIMITS)
    assert (plan.indices, plan.times, plan.kinds) == ((0,), (0.0,), (SLOW,))
    black = slowfast_videos.encoded([np.zeros((64, 64, 3), np.uint8)] * 50, Fraction(25))
    assert slowfast.plan(black, RELEASED, LIMITS).kinds == (SLOW, FAST, FAST, FAST), "nothing new in the dark"
    strip = slowfast_videos.encoded([np.full((2, 500, 3), 50, np.uint8)] * 2, Fraction(2), "mpeg4", "avi")
    with pytest.raises(InputError, match="aspect"):
        slowfast.plan(strip, RELEASED, LIMITS)
    for data in (b"", b"notes", one[: len(one) // 2]):
        with pytest.raises(InputError):
            slowfast.plan(data, RELEASED, LIMITS)


@pytest.mark.parametrize(
    "wrong", [{"fps": 0}, {"threshold": 0}, {"budget": 4}, {"min_tokens": 900}, {"fast_ratio": 1.5}, {"max_frames": 0}]
)
def test_mistakes_of_configuration_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.* out of range"):
        SlowFast(**wrong)  # type: ignore[arg-type]


def test_a_file_like_decord_reads() -> None:
    """The synthetic videos are such as decord numbers rightly, or the comparison would prove nothing."""
    import decord

    data = slowfast_videos.video(0)
    assert len(decord.VideoReader(io.BytesIO(data))) == reader.probe(data, LIMITS).frames
