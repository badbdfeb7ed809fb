"""Frames written as a short video come back at their times, and give the same bytes again."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from support.cot_corpus import pan

from dataengine.media.video.from_frames import video_of


@pytest.mark.parametrize("size", [(96, 128), (97, 129)])
def test_frames_and_times_come_back(size: tuple[int, int]) -> None:
    frames = [np.ascontiguousarray(frame[: size[0], : size[1]]) for frame in pan("flower.jpg", 4, 40)]
    times = (0.0, 0.4, 1.25, 3.0)
    data = video_of(frames, times)
    assert data == video_of(frames, times)
    with av.open(io.BytesIO(data)) as clip:
        shown = [(float(frame.time or 0), frame.to_ndarray(format="rgb24")) for frame in clip.decode(video=0)]
    assert [time for time, _ in shown] == pytest.approx(times, abs=0.002)
    for (_, pixels), frame in zip(shown, frames, strict=True):
        assert pixels.shape == frame.shape and np.abs(pixels.astype(int) - frame).mean() < 6


def test_times_that_do_not_rise_are_refused() -> None:
    frames = [np.zeros((8, 8, 3), np.uint8)] * 2
    for times in ((0.0, 0.0), (1.0, 0.5), (0.0,)):
        with pytest.raises(ValueError, match="times must rise"):
            video_of(frames, times)
