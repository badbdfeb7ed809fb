"""Clips cut out of numbered videos: no frame lost, none twice, the same bytes each time."""

from __future__ import annotations

import io
import itertools

import av
import numpy as np
import pytest
from support.media_samples import counting, number, turned

from dataengine.errors import InputError
from dataengine.media.inspect import inspect
from dataengine.media.limits import Limits
from dataengine.media.video.cut import cut, cutter, nearest
from dataengine.media.video.reader import probe, read

LIMITS = Limits()
X265 = {"x265-params": "log-level=none:bframes=4:keyint=20:open-gop=0"}
B_FRAMES = {"bf": "3", "g": "20"}
#: Container, codec, options, and extension and codec of a clip that is not encoded again.
FILES: dict[str, tuple[str, str, dict[str, str], tuple[str, str]]] = {
    "mp4-h264": ("mp4", "libx264", B_FRAMES, ("mp4", "h264")),
    "mkv-hevc": ("matroska", "libx265", X265, ("mp4", "hevc")),
    "mkv-h264": ("matroska", "libx264", B_FRAMES, ("mp4", "h264")),
    "mp4-av1": ("mp4", "libsvtav1", {"g": "20"}, ("mp4", "av1")),
    "webm-vp9": ("webm", "libvpx-vp9", {"g": "20"}, ("mp4", "vp9")),
    "webm-vp8": ("webm", "libvpx", {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "16"}, ("mkv", "vp8")),
    "ts-h264": ("mpegts", "libx264", B_FRAMES, ("mp4", "h264")),
    "avi-mpeg4": ("avi", "mpeg4", {}, ("mp4", "mpeg4")),
    "flv-flv1": ("flv", "flv", {}, ("flv", "flv1")),
    "wmv-wmv2": ("asf", "wmv2", {}, ("wmv", "wmv2")),
}
WITH_SOUND = ("mp4-h264", "mkv-h264", "ts-h264", "mp4-av1")


@pytest.fixture(scope="session")
def videos() -> dict[str, bytes]:
    """Frame ``i`` of each shows the number ``i``."""
    return {n: counting(c, codec, options=o, sound=n in WITH_SOUND) for n, (c, codec, o, _) in FILES.items()}


def pieces(data: bytes, bounds: list[int] | None = None) -> list[bytes]:
    """Clips of all frames; at the cut points where no bounds are given."""
    with cutter(data, probe(data, LIMITS)) as cutting:
        places = bounds or [*cutting.cut_points, cutting.clip.frames]
        return [cutting.extract(a, b) for a, b in itertools.pairwise(places)]


def numbers(data: bytes) -> list[int]:
    video = probe(data, LIMITS)
    return [number(frame) for frame in read(data, video, range(video.frames))]


@pytest.mark.parametrize("name", FILES)
def test_copied_clips_lose_no_frame_and_share_none(videos: dict[str, bytes], name: str) -> None:
    clips = pieces(videos[name])
    assert len(clips) >= 3
    assert [n for clip in clips for n in numbers(clip)] == list(range(60))
    assert pieces(videos[name]) == clips, "the same bytes again"
    for clip in clips:
        facts = inspect(LIMITS, clip)
        assert (facts["ext"], facts["codec"]) == FILES[name][3]
        assert facts["fps"] == pytest.approx(25) and facts["duration"] == pytest.approx(facts["frames"] / 25, abs=2e-3)
    assert inspect(LIMITS, clips[0])["audio"] == (name in WITH_SOUND)


@pytest.mark.parametrize("name", [*FILES, "mp4-open"])
def test_precise_clips_fall_on_the_frame(videos: dict[str, bytes], name: str) -> None:
    data = videos[name] if name in videos else counting("mp4", "mpeg4", options={"bf": "2"})
    bounds = [0, 7, 25, 41, 60]
    clips = pieces(data, bounds)
    assert [numbers(clip) for clip in clips] == [list(range(a, b)) for a, b in itertools.pairwise(bounds)]
    assert pieces(data, bounds) == clips, "the same bytes again"
    assert all(probe(clip, LIMITS).codec == "h264" for clip in clips)
    assert [numbers(pieces(data, [b, b + 9])[0])[0] for b in (30, 3)] == [30, 3]


def test_bytes_do_not_depend_on_what_was_cut_before(videos: dict[str, bytes]) -> None:
    data = videos["mp4-h264"]
    with cutter(data, probe(data, LIMITS)) as cutting:
        late, early = cutting.extract(25, 41), cutting.extract(7, 25)
        again, copied = cutting.extract(25, 41), cutting.extract(0, cutting.cut_points[1])
        assert (early, late, late) == (*pieces(data, [7, 25, 41]), again)
        assert cutting.extract(0, cutting.cut_points[1]) == copied == pieces(data)[0]


def test_a_wished_cut_moves_to_the_nearest_key_frame() -> None:
    data = counting("mp4", "mpeg4", options={"g": "20"})
    assert numbers(cut(data, 0.5, 1.5, LIMITS)) == list(range(20, 40)), "12 and 37 move to 20 and 40"
    assert numbers(cut(data, 0.0, 0.4, LIMITS, frame_accurate=True)) == list(range(10))
    assert numbers(cut(data, 1.2, 99.0, LIMITS)) == list(range(20, 60)), "30 lies between 20 and 40"
    with pytest.raises(InputError, match="not_cuttable"):
        cut(data, 0.1, 0.3, LIMITS)
    assert nearest([0.0, 1.0, 2.0], [0.5, 0.51, -3.0, 9.0]) == [0, 1, 0, 2] and nearest([4.0], [0.0]) == [0]


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=20"}),
        ("mp4", "libx265", {"x265-params": "log-level=none:bframes=4:keyint=20:open-gop=1"}),
        ("avi", "mpeg4", {"bf": "2"}),
        ("mp4", "libx264", {"g": "1000", "sc_threshold": "0", "keyint_min": "1000"}),
    ],
)
def test_what_is_no_clean_beginning_is_no_cut_point(container: str, codec: str, options: dict[str, str]) -> None:
    """Refreshed by columns; frames before a key frame that look back past it; no times of display; no key frames."""
    data = counting(container, codec, options=options)
    with cutter(data, probe(data, LIMITS)) as cutting:
        for point in cutting.cut_points:
            assert numbers(cutting.extract(point, 60)) == list(range(point, 60))
        if codec != "libx265":
            assert cutting.cut_points in ([], [0])


def test_sound_goes_where_its_pictures_go(videos: dict[str, bytes]) -> None:
    whole = _packets(videos["mkv-h264"])
    cut_up = [_packets(clip) for clip in pieces(videos["mkv-h264"])]
    assert [size for found in cut_up for _, size in found] == [size for _, size in whole]
    for found in cut_up:
        assert not found or (-1e-3 < found[0][0] < 0.065 and found[-1][0] < 0.8)


def _packets(data: bytes) -> list[tuple[float, int]]:
    with av.open(io.BytesIO(data)) as container:
        if not container.streams.audio:
            return []
        return [(float(p.pts * p.time_base), p.size) for p in container.demux(audio=0) if p.size and p.pts is not None]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_videos_stay_turned(videos: dict[str, bytes], degrees: int) -> None:
    data = turned(videos["mp4-h264"], degrees)
    video = probe(data, LIMITS)
    expected = read(data, video, [16, 20])
    with cutter(data, video) as cutting:
        copied, encoded = cutting.extract(16, 32), cutting.extract(20, 30)
    for clip, frame in ((copied, expected[0]), (encoded, expected[1])):
        found = read(clip, probe(clip, LIMITS), [0])[0]
        assert found.shape == frame.shape and np.abs(found.astype(int) - frame).mean() < 3


def test_varying_rates_and_odd_sides_survive() -> None:
    ticks = [0, 4, 8, 20, 24, 60, 64, 100, 104, 108, 140, 144]
    data = counting("mp4", "libx264", 12, options={"g": "4", "bf": "0", "sc_threshold": "0"}, ticks=ticks)
    video = probe(data, LIMITS)
    with cutter(data, video) as cutting:
        assert cutting.cut_points == [0, 4, 8]
        for first, end in ((4, 8), (5, 11)):
            clip = probe(cutting.extract(first, end), LIMITS)
            assert clip.times == pytest.approx(video.times[first:end] - video.times[first], abs=1e-3)
    odd = counting("webm", "libvpx-vp9", 12, options={"g": "30"})
    assert len(numbers(pieces(odd, [3, 9])[0])) == 6
