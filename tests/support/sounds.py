"""Videos with sound for tests: a still picture beside given samples."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 16_000
Samples = NDArray[np.int16]


def tone(seconds: float, hertz: float = 440.0, level: float = 0.3) -> Samples:
    times = np.arange(round(seconds * RATE)) / RATE
    return (level * 32767 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.int16)


def clip(samples: Samples | None, container: str = "mp4", codec: str = "aac", seconds: float | None = None) -> bytes:
    """A video of gray frames, ten a second, as long as its sound or ``seconds``; without ``samples`` it has none."""
    length = seconds if seconds is not None else len(samples) / RATE if samples is not None else 1.0
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        video = file.add_stream({"webm": "libvpx", "mpeg": "mpeg1video"}.get(container, "libx264"), rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.thread_count = 1
        audio = (
            None
            if samples is None
            else file.add_stream(codec, rate=48_000 if codec in ("libopus", "ac3") else RATE, layout="mono")
        )
        for n in range(max(1, round(length * 25))):
            gray = np.full((48, 64, 3), 40 + n % 100, np.uint8)
            file.mux(video.encode(av.VideoFrame.from_ndarray(gray)))
        file.mux(video.encode(None))
        if audio is not None and samples is not None:
            resampler = av.AudioResampler(
                audio.codec_context.format, "mono", audio.rate, frame_size=audio.frame_size or 1024
            )
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                file.mux(audio.encode(piece))
            file.mux(audio.encode(None))
    return out.getvalue()


def sparse(hours: float, every: float = 30.0) -> bytes:
    """A video of this length with a fifth of a second of tone every few seconds and nothing between, in little time and space."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as file:
        video = file.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        gray = np.full((48, 64, 3), 99, np.uint8)
        for n in range(round(hours * 3600 / every) + 1):
            picture = av.VideoFrame.from_ndarray(gray)
            picture.pts, picture.time_base = round(n * every * 25), Fraction(1, 25)
            file.mux(video.encode(picture))
            sound = av.AudioFrame.from_ndarray(tone(0.2).reshape(1, -1), format="s16", layout="mono")
            sound.rate, sound.pts, sound.time_base = RATE, round(n * every * RATE), Fraction(1, RATE)
            file.mux(audio.encode(sound))
        file.mux(video.encode(None))
        file.mux(audio.encode(None))
    return out.getvalue()


def read_wav(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)
