"""Item alignment: held-out retrieval of a picture's crop by another, by the embeddings as they are and by aligned ones.

    python -m benchmarks alignment --crops 8 --seeds 5

Each stamp of Tux Paint (Debian's tuxpaint-stamps-default; stamps of one folder are alike), or each picture below ``--folder``, is
cropped ``--crops`` times; two crops of one picture belong together. Trained on are all pairs of crops of the pictures that are
not held out, measured on disjoint pairs of the others, among their other crops and those of pictures of other sources: photos of
scikit-image and scikit-learn, and Debian's mate-backgrounds. Crops are embedded once; each seed holds out other pictures, pairs
their crops anew, and trains anew. Beside it one pair a picture, as ``derive: crops`` gives: few pairs are few steps, and few
held out are a margin within their noise.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
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
_SETTINGS = ("epochs", "batch", "temperature", "learning_rate", "weight_decay", "dim")
_PHOTOS = {
    SCIKIT_IMAGE: ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg", "hubble_deep_field.jpg"),
    SCIKIT_LEARN: ("china.jpg", "flower.jpg"),
}
_FOLDERS = {SCIKIT_IMAGE: "skimage/data", SCIKIT_LEARN: "sklearn/datasets/images"}


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--folder", type=Path, help="pictures that pairs are made of, instead of the stamps")
    parser.add_argument("--pictures", type=int, default=10_000, help="pairs are made of so many, at most")
    parser.add_argument("--crops", type=int, default=8, help="of each picture; an even number")
    parser.add_argument("--distractors", type=int, default=2_000, help="crops of other sources")
    parser.add_argument(
        "--least", type=float, default=0.2, help="least share of a side that a crop has; below 0.5 it is hard"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    for name in _SETTINGS:
        field = AlignConfig.model_fields[name]
        kind = float if isinstance(field.default, float) else int
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=field.default)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.crops < 2 or options.crops % 2:
        parser.error("--crops must be even, and 2 or more")
    bank = embedded_crops(options)
    report = harness.Report("alignment", options)
    for crops in sorted({options.crops, 2}, reverse=True):
        some = Bank(bank.names, bank.vectors[:, :crops], bank.far)
        report.table(*table([measured(some, seed, options) for seed in range(options.seeds)], some))
    report.write()


@dataclass(frozen=True)
class Bank:
    """``(pictures, crops, d)`` vectors, and ``(n, d)`` of other sources."""

    names: list[str]
    vectors: Any
    far: Any


@dataclass(frozen=True)
class Measured:
    seed: int
    trained: int
    held_out: int
    before: float
    after: float
    seconds: float


def table(rows: list[Measured], bank: Bank) -> tuple[str, list[str], list[list[str]], str]:
    """Title, columns, rows and note."""
    gains = [row.after - row.before for row in rows]
    spread = f", standard deviation {statistics.stdev(gains):.3f}" if len(gains) > 1 else ""
    sizes = (
        f"{len(bank.names):,} pictures, {bank.vectors.shape[1]} crops of each, {len(bank.far):,} crops of other sources"
    )
    return (
        f"recall@{K} of held-out pairs: {sizes}",
        ["seed", "pairs trained on", "held out", "as they are", "aligned", "CPU s to train"],
        [
            [str(r.seed), f"{r.trained:,}", f"{r.held_out:,}", f"{r.before:.3f}", f"{r.after:.3f}", f"{r.seconds:.1f}"]
            for r in rows
        ],
        f"Margin: mean {statistics.mean(gains):+.3f}{spread}, least {min(gains):+.3f}.",
    )


def embedded_crops(options: argparse.Namespace) -> Bank:
    """Crops of all pictures, embedded; each picture is decoded once."""
    encoder = StandIn()
    encoder.setup(options.device, options.threads)
    folder = options.folder or unpacked("tuxpaint-stamps-default") / "usr/share/tuxpaint/stamps"
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".png", ".jpg", ".jpeg"))
    names, parts = list[str](), []
    for name, rgb in islice(pictures(paths), options.pictures):
        names.append(str(Path(name).relative_to(folder)))
        parts.append(embedded(encoder, crops_of(names[-1], rgb, options.crops, options.least)))
    others = list(distractors()) if options.distractors else []
    each = -(-options.distractors // max(1, len(others)))
    far = [embedded(encoder, crops_of(Path(name).name, rgb, each, options.least)) for name, rgb in others]
    none = np.zeros((0, parts[0].shape[1]), np.float32)
    return Bank(names, np.stack(parts), np.concatenate([none, *far])[: options.distractors])


def crops_of(name: str, rgb: Any, number: int, least: float) -> list[Any]:
    """So many parts of a picture, which depend on its name."""
    return [crop(rgb, draw(0, f"{name}#{n}", "crop"), least) for n in range(number)]


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


def pairs_of(bank: Bank, rows: Any, together: Sequence[tuple[int, int]]) -> Pairs:
    """Pairs ``together`` of the crops of some pictures, each picture a group."""
    a, b = (np.concatenate([bank.vectors[rows, pair[side]] for pair in together]) for side in (0, 1))
    return Pairs(a, b, np.ones(len(a), np.float32), np.tile(rows, len(together)))


def measured(bank: Bank, seed: int, options: argparse.Namespace) -> Measured:
    """Trains on the pictures that this seed does not hold out."""
    settings: dict[str, Any] = {name: getattr(options, name) for name in _SETTINGS}
    config = AlignConfig(pairs=[PairSource(derive="crops")], **settings)
    held = shares(draws(seed, bank.names, "align")) < config.held_out
    crops = bank.vectors.shape[1]
    order = np.random.default_rng(seed).permutation(crops).tolist()
    train = pairs_of(bank, np.flatnonzero(~held), list(combinations(range(crops), 2)))
    held_out = pairs_of(bank, np.flatnonzero(held), list(zip(order[::2], order[1::2], strict=True)))
    before = harness.cpu_seconds()
    fitted = aligned(Material(train, held_out, frozenset(), {}, ""), bank.far, config, seed, options.device)
    seconds = harness.cpu_seconds() - before
    return Measured(seed, len(train), len(held_out), fitted.facts["recall_raw"], fitted.facts["recall"], seconds)


if __name__ == "__main__":
    main()
