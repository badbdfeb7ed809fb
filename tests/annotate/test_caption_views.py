"""What a captioning model is shown: sizes of pictures, Slow-Fast frames of a video and of its windows and events."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from support import slowfast_videos
from support.media_samples import clip, number, numbered, photo, save

from dataengine.annotate.captions.render import render
from dataengine.annotate.captions.spans import Span, events, windows
from dataengine.annotate.captions.views import View, ViewSettings
from dataengine.config.annotate_captions import SpansConfig
from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.video import slowfast
from dataengine.media.video.sampling import FAST, PRESETS, SLOW

LIMITS = Limits()
SETTINGS = ViewSettings((64, 100), (1.0,), 96, 32, PRESETS["released"], None)


def sizes(view: View) -> list[tuple[int, int]]:
    return [Image.open(io.BytesIO(jpeg)).size for jpeg in view.jpegs]


def test_a_picture_is_shown_at_each_size_once() -> None:
    settings = replace(SETTINGS, sides=(64, 100, 150, 4000))
    views = render((LIMITS, settings), (save(photo(size=(200, 150)), "PNG"), "image"))
    assert [(v.side, sizes(v)) for v in views] == [
        (150, [(200, 150)]),
        (100, [(133, 100)]),
        (64, [(85, 64)]),
    ]
    assert all(view.span is None and not view.times for view in views)


@pytest.mark.parametrize(("kind", "data"), [("image", b"\xff\xd8\xff nothing"), ("video", b"\0\0\0\x18ftypmp42")])
def test_damaged_media_are_a_failure(kind: str, data: bytes) -> None:
    with pytest.raises(InputError):
        render((LIMITS, SETTINGS), (data, kind))


def test_frames_are_those_of_slow_fast_sampling_with_their_times_and_sizes() -> None:
    for seed in (3, 5, 9):
        data = slowfast_videos.video(seed)
        [view] = render((LIMITS, replace(SETTINGS, fps=(2.0,))), (data, "video"))
        plan = slowfast.plan(data, replace(PRESETS["released"], max_frames=32), LIMITS)
        assert tuple(view.kinds) == plan.kinds
        assert view.times == pytest.approx(plan.times, abs=0.06)
        assert view.span is not None and view.span.kind == "whole" and view.span.start == 0
        shorter = [min(size) for size in sizes(view)]
        assert all(side <= (53 if kind == FAST else 96) for side, kind in zip(shorter, view.kinds, strict=True))


def numbered_video(seconds: int, rate: int = 10) -> bytes:
    """Each second has a number of its own in its frames."""
    return slowfast_videos.encoded([numbered(n // rate) for n in range(seconds * rate)], Fraction(rate))


def test_each_rate_is_a_view_and_equal_ones_are_one() -> None:
    settings = replace(SETTINGS, fps=(0.5, 1.0, 2.0), max_frames=8)
    views = render((LIMITS, settings), (numbered_video(8), "video"))
    assert [(v.fps, len(v.jpegs)) for v in views] == [(0.5, 4), (1.0, 8)]  # at 2 a second only 8 may be shown, too
    assert all(len(v.times) == len(v.kinds) == len(v.jpegs) for v in views)


def test_a_window_shows_its_own_frames_only() -> None:
    spans = SpansConfig(by=("window",), seconds=4)
    settings = replace(SETTINGS, spans=spans, fps=(1.0,))
    whole, *parts = render((LIMITS, settings), (numbered_video(10), "video"))
    assert [v.span for v in parts] == [Span("window", *bounds) for bounds in ((0, 3.333), (3.333, 6.667), (6.667, 10))]
    assert len(whole.jpegs) == 10
    for view in parts:
        assert view.span is not None
        shown = [number(np.asarray(Image.open(io.BytesIO(jpeg)).resize((176, 96)))) for jpeg in view.jpegs]
        assert shown == [int(time + 1e-6) for time in view.times]
        assert all(view.span.start - 0.01 <= time < view.span.end for time in view.times)


def test_short_videos_have_no_parts() -> None:
    settings = replace(SETTINGS, spans=SpansConfig(by=("window", "event"), seconds=10))
    assert len(render((LIMITS, settings), (numbered_video(10), "video"))) == 1


def test_events_are_shots_joined_to_a_least_length() -> None:
    config = SpansConfig(by=("event",), min_seconds=2, seconds=5)
    cuts = [0.0, 0.5, 3.0, 4.0, 5.5, 9.0]
    assert [(s.start, s.end) for s in events(cuts, 10.0, config)] == [(0, 3.0), (3.0, 5.5), (5.5, 10.0)]
    many = [n / 2 for n in range(200)]
    assert len(events(many, 100.0, replace_spans(config, max_spans=8))) <= 8
    assert [(s.start, s.end) for s in events([0.0], 7.0, config)] == [(0.0, 7.0)]


def replace_spans(config: SpansConfig, **changes: object) -> SpansConfig:
    return config.model_copy(update=changes)


@pytest.mark.parametrize(("duration", "count"), [(30.001, 2), (60.0, 2), (61.0, 3), (8 * 3600.0, 32), (1e7, 32)])
def test_windows_cover_the_video_and_are_bounded(duration: float, count: int) -> None:
    parts = windows(duration, SpansConfig())
    assert len(parts) == count
    assert parts[0].start == 0 and parts[-1].end == round(duration, 3)
    assert all(a.end == b.start for a, b in itertools.pairwise(parts))


def test_events_of_a_video_with_cuts() -> None:
    frames = [np.full((96, 128, 3), shade, np.uint8) for shade in (20, 120, 220) for _ in range(30)]
    data = slowfast_videos.encoded(frames, Fraction(10))
    settings = replace(SETTINGS, spans=SpansConfig(by=("event",), min_seconds=1, seconds=4))
    whole, *parts = render((LIMITS, settings), (data, "video"))
    assert [(v.span.start, v.span.end) for v in parts if v.span] == [(0, 3), (3, 6), (6, 9)]
    for view, shade in zip(parts, (20, 120, 220), strict=True):
        assert all(abs(np.asarray(Image.open(io.BytesIO(j))).mean() - shade) < 12 for j in view.jpegs)
        assert view.kinds[0] == SLOW and set(view.kinds[1:]) <= {FAST}
    assert len(whole.jpegs) == 9


def test_a_video_of_one_frame() -> None:
    [view] = render((LIMITS, SETTINGS), (clip([numbered(1)]), "video"))
    assert view.times == [0.0] and view.kinds == [SLOW]
