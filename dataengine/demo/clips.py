"""Video clips of the demo corpus: frames of package videos, encoded to many containers and codecs.

Encoders run on one thread and bit-exact: slow, which does not matter for a minute of small video.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePosixPath
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags
from av.video.stream import VideoStream
from PIL import Image

from dataengine.demo.images import edit
from dataengine.errors import UsageError

_EXACT = {"fflags": "+bitexact"}
_CONTAINERS = {".mkv": "matroska", ".mpg": "mpeg", ".wmv": "asf", ".ts": "mpegts"}
_TOLERANCE = 1e-3
_DEFAULT_RATE = Fraction(25)


@dataclass(frozen=True)
class _Codec:
    name: str
    bit_rate: int = 0
    options: tuple[tuple[str, str], ...] = ()


_LUMA = np.array([66, 129, 25], np.int32)
_CHROMA = (np.array([-38, -74, 112], np.int32), np.array([112, -94, -18], np.int32))
_X265 = "pools=none:frame-threads=1:log-level=none:info=0"
_CODECS = {
    "h264": _Codec("libx264", options=(("preset", "veryfast"), ("crf", "23"), ("x264-params", "mbtree=0"))),
    "hevc": _Codec("libx265", options=(("preset", "veryfast"), ("crf", "26"), ("x265-params", _X265))),
    "vp8": _Codec("libvpx", 800_000, (("deadline", "good"), ("cpu-used", "5"))),
    "vp9": _Codec("libvpx-vp9", options=(("crf", "34"), ("deadline", "good"), ("cpu-used", "6"))),
    "mpeg4": _Codec("mpeg4", 1_200_000),
    "mpeg1": _Codec("mpeg1video", 1_200_000),
    "mpeg2": _Codec("mpeg2video", 1_500_000),
    "flv1": _Codec("flv", 800_000),
    "wmv2": _Codec("wmv2", 1_000_000),
    "h263": _Codec("h263", 800_000),
}


@dataclass(frozen=True)
class Frames:
    """Decoded frames of a clip, in order; ``rate``: frames a second."""

    pictures: list[Image.Image]
    rate: Fraction


class Video:
    """A package video: frames by time. Every call decodes it, which is cheap at these sizes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def still(self, at: float, crop: tuple[int, int, int, int] | None = None) -> Image.Image:
        """The first frame at or after ``at`` seconds. Raises UsageError past the end."""
        return self.clip((at, float("inf")), crop, limit=1).pictures[0]

    def clip(
        self, span: tuple[float, float] | None, crop: tuple[int, int, int, int] | None = None, limit: int | None = None
    ) -> Frames:
        """Frames shown in ``[start, end)`` seconds; all if ``span`` is None. Raises UsageError if there are none."""
        start, end = span or (0.0, float("inf"))
        pictures: list[Image.Image] = []
        with av.open(io.BytesIO(self._data), "r") as container:
            rate = container.streams.video[0].average_rate or _DEFAULT_RATE
            for frame in container.decode(video=0):
                if frame.time < start - _TOLERANCE:
                    continue
                if frame.time >= end - _TOLERANCE or len(pictures) == limit:
                    break
                image = Image.fromarray(frame.to_ndarray(format="rgb24"))
                pictures.append(image.crop(crop) if crop else image)
        if not pictures:
            raise UsageError(f"captions.yaml: the video has no frame from {start:g} s to {end:g} s")
        return Frames(pictures, rate)


def encode(frames: Frames, to: str, encoding: str, edits: Iterable[str] = ()) -> bytes:
    """Encode a video file: container by the extension of ``to``, codec and optional CRF by ``encoding``."""
    name, *quality = encoding.split()
    if name not in _CODECS:
        raise UsageError(f"demo corpus: unknown codec {name!r}; known: {', '.join(sorted(_CODECS))}")
    codec = _CODECS[name]
    options = dict(codec.options) | ({"crf": quality[0]} if quality else {})
    edits = list(edits)
    pictures = [_even(edit(p, edits)) for p in frames.pictures]
    out = io.BytesIO()
    with av.open(out, "w", format=_container(to), container_options=_EXACT) as container:
        stream = cast(VideoStream, container.add_stream(codec.name, rate=frames.rate, options=options))
        stream.width, stream.height, stream.pix_fmt = *pictures[0].size, "yuv420p"
        stream.bit_rate = codec.bit_rate
        stream.codec_context.gop_size = round(frames.rate)
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= Flags.bitexact
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes(picture), format="yuv420p")))
        container.mux(stream.encode(None))
    return out.getvalue()


def planes(image: Image.Image) -> npt.NDArray[np.uint8]:
    """RGB to YUV 4:2:0, ``(3 H / 2, W) uint8``: BT.601 studio-range Y, then U and V at half size. In integers, because FFmpeg's
    scaler varies in low bits from run to run if the width is not a multiple of its vector size."""
    rgb = np.asarray(image.convert("RGB")).astype(np.int32)
    half = (rgb[0::2, 0::2] + rgb[1::2, 0::2] + rgb[0::2, 1::2] + rgb[1::2, 1::2] + 2) >> 2
    y = ((rgb * _LUMA).sum(axis=2) + 128 >> 8) + 16
    u, v = (((half * weights).sum(axis=2) + 128 >> 8) + 128 for weights in _CHROMA)
    return np.concatenate([c.astype(np.uint8).ravel() for c in (y, u, v)]).reshape(-1, image.width)


def remux(data: bytes, to: str) -> bytes:
    """Copy the packets into another container, without re-encoding."""
    out = io.BytesIO()
    with (
        av.open(io.BytesIO(data), "r") as source,
        av.open(out, "w", format=_container(to), container_options=_EXACT) as target,
    ):
        video = source.streams.video[0]
        stream = target.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return out.getvalue()


def without_frames() -> bytes:
    """An AVI with a video track and no frames."""
    out = io.BytesIO()
    with av.open(out, "w", format="avi", container_options=_EXACT) as container:
        stream = container.add_stream("mpeg4", rate=_DEFAULT_RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.flags |= Flags.bitexact
        container.start_encoding()
    return out.getvalue()


def _container(to: str) -> str:
    suffix = PurePosixPath(to).suffix
    return _CONTAINERS.get(suffix, suffix.removeprefix("."))


def _even(image: Image.Image) -> Image.Image:
    """Crop to even sides, which 4:2:0 needs."""
    return image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))
