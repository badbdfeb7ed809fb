"""How well the default image–text match (ConSE) tells right captions from wrong ones, on pictures it was not made for.

``python benchmarks/match_quality.py [--wrong N] [--seed S]``. The pictures are the stamps of Tux Paint (Debian package
``tuxpaint-stamps-default``, fetched with apt-get and unpacked beside the other downloads, not installed): each PNG has its
English caption in the first line of NAME.txt. A caption that several pictures share is left out, and so are SVGs.
AUC: the chance that a picture's own caption scores above the caption of another (N seeded derangements a population);
R@k: the right caption is among the k best of all captions of the population (chance: k / pictures).
The variant of ConSE in use was chosen on these same pictures (about 50 were tried), so its figure here is a tuned one.
Populations, by folder alone, chosen before measuring: `all`; `photos`, without folders named "cartoon" and without the
categories that are drawings and signs throughout (symbols, seasonal, medical, people, town/flags, town/roadsigns).
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from debian import unpacked
from scipy.stats import rankdata

from dataengine.media.image.decode import decode_rgb
from dataengine.media.limits import Limits
from dataengine.score.conse import Conse

PACKAGE = "tuxpaint-stamps-default"
DRAWN = ("symbols", "seasonal", "medical", "people", "town/flags", "town/roadsigns")
_BATCH = 32


def captioned(folder: Path) -> list[tuple[Path, str]]:
    """Pictures with a caption of their own, ordered by path."""
    found = []
    for path in sorted(folder.rglob("*.png")):
        words = path.with_suffix(".txt")
        if words.exists() and (caption := words.read_text("utf-8", "replace").partition("\n")[0].strip()):
            found.append((path, caption))
    count = Counter(caption for _, caption in found)
    return [(path, caption) for path, caption in found if count[caption] == 1]


def is_photo(relative: Path) -> bool:
    return "cartoon" not in relative.parts and not relative.as_posix().startswith(tuple(f"{d}/" for d in DRAWN))


def similarities(scorer: Conse, rows: list[tuple[Path, str]]) -> np.ndarray:
    """``(pictures, captions)`` of cosines, as the scorer stores them."""
    captions = tuple(caption for _, caption in rows)
    found = []
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        made = [scorer.prepare([decode_rgb(path.read_bytes(), Limits())]) for path, _ in some]
        found += scorer.score(made, [captions] * len(made))["matches"]
    return np.array(found)


def derangement(rng: np.random.Generator, count: int) -> np.ndarray:
    """A permutation without fixed points: a random cycle through all."""
    order = rng.permutation(count)
    wrong = np.empty(count, int)
    wrong[order] = np.roll(order, 1)
    return wrong


def auc(right: np.ndarray, wrong: np.ndarray) -> float:
    """Area under the ROC curve, by ranks (Mann–Whitney); ties count half."""
    ranks = rankdata(np.concatenate([right, wrong]))[: len(right)]
    return float((ranks.sum() - len(right) * (len(right) + 1) / 2) / (len(right) * len(wrong)))


def measure(cosines: np.ndarray, wrong: int, seed: int) -> tuple[float, float, float]:
    """AUC, R@1, R@10."""
    rng = np.random.default_rng(seed)
    every = np.arange(len(cosines))
    others = np.concatenate([cosines[every, derangement(rng, len(every))] for _ in range(wrong)])
    right = np.diag(cosines)
    better = (cosines > right[:, None]).sum(1) + ((cosines == right[:, None]).sum(1) - 1) / 2
    return auc(right, others), float((better < 1).mean()), float((better < 10).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wrong", type=int, default=20, help="wrong captions a picture")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    folder = unpacked(PACKAGE) / "usr/share/tuxpaint/stamps"
    rows = captioned(folder)
    scorer = Conse()
    scorer.setup("cpu", options.threads)
    cosines = similarities(scorer, rows)
    photos = np.array([is_photo(path.relative_to(folder)) for path, _ in rows])
    print(f"{PACKAGE}, {scorer.name} {scorer.version}, {options.wrong} wrong captions a picture, seed {options.seed}")
    print(f"photos: without cartoons and {', '.join(DRAWN)}")
    print(f"{'population':<12}{'pictures':>9}{'AUC':>8}{'R@1':>8}{'R@10':>8}{'chance R@10':>13}")
    for name, which in (("all", photos | True), ("photos", photos)):
        area, first, tenth = measure(cosines[np.ix_(which, which)], options.wrong, options.seed)
        count = int(which.sum())
        print(f"{name:<12}{count:>9}{area:>8.3f}{first:>8.3f}{tenth:>8.3f}{10 / count:>13.3f}")


if __name__ == "__main__":
    main()
