"""Whole runs without models against the number of pictures and of cores: time, CPU and peak memory.

``python -m benchmarks scaling [--sizes 1000 10000 100000] [--cores 1 2] [--rounds R]``. JPEG of 500 × 375: crops of two
photographs under a strong random pattern of light, so that few look alike, and one of ten an edited copy of the one before.
Ingest, duplicates by pixels, hashes and alignment, technical scores, a policy, shards and release: the command as it is used,
start included, into an empty workspace each time. Cores are those that the processes may run on, and so many workers. Memory
is the summed proportional size of all processes at its largest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import harness
import numpy as np
import simplejpeg
import yaml
from PIL import Image
from sklearn.datasets import load_sample_images


def main() -> None:
    parser = harness.parser(__doc__, rounds=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    report = harness.Report("scaling", options)
    report.table(
        "Whole way without models", list(COLUMNS), rows(options), "Ratios: to one core, and to the next smaller size."
    )
    report.write()


POLICY = {
    "name": "sides",
    "version": "1",
    "description": "Nothing small.",
    "rules": [{"name": "side", "keep": "width >= 96", "on_missing": "drop", "reason": "narrower than 96 pixels"}],
}
COLUMNS = ("pictures", "cores", "seconds", "pictures/s", "CPU s", "peak GB", "speed ÷ 1 core", "peak ÷ smaller")


def rows(options: argparse.Namespace) -> list[list[Any]]:
    """A row a size and number of cores."""
    taken: dict[tuple[int, int], list[harness.Command]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, photos = Path(name), Path(name) / "photos"
        photos.mkdir()
        for size in sorted(options.sizes):
            for n, data in enumerate(pictures(size)):
                (photos / f"{n:06d}.jpg").write_bytes(data)
            for _ in range(options.rounds):
                for cores in options.cores:
                    once = run(folder, photos, size, cores)
                    print(f"{size} pictures, {cores} cores: {once.seconds:.1f} s", flush=True)
                    taken.setdefault((size, cores), []).append(once)
    made = []
    for (size, cores), times in taken.items():
        seconds, cpu, peak = (statistics.median(getattr(t, what) for t in times) for what in ("seconds", "cpu", "peak"))
        made.append([size, cores, seconds, size / seconds, cpu, peak])
    by = {(r[0], r[1]): r for r in made}
    return [[*r, *_ratios(r, by)] for r in made]


def pictures(count: int, copies: bool = True) -> Iterator[bytes]:
    """Always the same ones first; with ``copies`` each tenth is one of the one before."""
    rng, photos = np.random.default_rng(0), load_sample_images().images
    before = b""
    for n in range(count):
        left, top = rng.integers(0, 141), rng.integers(0, 53)
        crop = photos[n % 2][top : top + 375, left : left + 500]
        light = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8)).resize((500, 375), Image.Resampling.BICUBIC)
        mixed = np.ascontiguousarray((crop.astype(np.uint16) + 3 * np.asarray(light).astype(np.uint16)) // 4, np.uint8)
        if copies and n % 10 == 9:
            mixed = simplejpeg.decode_jpeg(before)
        before = simplejpeg.encode_jpeg(mixed, quality=int(rng.integers(80, 96)))
        yield before


def _ratios(row: list[Any], by: dict[tuple[int, int], list[Any]]) -> list[Any]:
    one = by.get((row[0], 1))
    smaller = [by[k] for k in by if k[0] < row[0] and k[1] == row[1]]
    return [one[2] / row[2] if one else "", row[5] / max(smaller)[5] if smaller else ""]


def run(folder: Path, photos: Path, count: int, cores: int) -> harness.Command:
    """``dataengine run`` with the first ``cores`` of this process's cores."""
    recipe, workspace = folder / "recipe.yaml", folder / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    policy = folder / "policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    recipe.write_text(yaml.safe_dump(plain(photos, workspace, cores)))
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(mine)[:cores])
    try:
        done = harness.command([*harness.ours(), "run", str(recipe)])
    finally:
        os.sched_setaffinity(0, mine)
    if done.code or len(list((workspace / "releases").rglob("*.tar"))) < 1:
        raise SystemExit(f"{count} pictures, {cores} cores: exit {done.code}\n{done.output[-3000:]}")
    return done


def plain(photos: Path, workspace: Path, workers: int) -> dict[str, Any]:
    """A recipe without models."""
    return {
        "name": "scaling",
        "workspace": str(workspace),
        "workers": workers,
        "sources": [{"type": "folder", "name": "photos", "path": str(photos)}],
        "dedup": {"pixels": True, "aligned_radius": 12},
        "score": {"scorers": [{"name": "technical"}]},
        "tokenize": None,
        "cot": None,
        "filter": {"policy": str(workspace.parent / "policy.yaml")},
        "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
    }


if __name__ == "__main__":
    main()
