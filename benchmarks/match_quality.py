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
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from dataengine.assets import cache_dir
from dataengine.media.image import decode_rgb
from dataengine.media.limits import Limits
from dataengine.score.conse import Conse

PACKAGE = "tuxpaint-stamps-default"
DRAWN = ("symbols", "seasonal", "medical", "people", "town/flags", "town/roadsigns")
_BATCH = 32


def stamps() -> Path:
    """Folder of the unpacked stamps, fetched on first use."""
    folder = cache_dir() / "debian"
    unpacked = folder / PACKAGE
    if not unpacked.exists():
        for tool in ("apt-get", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise SystemExit(f"{tool} is missing: this benchmark needs the Debian package {PACKAGE}")
        folder.mkdir(parents=True, exist_ok=True)
        if not list(folder.glob(f"{PACKAGE}_*.deb")):
            fetch(folder)
        partial = folder / f"{PACKAGE}.partial"
        archive = max(folder.glob(f"{PACKAGE}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", str(archive), str(partial)], check=True)
        partial.rename(unpacked)
    return unpacked / "usr/share/tuxpaint/stamps"


def fetch(folder: Path) -> None:
    """Download the archive; where apt does not know it, refresh apt's lists once."""
    command = ["apt-get", "download", "-qq", PACKAGE]
    if subprocess.run(command, cwd=folder, capture_output=True).returncode:
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"apt-get could not download {PACKAGE}:\n{done.stderr.strip()}")


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
    folder = stamps()
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
