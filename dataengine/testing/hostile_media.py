"""Hostile media: cut off, damaged, small on disk and huge in memory, later pages and frames that are other than the first."""

from __future__ import annotations

import io
import struct
import wave
import zipfile
import zlib
from collections.abc import Callable

import av
import numpy as np
from PIL import Image

from dataengine.testing.corpus import picture, video
from dataengine.testing.hostile_corpus import Corpus

#: What a file that is damaged or cut off may be called.
DAMAGED = ("truncated", "corrupt", "not_media", "no_frames")
LARGE = ("too_many_pixels",)


def write(corpus: Corpus) -> None:
    """A folder ``media/``."""
    _odd_but_good(corpus)
    _damaged(corpus)
    _bombs(corpus)
    _others(corpus)


def _odd_but_good(corpus: Corpus) -> None:
    """Media that are unusual, and whole."""
    cmyk = io.BytesIO()
    Image.open(io.BytesIO(corpus.jpeg())).convert("CMYK").save(cmyk, "JPEG")
    good: list[tuple[str, str, bytes]] = [
        ("cmyk.jpg", "four colours", cmyk.getvalue()),
        ("progressive.jpg", "progressive", corpus.image("JPEG", progressive=True)),
        ("wrong-name.png", "JPEG called .png", corpus.jpeg()),
        ("one.png", "one pixel", corpus.image("PNG", 1, 1)),
        ("sixteen.png", "16 bits a sample", _png(8, 8, 16, 0, (b"\0" + corpus.random.randbytes(16)) * 8)),
        ("animated.png", "APNG whose default image is no frame", _animated_png(corpus)),
        ("animation.gif", "animated GIF", _animation(corpus, "GIF")),
        ("pages.tif", "TIFF of three pages", _animation(corpus, "TIFF")),
        ("trailing.jpg", "JPEG with a tail of zeros", corpus.jpeg() + bytes(1000)),
        ("clip.mp4", "short clip", _clip(corpus)),
    ]
    for name, what, data in good:
        corpus.write(f"media/{name}", data)
        corpus.kept("media", name, what)


def _damaged(corpus: Corpus) -> None:
    """Every format cut off at a third or so, and noise after a right beginning."""
    makers: dict[str, Callable[[], bytes]] = {
        "jpg": lambda: corpus.jpeg(320, 240),
        "png": lambda: corpus.image("PNG", 320, 240),
        "webp": lambda: corpus.image("WEBP", 320, 240),
        "bmp": lambda: corpus.image("BMP", 320, 240),
        "gif": lambda: _animation(corpus, "GIF"),
        "mp4": lambda: _clip(corpus),
    }
    for ext, make in makers.items():
        data = make()
        place = int(len(data) * corpus.random.uniform(0.3, 0.6))
        corpus.write(f"media/cut.{ext}", data[:place])
        corpus.failed("media", f"cut.{ext}", f"{ext} cut off", *DAMAGED)
        corpus.write(f"media/head.{ext}", data[:16])
        corpus.failed("media", f"head.{ext}", f"{ext}: 16 bytes of it", *DAMAGED)
        corpus.write(f"media/noise.{ext}", data[:32] + corpus.random.randbytes(2000))
        corpus.failed("media", f"noise.{ext}", f"{ext}: noise after its beginning", *DAMAGED, *LARGE, "too_many_frames")


def _bombs(corpus: Corpus) -> None:
    """Small on disk, more pixels or frames than the limit; some only in what follows the first page or frame."""
    lines = zlib.compress(bytes(20_000 * (1 + 2500)), 9)
    bombs: list[tuple[str, str, bytes, tuple[str, ...]]] = [
        ("bomb.png", "PNG of 400 MP in 50 kB", _png(20_000, 20_000, 1, 0, b"", lines), LARGE),
        ("claims.png", "PNG that claims 4 G by 4 G", _png(2**31 - 1, 2**31 - 1, 8, 2, bytes(10)), (*LARGE, *DAMAGED)),
        ("claims.gif", "GIF that claims 65,535 by 65,535", _gif(65_535, 65_535), LARGE),
        ("page-2.tif", "TIFF whose page 2 is beyond the limit", _pages(corpus, 1600), LARGE),
        ("frame-40.ts", "MPEG-TS that changes to a size beyond the limit", _growing(corpus), LARGE),
        ("frames.gif", "GIF of more frames than the limit", _frames(1200), ("too_many_frames",)),
        (
            "text.png",
            "PNG with a text chunk of 300 MB in 300 kB",
            _text_bomb(corpus),
            (*LARGE, *DAMAGED, "out_of_memory"),
        ),
    ]
    for name, what, data, failures in bombs:
        corpus.write(f"media/{name}", data)
        corpus.failed("media", name, what, *failures)


def _others(corpus: Corpus) -> None:
    """What is no picture and no video, whatever its name says."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.jpg"), corpus.jpeg())
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n"
    others: list[tuple[str, str, bytes]] = [
        ("page.jpg", "HTML", b"<!doctype html><html>404</html>"),
        ("program.png", "ELF program", b"\x7fELF" + bytes(500)),
        ("archive.jpg", "ZIP archive", packed.getvalue()),
        ("document.jpg", "PDF", b"%PDF-1.7\n" + bytes(500)),
        ("script.jpg", "PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/hostname) run\n"),
        ("sound.mp4", "sound without pictures", sound.getvalue()),
        ("list.mp4", "playlist that names a local file", playlist),
        ("concat.mp4", "script of other files to join", b"ffconcat version 1.0\nfile /etc/hostname\n"),
        ("noise.bin", "random bytes", corpus.random.randbytes(5000)),
        ("zeros.jpg", "zeros", bytes(5000)),
    ]
    for name, what, data in others:
        corpus.write(f"media/{name}", data)
        corpus.failed("media", name, what, *DAMAGED)
    vector = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/hostname"/></svg>'
    corpus.write("media/vector.svg", vector)
    corpus.failed(
        "media", "vector.svg", "SVG that names a local file", *DAMAGED, "bad_svg", "wrong_kind", "unsupported"
    )


def _png(width: int, height: int, bits: int, colour: int, rows: bytes, packed: bytes | None = None) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = zlib.compress(rows) if packed is None else packed
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _text_bomb(corpus: Corpus) -> bytes:
    png = corpus.image("PNG")
    text = b"Comment\0\0" + zlib.compress(bytes(300_000_000), 9)
    return png[:33] + _chunk(b"zTXt", text) + png[33:]


def _animated_png(corpus: Corpus) -> bytes:
    frames = [Image.fromarray(picture(corpus.seed * 1000 + 900 + n, 64, 48)) for n in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:], default_image=True)
    return out.getvalue()


def _animation(corpus: Corpus, kind: str) -> bytes:
    frames = [Image.open(io.BytesIO(corpus.jpeg(160, 120))) for _ in range(3)]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:])
    return out.getvalue()


def _frames(count: int) -> bytes:
    """A GIF of one-pixel changes."""
    frames = [Image.new("L", (8, 8), n % 256) for n in range(count)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=20)
    return out.getvalue()


def _gif(width: int, height: int) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02D\x01\0;"


def _pages(corpus: Corpus, side: int) -> bytes:
    first, second = Image.open(io.BytesIO(corpus.jpeg())), Image.new("RGB", (side, side), (9, 9, 9))
    out = io.BytesIO()
    first.save(out, "TIFF", save_all=True, append_images=[second], compression="tiff_adobe_deflate")
    return out.getvalue()


def _clip(corpus: Corpus) -> bytes:
    start = corpus.random.randrange(10_000)
    wide = picture(corpus.seed * 1000 + start, 128, 64)
    return video([wide[:, n : n + 64] for n in range(24)])


def _growing(corpus: Corpus) -> bytes:
    """Two streams, one after the other, as a recorder leaves them where the size of the picture changes."""
    return b"".join(_stream(corpus, side) for side in (64, 1600))


def _stream(corpus: Corpus, side: int) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts") as file:
        stream = file.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = side, side, "yuv420p"
        pixels = np.ascontiguousarray(picture(corpus.seed * 1000 + 990, side, side))
        for _ in range(12):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        file.mux(stream.encode())
    return out.getvalue()
