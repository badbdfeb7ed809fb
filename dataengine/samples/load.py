"""How much work media are, for the progress of a run: bytes of pictures, and a second of video as so many bytes."""

from __future__ import annotations

#: Bytes of pictures that take as long to decode as a second of video. Measured on one core: 500 x 375 JPEGs of 100 kB 55 MB/s, a
#: 720p h264 video 34 times as fast as it plays (0.89 s for 30 s).
VIDEO_SECOND = 1_600_000.0


def load_of(size: float, seconds: float) -> float:
    """The work of media of ``size`` bytes in all, and ``seconds`` of video among them."""
    return size + seconds * VIDEO_SECOND
