"""Small synthetic videos: still and moving scenes, cuts, noise, black; many sizes, rates and lengths."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

_RATES = (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(10), Fraction(1))


#: decord, which keye-vl-utils reads by, fails on others: 48, 96 and 144, say.
_WIDTHS = (64, 112, 128, 160, 192, 208, 224, 240)


def video(seed: int) -> bytes:
    """The same bytes for the same seed."""
    draw = np.random.default_rng(seed)
    rate = _RATES[int(draw.integers(len(_RATES)))]
    count = max(int(draw.uniform(0.6, 7) * rate), 2 if rate == 1 else 1)
    height, width = 2 * int(draw.integers(20, 120)), int(draw.choice(_WIDTHS))
    frames: list[NDArray[np.uint8]] = []
    while len(frames) < count:
        frames += _scene(draw, height, width, int(draw.uniform(0.3, 3) * rate) + 1)
    return encoded(frames[:count], rate)


def encoded(frames: list[NDArray[np.uint8]], rate: Fraction, codec: str = "libx264", format_: str = "mp4") -> bytes:
    """H.264 in MP4 unless said otherwise, on one thread."""
    out = io.BytesIO()
    with av.open(out, "w", format=format_) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.codec_context.thread_count = 1
        if codec == "libx264":
            stream.options = {"crf": "28", "preset": "ultrafast"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))
    return out.getvalue()


def _scene(draw: np.random.Generator, height: int, width: int, count: int) -> list[NDArray[np.uint8]]:
    """A blurred background with a box that stands or moves; sometimes noise, sometimes black."""
    small = draw.integers(0, 256, (4, 5, 3), np.uint8)
    back = np.kron(small, np.ones((height // 4 + 1, width // 5 + 1, 1), np.uint8))[:height, :width]
    kind, speed = draw.integers(6), draw.integers(-8, 9, 2)
    top, left = int(draw.integers(height)), int(draw.integers(width))
    colour = draw.integers(0, 256, 3, np.uint8)
    found = []
    for i in range(count):
        frame = np.zeros_like(back) if kind == 0 else back.copy()
        if kind == 1:
            frame = draw.integers(0, 256, back.shape, np.uint8)
        elif kind > 1:
            y, x = int(top + i * speed[0]) % height, int(left + i * speed[1]) % width
            frame[y : y + height // 2, x : x + width // 2] = colour
        if kind == 5:
            frame = np.roll(frame, 5 * i, axis=1)
        found.append(frame)
    return found
