"""Programmatic chain-of-thought records a second, all steps, and how many planted errors the checks catch.

``python benchmarks/cot.py [--records N] [--planted SHARE]``. Samples are crops of the demo corpus's
photographs. The way down to the shards is made first and not timed; then ``dataengine cot RECIPE`` (seven
steps) and ``dataengine cot verify RELEASE``, each as a user runs it, start-up included, with the memory of all its processes.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import harness
import numpy as np
import psutil
import yaml
from PIL import Image

from dataengine.demo.corpus import build
from dataengine.release.reader import open_release
from dataengine.shards.json_types import known

COMMAND = str(Path(sys.executable).with_name("dataengine"))
_SAMPLES_A_RECORD = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--planted", type=float, default=0.1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = prepare(Path(folder), options.records, options.planted)
        measure("down to the shards (not counted)", "run", str(recipe.with_name("before.yaml")))
        seconds = measure("cot, seven steps", "cot", str(recipe))
        measure("release", "run", str(recipe))
        release = Path(folder, "ws", "releases", "bench")
        told = open_release(str(release)).manifest.cot
        made = sum(told.modes.values())
        print(f"\n{made:,} records, {made / seconds:,.0f} a second; of {known(told.drafted, 0):,} questions")
        planted, caught = sum(known(told.planted, {}).values()), sum(known(told.caught, {}).values())
        print(f"planted errors caught: {caught:,} of {planted:,} ({caught / max(planted, 1):.2%})")
        seconds = measure("cot verify", "cot", "verify", str(release))
        print(f"\n{made / seconds:,.0f} records checked a second")


def prepare(folder: Path, records: int, planted: float) -> Path:
    """Pictures, a policy and two recipes: with and without cot."""
    photographs(folder / "corpus", folder / "media", int(records * _SAMPLES_A_RECORD))
    harness.keep_all(folder / "policy.yaml", 16)
    modes = dict.fromkeys(("non_thinking", "thinking", "auto_think", "think_with_image"), 1.0)
    cot = {
        "mix": modes,
        "total": records,
        "repeats_by_score": dict.fromkeys(range(1, 6), 1.0),
        "questions_per_sample": 4,
        "teachers": [{"type": "programmatic", "error_injection_rate": planted}],
    }
    recipe = {
        "name": "bench",
        "workspace": str(folder / "ws"),
        "sources": [{"type": "folder", "name": "crops", "path": str(folder / "media"), "buckets": 8}],
        "dedup": {"radius": 0},
        "score": {"scorers": [{"name": "technical"}]},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": None,
        "shard": {"target_bytes": "16 MB"},
        "release": {"title": "Bench", "license": "other", "description": "Crops, to measure."},
    }
    (folder / "before.yaml").write_text(yaml.safe_dump({**recipe, "cot": None}, sort_keys=False))
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**recipe, "cot": cot}, sort_keys=False))
    return path


def photographs(corpus: Path, media: Path, count: int) -> None:
    """``count`` crops of the demo corpus's photographs in ``media``; the corpus itself in ``corpus``."""
    media.mkdir()
    build(corpus)
    photos = _photos(corpus)
    draw = np.random.default_rng(5)
    for n in range(count):
        photo = photos[n % len(photos)]
        height, width = (int(side * draw.uniform(0.3, 0.8)) for side in photo.shape[:2])
        top, left = (
            int(draw.integers(0, side - part)) for side, part in zip(photo.shape, (height, width), strict=False)
        )
        crop = np.rot90(photo[top : top + height, left : left + width], int(draw.integers(0, 4)))
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(crop)).save(out, "JPEG", quality=90)
        (media / f"{n:06d}.jpg").write_bytes(out.getvalue())


def measure(name: str, *arguments: str) -> float:
    """Run the command; print and return its seconds, and print the most memory that it and its children held."""
    begun = time.perf_counter()
    process = subprocess.Popen([COMMAND, *arguments], stdout=subprocess.DEVNULL)
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    if process.wait():
        raise SystemExit(f"dataengine {' '.join(arguments)} ended with {process.returncode}")
    seconds = time.perf_counter() - begun
    print(f"{name:36} {seconds:8.1f} s   at most {peak[0] / 2**30:5.2f} GiB in all its processes", flush=True)
    return seconds


def _watch(pid: int, peak: list[int]) -> None:
    """Proportional set sizes: shared pages count once."""
    while psutil.pid_exists(pid):
        total = 0
        for one in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            try:
                total += one.memory_full_info().pss
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total)
        time.sleep(0.5)


def _photos(corpus: Path) -> list[np.ndarray]:
    paths = [p for name in ("animals", "places", "textures") for p in sorted((corpus / "photos" / name).iterdir())]
    photos = [np.asarray(Image.open(p).convert("RGB")) for p in paths if p.suffix in (".jpg", ".png")]
    return [photo for photo in photos if min(photo.shape[:2]) >= 200]


if __name__ == "__main__":
    main()
