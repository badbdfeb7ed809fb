"""Clips with known movement: a photograph moved under a window, encoded."""

from __future__ import annotations

import io
from collections.abc import Sequence

import av
import cv2
import numpy as np

from dataengine.media.image.pixels import Pixels

WIDTH, HEIGHT, RATE = 320, 240, 25
#: Encoder, container and options.
ENCODINGS = {
    "h264": ("libx264", "mp4", {"preset": "veryfast", "crf": "23", "x264-params": "mbtree=0"}),
    "mpeg4": ("mpeg4", "mp4", {}),
    "mpeg2": ("mpeg2video", "mpegts", {}),
    "vp9": ("libvpx-vp9", "webm", {"cpu-used": "8", "deadline": "realtime"}),
}
#: By what is seen: the camera's way a second to the right and up, in pixels, and its growth.
PATHS = {
    "pan_right": (100.0, 0.0, 1.0),
    "pan_left": (-100.0, 0.0, 1.0),
    "tilt_up": (0.0, 60.0, 1.0),
    "tilt_down": (0.0, -60.0, 1.0),
    "zoom_in": (0.0, 0.0, 1.15),
    "zoom_out": (0.0, 0.0, 1 / 1.15),
    "static": (0.0, 0.0, 1.0),
}


def moving(photo: Pixels, kind: str, seconds: float = 2.0) -> list[Pixels]:
    """Frames of ``kind``: one of PATHS, ``shake``, ``fixed`` (a thing moves, the camera does not) or ``screen`` (slides)."""
    picture = np.asarray(cv2.resize(photo, (640, 440), interpolation=cv2.INTER_AREA), np.uint8)
    random, count = np.random.default_rng(1), round(seconds * RATE)
    if kind == "shake":
        return [_window(picture, *random.normal(0, 4, 2), 1.0) for _ in range(count)]
    if kind == "fixed":
        return [_with_thing(_window(picture, 0, 0, 1.0), picture, n) for n in range(count)]
    if kind == "screen":
        return [_slide(picture, n // 15) for n in range(count)]
    right, up, growth = PATHS[kind]
    middle = seconds / 2
    times = [n / RATE - middle for n in range(count)]
    return [_window(picture, right * t, up * t, 1.2 * growth**t) for t in times]


def encoded(frames: Sequence[Pixels], encoding: str) -> bytes:
    codec, container, options = ENCODINGS[encoding]
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=RATE, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.codec_context.thread_count = 1
        if codec != "libx264":
            stream.bit_rate = 1_500_000
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        file.mux(stream.encode(None))
    return out.getvalue()


def _window(picture: Pixels, right: float, up: float, scale: float) -> Pixels:
    height, width = picture.shape[:2]
    left, top = width / 2 + right - WIDTH / 2 / scale, height / 2 - up - HEIGHT / 2 / scale
    place = np.array([[1 / scale, 0, left], [0, 1 / scale, top]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(picture, place, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def _with_thing(frame: Pixels, picture: Pixels, number: int) -> Pixels:
    left = 20 + 4 * number
    frame[100:150, left : left + 60] = picture[:50, :60, ::-1]
    return frame


def _slide(picture: Pixels, number: int) -> Pixels:
    page = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    page[40:200, 40:280] = picture[10 * number : 160 + 10 * number, 60 * number : 240 + 60 * number]
    return page
