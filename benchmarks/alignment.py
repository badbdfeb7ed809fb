"""Item alignment: held-out retrieval of a picture's crop by another, by the embeddings as they are and by aligned ones.

Pairs are two crops of each stamp of Tux Paint (Debian's tuxpaint-stamps-default; stamps of one folder are alike), or of each
picture below ``--folder``. Distractors are crops of pictures of other sources: photos of scikit-image and scikit-learn, and
Debian's mate-backgrounds. Each seed crops, splits, and trains anew.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import harness
import numpy as np
from debian import unpacked

from dataengine.config.index_codes import AlignConfig, PairSource
from dataengine.errors import InputError
from dataengine.index.align.crop_views import crop
from dataengine.index.align.fit import K, Material, aligned
from dataengine.index.align.training import Pairs
from dataengine.media.image.decode import decode_rgb
from dataengine.media.limits import Limits
from dataengine.models.encoders import StandIn, picture_vectors
from dataengine.samples.draws import draw, draws, shares
from dataengine.storage.pinned_packages import SCIKIT_IMAGE, SCIKIT_LEARN

_AT_ONCE = 64
_PHOTOS = {
    SCIKIT_IMAGE: ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg", "hubble_deep_field.jpg"),
    SCIKIT_LEARN: ("china.jpg", "flower.jpg"),
}
_FOLDERS = {SCIKIT_IMAGE: "skimage/data", SCIKIT_LEARN: "sklearn/datasets/images"}


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--folder", type=Path, help="pictures that pairs are made of, instead of the stamps")
    parser.add_argument("--pictures", type=int, default=10_000, help="pairs are made of so many, at most")
    parser.add_argument("--distractors", type=int, default=500, help="crops of other sources")
    parser.add_argument(
        "--least", type=float, default=0.2, help="least share of a side that a crop has; below 0.5 it is hard"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    for name in ("epochs", "batch", "temperature", "learning_rate", "weight_decay", "dim"):
        field = AlignConfig.model_fields[name]
        kind = float if isinstance(field.default, float) else int
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=field.default)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    encoder = StandIn()
    encoder.setup(options.device, options.threads)
    folder = options.folder or unpacked("tuxpaint-stamps-default") / "usr/share/tuxpaint/stamps"
    sources = list(pictures(sorted(p for p in folder.rglob("*") if p.suffix in (".png", ".jpg", ".jpeg"))))
    sources, others = sources[: options.pictures], list(distractors()) if options.distractors else []
    report = harness.Report("alignment", options)
    rows = [one(encoder, sources, others, seed, options) for seed in range(options.seeds)]
    gains = [after - before for _, before, after, _ in rows]
    spread = f", standard deviation {statistics.stdev(gains):.3f}" if len(gains) > 1 else ""
    report.table(
        f"recall@{K} of held-out pairs of {len(sources):,} pictures, {options.distractors:,} distractors from other sources",
        ["seed", "as they are", "aligned", "CPU s to train"],
        [[str(seed), f"{before:.3f}", f"{after:.3f}", seconds] for seed, before, after, seconds in rows],
        f"Margin: mean {statistics.mean(gains):+.3f}{spread}, least {min(gains):+.3f}.",
    )
    report.write()


def pictures(paths: Sequence[Path]) -> Iterator[tuple[str, Any]]:
    """Name and pixels of each picture that can be decoded."""
    for path in paths:
        try:
            yield str(path), decode_rgb(path.read_bytes(), Limits())
        except InputError:
            continue


def distractors() -> Iterator[tuple[str, Any]]:
    """Photos of other sources."""
    for package, names in _PHOTOS.items():
        for name in names:
            yield name, decode_rgb(package.read(f"{_FOLDERS[package]}/{name}"), Limits())
    yield from pictures(sorted((unpacked("mate-backgrounds") / "usr/share/backgrounds/mate").rglob("*.jpg")))


def embedded(encoder: StandIn, crops: Sequence[Any]) -> Any:
    """``(n, d)`` vectors of pixels."""
    parts = []
    for start in range(0, len(crops), _AT_ONCE):
        prepared = [encoder.prepare([pixels]) for pixels in crops[start : start + _AT_ONCE]]
        parts.append(picture_vectors(encoder, prepared).astype(np.float32))
    return np.concatenate(parts)


def one(
    encoder: StandIn, sources: Sequence[Any], others: Sequence[Any], seed: int, options: argparse.Namespace
) -> tuple[int, float, float, float]:
    """Seed, recall as they are and aligned, and CPU seconds of the training."""
    both = [[crop(rgb, draw(seed, f"{name}#{n}", "crop"), options.least) for name, rgb in sources] for n in range(2)]
    a, b = (embedded(encoder, crops) for crops in both)
    far = [
        crop(others[n % len(others)][1], draw(seed, f"far {n}", "crop"), options.least)
        for n in range(options.distractors)
    ]
    pairs = Pairs(a, b, np.ones(len(a), np.float32), np.arange(len(a), dtype=np.int64))
    names = ("epochs", "batch", "temperature", "learning_rate", "weight_decay", "dim")
    config = AlignConfig(pairs=[PairSource(derive="crops")], **{name: getattr(options, name) for name in names})
    held = shares(draws(seed, [name for name, _ in sources], "align")) < config.held_out
    split = [pairs.take(np.flatnonzero(rows)) for rows in (~held, held)]
    far_vectors = embedded(encoder, far) if far else np.zeros((0, 0), np.float32)
    before = harness.cpu_seconds()
    fitted = aligned(Material(split[0], split[1], frozenset(), {}, ""), far_vectors, config, seed, options.device)
    return seed, fitted.facts["recall_raw"], fitted.facts["recall"], harness.cpu_seconds() - before


if __name__ == "__main__":
    main()
