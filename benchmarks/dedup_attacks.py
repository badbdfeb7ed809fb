"""Edits of pictures and clips, in the manner of Copydays: what copies on the web have been through."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from dataengine.demo import clips

Picture = Image.Image


def saved(picture: Picture, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def scaled(picture: Picture, percent: float) -> Picture:
    size = [max(8, round(side * percent / 100)) for side in picture.size]
    return picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def cropped(picture: Picture, percent: float, rng: np.random.Generator) -> Picture:
    """Without ``percent`` of its area, off centre."""
    keep = (1 - percent / 100) ** 0.5
    width, height = round(picture.width * keep), round(picture.height * keep)
    left, top = (int(rng.integers(0, spare + 1)) for spare in (picture.width - width, picture.height - height))
    return picture.crop((left, top, left + width, top + height))


def bordered(picture: Picture, percent: float, colour: str) -> Picture:
    return ImageOps.expand(picture, max(1, round(min(picture.size) * percent / 100)), colour)


def hue(picture: Picture, by: int) -> Picture:
    h, s, v = picture.convert("HSV").split()
    return Image.merge("HSV", (h.point([(k + by) % 256 for k in range(256)]), s, v)).convert("RGB")


def written(picture: Picture, share: float) -> Picture:
    """White words with a dark edge, ``share`` of the height, at the lower left."""
    made, size = picture.copy(), max(8, round(picture.height * share))
    place = (round(picture.width * 0.04), picture.height - round(1.4 * size))
    look: dict[str, Any] = {"font": ImageFont.load_default(size), "stroke_fill": "black"}
    ImageDraw.Draw(made).text(place, "best photo ever", "white", stroke_width=max(1, size // 12), **look)
    return made


def screenshot(picture: Picture) -> Picture:
    """In a window: a title bar, a column at the left and a margin, two thirds of the whole."""
    w, h = picture.size
    made = Image.new("RGB", (round(w * 1.25), round(h * 1.25)), "#f0f0f0")
    draw = ImageDraw.Draw(made)
    draw.rectangle((0, 0, made.width, round(h * 0.1)), fill="#303540")
    draw.rectangle((0, round(h * 0.1), round(w * 0.15), made.height), fill="#d0d4da")
    made.paste(picture, (round(w * 0.2), round(h * 0.15)))
    return made


Attack = Callable[[Picture, np.random.Generator], bytes]


def attacks() -> dict[str, Attack]:
    """Every copy but those that are about its format is saved as JPEG 90."""

    def jpeg(edit: Callable[[Picture, np.random.Generator], Picture], quality: int = 90) -> Attack:
        return lambda p, rng: saved(edit(p, rng).convert("RGB"), "JPEG", quality=quality)

    made: dict[str, Attack] = {f"JPEG {q}": jpeg(lambda p, _: p, q) for q in (3, 5, 10, 20, 30, 50, 75)}
    made |= {f"resize {s} %": jpeg(lambda p, _, s=s: scaled(p, s)) for s in (10, 25, 50, 75, 150, 200)}
    made |= {f"crop {c} %": jpeg(lambda p, rng, c=c: cropped(p, c, rng)) for c in (5, 10, 20, 30, 50)}
    turns = {"rotate 5°": 5, "rotate 90°": 90, "rotate 180°": 180}
    made |= {n: jpeg(lambda p, _, a=a: p.rotate(a, Image.Resampling.BICUBIC, a % 90 == 0)) for n, a in turns.items()}
    made |= {
        "mirror": jpeg(lambda p, _: ImageOps.mirror(p)),
        "gray": jpeg(lambda p, _: p.convert("L")),
        "hue": jpeg(lambda p, _: hue(p, 20)),
        "saturation": jpeg(lambda p, _: ImageEnhance.Color(p).enhance(1.6)),
        "brightness": jpeg(lambda p, _: ImageEnhance.Brightness(p).enhance(1.25)),
        "contrast": jpeg(lambda p, _: ImageEnhance.Contrast(p).enhance(0.7)),
        "blur": jpeg(lambda p, _: p.filter(ImageFilter.GaussianBlur(min(p.size) / 150))),
        "strong blur": jpeg(lambda p, _: p.filter(ImageFilter.GaussianBlur(min(p.size) / 50))),
        "small text": jpeg(lambda p, _: written(p, 0.05)),
        "large text": jpeg(lambda p, _: written(p, 0.2)),
        "border 3 %": jpeg(lambda p, _: bordered(p, 3, "black")),
        "border 15 %": jpeg(lambda p, _: bordered(p, 15, "white")),
        "screenshot": jpeg(lambda p, _: screenshot(p)),
        "WebP 60": lambda p, _: saved(p, "WEBP", quality=60),
        "GIF": lambda p, _: saved(p.convert("P", palette=Image.Palette.ADAPTIVE), "GIF"),
        "TIFF": lambda p, _: saved(p, "TIFF", compression="tiff_lzw"),
    }
    return made


def video_attacks(clip: clips.Frames) -> dict[str, bytes]:
    pictures, rate = [scaled(p, min(100, 36_000 / min(p.size))) for p in clip.pictures], clip.rate
    clip, halved = clips.Frames(pictures, rate), clips.Frames(pictures[::2], rate / 2)
    last = clips.Frames(pictures[round(0.3 * len(pictures)) :], rate)
    width, height = pictures[0].size
    boxed = [ImageOps.pad(p, (width, round(height * 1.25)), color="black") for p in pictures]
    return {
        "same": clips.encode(clip, "a.mp4", "h264"),
        "re-encode": clips.encode(clip, "a.mp4", "h264 38"),
        "MPEG-4 AVI": clips.encode(clip, "a.avi", "mpeg4"),
        "VP9 WebM": clips.encode(clip, "a.webm", "vp9"),
        "half size": clips.encode(clip, "a.mp4", "h264", ["resize 0.5"]),
        "half the fps": clips.encode(halved, "a.mp4", "h264"),
        "last 70 %": clips.encode(last, "a.mp4", "h264"),
        "letterbox": clips.encode(clips.Frames(boxed, rate), "a.mp4", "h264"),
        "watermark": clips.encode(clips.Frames([written(p, 0.08) for p in pictures], rate), "a.mp4", "h264"),
        "10 % faster": clips.encode(clips.Frames(pictures, rate * Fraction(11, 10)), "a.mp4", "h264"),
    }
