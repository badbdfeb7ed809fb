"""Files cut anywhere and files with bytes changed anywhere: each is one failure, and the child lives on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from support.media_samples import animation, counting, photo, save

from dataengine.errors import InputError
from dataengine.media.inspect import inspect
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok, Sandbox

LIMITS = Limits(seconds=300.0, memory=2 << 30)
MAKERS: dict[str, Callable[[], bytes]] = {
    "jpg": lambda: save(photo(), "JPEG"),
    "progressive": lambda: save(photo(), "JPEG", progressive=True),
    "cmyk": lambda: save(photo().convert("CMYK"), "JPEG"),
    "png": lambda: save(photo(), "PNG"),
    "animated-png": lambda: animation("PNG"),
    "gif": lambda: animation("GIF"),
    "webp": lambda: save(photo(), "WEBP"),
    "animated-webp": lambda: animation("WEBP"),
    "avif": lambda: save(photo(), "AVIF"),
    "jp2": lambda: save(photo(), "JPEG2000"),
    "tif": lambda: save(photo(), "TIFF"),
    "pages": lambda: animation("TIFF", 3),
    "bmp": lambda: save(photo(), "BMP"),
    "mp4": lambda: counting("mp4", count=30, options={"bf": "2", "g": "10"}),
    "mp4-index-first": lambda: counting("mp4", count=30, container_options={"movflags": "faststart"}),
    "webm": lambda: counting("webm", "libvpx-vp9", count=30),
    "mkv": lambda: counting("matroska", count=30),
    "avi": lambda: counting("avi", "mpeg4", count=30),
    "flv": lambda: counting("flv", "flv", count=30),
    "wmv": lambda: counting("asf", "wmv2", count=30),
}
#: Streams: a part of one is one, so a cut is no damage.
STREAMS: dict[str, Callable[[], bytes]] = {
    "mpg": lambda: counting("mpeg", "mpeg2video", count=30),
    "ts": lambda: counting("mpegts", count=30),
}
TOLD = {"truncated", "corrupt", "not_media", "no_frames", "too_many_pixels", "too_many_frames", "out_of_memory"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("dataengine.media.inspect:inspect", LIMITS, workers=2, limits=LIMITS) as opened:
        yield opened


def cuts(data: bytes) -> list[bytes]:
    """Prefixes, from a header of 16 bytes to all but three bytes."""
    size = len(data)
    places = {16, 40, 100, *(size * k // 16 for k in range(1, 16)), size - 1000, size - 100, size - 12, size - 3}
    return [data[:place] for place in sorted(p for p in places if 16 <= p < size)]


def mutants(data: bytes, count: int, seed: int) -> list[bytes]:
    """Copies with one to five bytes replaced, every second time near the beginning."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(rng.integers(1, 6)):
            end = min(400, len(copy)) if rng.random() < 0.5 else len(copy)
            copy[rng.integers(end)] = rng.integers(256)
        found.append(bytes(copy))
    return found


@pytest.mark.parametrize("kind", MAKERS)
def test_a_file_cut_anywhere_fails(sandbox: Sandbox, kind: str) -> None:
    data = MAKERS[kind]()
    whole, *parts = sandbox.map([data, *cuts(data)])
    assert isinstance(whole, Ok)
    told = Counter(
        o.failure if isinstance(o, Failed) else f"read at {len(c)}" for o, c in zip(parts, cuts(data), strict=True)
    )
    assert set(told) <= {"truncated", "corrupt"} and told["corrupt"] <= 1
    last = parts[-4]
    assert isinstance(last, Failed) and "," in last.message


@pytest.mark.parametrize("kind", [*MAKERS, *STREAMS])
def test_changed_bytes_cost_one_file_at_most(sandbox: Sandbox, kind: str) -> None:
    data = {**MAKERS, **STREAMS}[kind]()
    outcomes = list(sandbox.map(mutants(data, 60, seed=len(kind))))
    told = {o.failure for o in outcomes if isinstance(o, Failed)}
    assert len(outcomes) == 60 and told <= TOLD
    messages = [o.message for o in outcomes if isinstance(o, Failed)]
    assert not [m for m in messages if not m or "Error:" in m or "object at 0x" in m]


def test_any_change_in_the_pixels_of_a_png_is_found() -> None:
    """It has checksums, which Pillow leaves alone."""
    data = save(photo(), "PNG")
    rng = np.random.default_rng(0)
    for _ in range(20):
        copy = bytearray(data)
        copy[rng.integers(60, len(data) - 20)] ^= 0x10
        with pytest.raises(InputError, match=r"corrupt|truncated"):
            inspect(LIMITS, bytes(copy))


def test_a_video_whose_index_promises_more_than_there_is() -> None:
    """All boxes are whole, but samples are missing: the length field was patched."""
    data = MAKERS["mp4-index-first"]()
    place = data.index(b"mdat")
    short = bytearray(data[: place + 4 + (len(data) - place) // 2])
    short[place - 4 : place] = (len(short) - place + 4).to_bytes(4)
    with pytest.raises(InputError, match=r"truncated: \d+ of 30 frames"):
        inspect(LIMITS, bytes(short))
