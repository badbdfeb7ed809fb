"""Ingest throughput beside its limit and a peer's way, in interleaved rounds.

    python -m benchmarks ingest [--images 4000] [--workers 2] [--rounds 3]

(a) the limit: ``inspect`` (full check, facts, perceptual hash) in this process over bytes in memory, times the workers;
(b) the ingest stage on local Ray, files on disk to committed tables; Ray and its workers are started by a run before;
(c) the usual script: Pillow decode and imagehash's pHash over files, one process, times the workers.
CPU is that of the process, of (b) that of the workers and their decode children.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import harness
import imagehash
import numpy as np
import sklearn
from PIL import Image
from processes import family
from threadpoolctl import threadpool_limits

from dataengine.config.recipe import Recipe
from dataengine.ingest.stage import Ingest
from dataengine.media.inspect import inspect
from dataengine.media.limits import Limits
from dataengine.media.sandbox.malloc import keep_freed_memory
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


def recipe(photos: Path, workspace: Path, workers: int) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "bench",
            "workspace": str(workspace),
            "workers": workers,
            "sources": [{"type": "folder", "name": "photos", "path": str(photos), "buckets": 16}],
            "score": {"scorers": []},  # the limit measures no technical scores
            "filter": {"policy": "none"},
            "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
        }
    )


@dataclass
class Stage:
    """The stage over a folder, each time into a workspace of its own."""

    photos: Path
    folder: Path
    workers: int
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)

    def __call__(self) -> None:
        workspace = tempfile.mkdtemp(dir=self.folder)
        before = _workers_cpu()
        [report] = execute(recipe(self.photos, Path(workspace), self.workers), plan=[Ingest()])
        self.cpus.append(_workers_cpu() - before)
        self.walls.append(report.seconds)
        if report.counts["samples"] != (count := len(list(self.photos.iterdir()))):
            raise SystemExit(f"{report.counts} instead of {count} samples")


def _workers_cpu() -> float:
    """CPU seconds of Ray's workers here and of their children that have ended."""
    total = 0.0
    for pid in family(os.getsid(0)):
        with suppress(OSError):
            if "ray::" in Path(f"/proc/{pid}/cmdline").read_text():
                total += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def written(photos: Path, data: Iterable[bytes]) -> Path:
    photos.mkdir()
    for n, jpeg in enumerate(data):
        (photos / f"{n:06d}.jpg").write_bytes(jpeg)
    return photos


def main() -> None:
    parser = harness.parser(__doc__, rounds=3)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    report = harness.Report("ingest", options)
    keep_freed_memory()
    cv2.setNumThreads(1)  # as in a decode child
    threadpool_limits(1)
    count, limits, data = options.images, Limits(), crops(options.images)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Stage(written(folder / "few", data[:16]), folder, options.workers)()
        photos = written(folder / "photos", data)
        stage = Stage(photos, folder, options.workers)
        ways: dict[str, Callable[[], object]] = {
            "bare inspect × workers (limit)": lambda: [inspect(limits, d) for d in data],
            "ingest stage": stage,
            "Pillow + imagehash × workers": lambda: [imagehash.phash(Image.open(p)) for p in sorted(photos.iterdir())],
        }
        timings = harness.rounds(ways, options.rounds, warm=False)
    timings["ingest stage"] = harness.Timing(stage.walls, stage.cpus)
    walls = {way: t.wall / (1 if way == "ingest stage" else options.workers) for way, t in timings.items()}
    limit = next(iter(timings))
    report.table(
        f"{count:,} JPEG {SIZE[0]}×{SIZE[1]}, {options.workers} workers",
        ["what", "images/s", "of the limit", "CPU ms an image", "limit's CPU ÷ this"],
        [
            [way, round(count / walls[way]), walls[limit] / walls[way], t.cpu / count * 1e3, timings[limit].cpu / t.cpu]
            for way, t in timings.items()
        ],
    )
    report.write()


if __name__ == "__main__":
    main()
