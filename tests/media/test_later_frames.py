"""Frames and pages behind the first: each is held to the limits, and each is counted."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from support.media_samples import clip, photo, save

from dataengine.errors import InputError
from dataengine.media.image.decode import decode_rgb
from dataengine.media.inspect import inspect
from dataengine.media.limits import Limits

SMALL, LARGE = (64, 64), (320, 240)
LIMITS = Limits(pixels=20_000)


def failure(data: bytes) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        inspect(LIMITS, data)
    return caught.value.failure, caught.value.message


def pages(*sizes: tuple[int, int]) -> bytes:
    first, *rest = [photo(size=size) for size in sizes]
    return save(first, "TIFF", save_all=True, append_images=rest)


def growing(container: str, codec: str, options: dict[str, str] | None = None) -> bytes:
    """A video whose frames grow from SMALL to LARGE; both have their own key frames."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as target:
        stream: Any = None
        for part, (width, height) in enumerate((SMALL, LARGE)):
            encoder: Any = av.CodecContext.create(codec, "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.time_base, encoder.options = Fraction(1, 25), options or {}
            frames = [av.VideoFrame.from_ndarray(np.full((height, width, 3), 9 * n, np.uint8)) for n in range(10)]
            packets = [packet for n, frame in enumerate([*frames, None]) for packet in _encoded(encoder, frame, n)]
            if stream is None:
                stream = target.add_stream(codec, rate=25)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for packet in packets:
                packet.stream, packet.time_base = stream, Fraction(1, 25)
                packet.pts, packet.dts = packet.pts + 10 * part, packet.dts + 10 * part
                target.mux(packet)
    return out.getvalue()


def _encoded(encoder: Any, frame: Any, number: int) -> list[Any]:
    if frame is not None:
        frame.pts, frame.time_base = number, Fraction(1, 25)
        frame = frame.reformat(format="yuv420p")
    return list(encoder.encode(frame))


VIDEOS = {
    "mpegts joined": lambda: clip(_flat(SMALL), "mpegts") + clip(_flat(LARGE), "mpegts"),
    "mpeg joined": lambda: clip(_flat(SMALL), "mpeg", "mpeg2video") + clip(_flat(LARGE), "mpeg", "mpeg2video"),
    "mpegts": lambda: growing("mpegts", "libx264", {"bf": "0"}),
    "matroska h264": lambda: growing("matroska", "libx264", {"bf": "0"}),
    "webm vp8": lambda: growing("webm", "libvpx"),
    "webm vp9": lambda: growing("webm", "libvpx-vp9"),
}


def _flat(size: tuple[int, int]) -> list[Any]:
    return [np.full((size[1], size[0], 3), 9 * n, np.uint8) for n in range(10)]


@pytest.mark.parametrize("kind", VIDEOS)
def test_a_video_that_grows_is_held_to_its_largest_frame(kind: str) -> None:
    assert failure(VIDEOS[kind]()) == ("too_many_pixels", "320 × 240 pixels, limit 20,000")


def test_a_page_that_is_larger_than_the_first() -> None:
    assert failure(pages(SMALL, LARGE)) == ("too_many_pixels", "320 × 240 pixels, limit 20,000")
    assert inspect(LIMITS, pages(SMALL, (90, 200)))["frames"] == 2


def test_a_gif_whose_second_frame_leaves_its_screen() -> None:
    frames = [Image.effect_noise(SMALL, 50 + n) for n in range(2)]
    data = save(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert inspect(LIMITS, data)["frames"] == 2
    place = data.rindex(b"\x2c\0\0\0\0" + struct.pack("<2H", *SMALL)) + 5
    assert failure(data[:place] + struct.pack("<2H", *LARGE) + data[place + 4 :])[0] == "too_many_pixels"


@pytest.mark.filterwarnings("ignore:Image was not the expected size")
def test_an_icon_that_holds_more_than_it_says() -> None:
    picture = save(photo(size=LARGE), "PNG")
    directory = struct.pack("<3H4B2H2I", 0, 1, 1, *SMALL, 0, 0, 1, 32, len(picture), 22)
    for read in (lambda: inspect(LIMITS, directory + picture), lambda: decode_rgb(directory + picture, LIMITS)):
        with pytest.raises(InputError, match="too_many_pixels: 320 × 240 pixels"):
            read()


@pytest.mark.parametrize("count", [2, 4])
def test_the_default_image_of_an_apng_is_no_frame(count: int) -> None:
    first, *rest = [Image.effect_noise((80, 60), 50 + n) for n in range(count)]
    data = save(first, "PNG", save_all=True, append_images=rest, duration=100, default_image=True)
    facts = inspect(LIMITS, data)
    assert facts["frames"] == count - 1 == struct.unpack(">I", data[(at := data.index(b"acTL") + 4) : at + 4])[0]
    assert facts["duration"] == pytest.approx((count - 1) / 10)
