"""Ingest throughput beside its limit and a peer's way, in one run.

    python benchmarks/ingest.py [--images 4000] [--workers 2]

(a) the limit: ``inspect`` (full check, facts, perceptual hash) in this process over bytes in memory, times the workers;
(b) the ingest stage on local Ray, files on disk to committed tables, Ray's start not counted;
(c) the usual script: Pillow decode and imagehash's pHash over files, one process, times the workers.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import sklearn
from PIL import Image
from rich.console import Console
from rich.table import Table

from dataengine.config.recipe import Recipe
from dataengine.ingest.stage import Ingest
from dataengine.media.inspect import inspect
from dataengine.media.limits import Limits
from dataengine.pipeline import execute

PICTURES = Path(sklearn.__file__).parent / "datasets" / "images"
SIZE = (500, 375)


def crops(count: int) -> list[bytes]:
    """JPEG crops of two real photos, all different, ImageNet's usual size."""
    photos = [Image.open(PICTURES / name).convert("RGB") for name in ("china.jpg", "flower.jpg")]
    rng = np.random.default_rng(0)
    made = []
    for n in range(count):
        photo = photos[n % 2]
        left, top = (int(rng.integers(0, high - low + 1)) for high, low in zip(photo.size, SIZE, strict=True))
        out = io.BytesIO()
        photo.crop((left, top, left + SIZE[0], top + SIZE[1])).save(out, "JPEG", quality=int(rng.integers(80, 96)))
        made.append(out.getvalue())
    return made


def rate(call: Callable[[Any], object], items: Iterable[Any], count: int) -> float:
    begun = time.perf_counter()
    for item in items:
        call(item)
    return count / (time.perf_counter() - begun)


def recipe(photos: Path, workspace: Path, workers: int) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "bench",
            "workspace": str(workspace),
            "workers": workers,
            "sources": [{"type": "folder", "name": "photos", "path": str(photos), "buckets": 16}],
            "filter": {"policy": "none"},
            "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
        }
    )


def stage_rate(photos: Path, workspace: Path, workers: int, count: int) -> float:
    """Images a second of the stage, without Ray's start: a first run over a few files starts it in this process."""
    import ray

    ray.init("local", num_cpus=workers, include_dashboard=False, log_to_driver=False, object_store_memory=256 << 20)
    [report] = execute(recipe(photos, workspace, workers), plan=[Ingest()])
    ray.shutdown()
    if report.counts["samples"] != count:
        raise SystemExit(f"{report.counts} instead of {count} samples")
    return count / report.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    data = crops(given.images)
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        photos.mkdir()
        for n, jpeg in enumerate(data):
            (photos / f"{n:06d}.jpg").write_bytes(jpeg)
        limits = Limits()
        bare = rate(lambda d: inspect(limits, d), data, len(data)) * given.workers
        peer = rate(lambda p: imagehash.phash(Image.open(p)), sorted(photos.iterdir()), len(data)) * given.workers
        ours = stage_rate(photos, Path(folder, "workspace"), given.workers, len(data))
    table = Table(title=f"{len(data):,} JPEG {SIZE[0]}×{SIZE[1]}, {given.workers} workers", box=None)
    for column in ("what", "images/s", "of the limit"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for what, found in (
        ("bare inspect × workers (limit)", bare),
        ("ingest stage", ours),
        ("Pillow + imagehash × workers", peer),
    ):
        table.add_row(what, f"{found:,.0f}", f"{found / bare:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
