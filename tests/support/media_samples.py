"""Real photos, numbered clips and hostile files for the media tests."""

from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import sklearn.datasets
from PIL import Image

PHOTOS = Path(sklearn.datasets.__file__).parent / "images"
LUMA, CELL = 16, 24
BITS = 7


def photo(name: str = "china", size: tuple[int, int] = (320, 214)) -> Image.Image:
    """A photo that scikit-learn ships: ``china`` or ``flower``."""
    with Image.open(PHOTOS / f"{name}.jpg") as image:
        return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def save(image: Image.Image, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def animation(format_: str, count: int = 6, **options: Any) -> bytes:
    """A window that wanders over the photo, 100 ms a frame."""
    image = photo()
    frames = [image.crop((10 * i, 5 * i, 10 * i + 200, 5 * i + 150)) for i in range(count)]
    return save(frames[0], format_, save_all=True, append_images=frames[1:], duration=100, **options)


def numbered(index: int, height: int = 96) -> npt.NDArray[np.uint8]:
    """``(96, 176, 3)``: ``index`` in white and dark cells that survive any codec."""
    pixels = np.full((height, LUMA + BITS * CELL - 8, 3), 40, np.uint8)
    for bit in range(BITS):
        pixels[8:88, 8 + bit * CELL : 24 + bit * CELL] = 255 if index >> bit & 1 else 0
    return pixels


def number(pixels: npt.NDArray[np.uint8]) -> int:
    """The index that ``numbered`` wrote."""
    return sum((int(pixels[48, 16 + bit * CELL].mean()) > 128) << bit for bit in range(BITS))


def clip(
    frames: list[npt.NDArray[np.uint8]],
    container: str = "mp4",
    codec: str = "libx264",
    *,
    rate: int = 25,
    options: dict[str, str] | None = None,
    ticks: list[int] | None = None,
    sound: bool = False,
    container_options: dict[str, str] | None = None,
) -> bytes:
    """A video file of ``frames``; with ``ticks`` (in 1/100 s) at varying rate; with ``sound``, a second of silence."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "clip")
        _write(str(path), frames, container, codec, rate, options or {}, ticks, sound, container_options or {})
        return path.read_bytes()


def _write(
    path: str,
    frames: list[npt.NDArray[np.uint8]],
    container: str,
    codec: str,
    rate: int,
    options: dict[str, str],
    ticks: list[int] | None,
    sound: bool,
    container_options: dict[str, str],
) -> None:
    with av.open(path, "w", format=container, container_options=container_options) as target:
        stream: Any = target.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 800_000
        audio: Any = target.add_stream("aac", rate=16_000) if sound else None
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if ticks:
                frame.pts, frame.time_base = ticks[index], Fraction(1, 100)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
        if audio:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 16_000
            for _ in range(16):
                target.mux(audio.encode(silence))
            target.mux(audio.encode(None))


def counting(container: str = "mp4", codec: str = "libx264", count: int = 60, **more: Any) -> bytes:
    """A clip whose frame ``i`` shows the number ``i``."""
    return clip([numbered(i) for i in range(count)], container, codec, **more)


def turned(mp4: bytes, degrees: int) -> bytes:
    """``mp4`` with a display matrix that asks players to turn it clockwise."""
    a, b = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    place = mp4.index(b"tkhd") + 44
    matrix = struct.pack(">9i", a << 16, b << 16, 0, -b << 16, a << 16, 0, 0, 0, 1 << 30)
    return mp4[:place] + matrix + mp4[place + 36 :]


def bomb(side: int = 30_000) -> bytes:
    """A PNG of 110 kB that unfolds to ``side`` squared pixels."""
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def bits(a: int | None, b: int | None) -> int:
    """Hamming distance of two hashes that must be there."""
    if a is None or b is None:
        raise AssertionError(f"no hash: {a}, {b}")
    return ((a ^ b) & (1 << 64) - 1).bit_count()
