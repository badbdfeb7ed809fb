"""Requests and bytes that each stage asks of the workspace's storage: a constant, and what parts, samples and shards add.

    python -m benchmarks storage_requests [--images 240] [--samples 1e6,1e8,1e9]

The whole way without models runs in this process, over N samples in P parts, then with twice as many parts, twice as many
samples, and shards of half the size; what passes the storage client is counted, and each stage's slopes are the solution of
four equations. ``--samples`` extrapolates, at a thousand samples a part, shards of 256 MB, all samples kept, parts of 5 MiB of
uploads. A shard's samples lie in as many tars, so each is counted as a request of its own; elsewhere ranges less than a MiB
apart are joined, as the client joins them. Not counted: retries, the lease and the log of the run, which are written by
the clock, and the reading of sources (a request a file).
"""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
import numpy as np
from ingest import SIZE, written
from scaling import pictures

from dataengine.config.recipe import load
from dataengine.pipeline import execute
from dataengine.progress import Silent, StageReport
from dataengine.storage import store as storage
from dataengine.testing import InProcess, write_recipe

#: What the client joins, and the size of the parts of its uploads.
_JOINED, _UPLOAD = 1 << 20, 5 << 20
#: Samples of a part and bytes of a shard on a cluster.
_A_PART, _A_SHARD = 1000, 256e6
#: Stages that read samples in an order that is not that of the tars they lie in.
_SCATTERED = ("shard.write",)
#: Stages that read a number of samples which the recipe bounds.
_BOUNDED = ("tokenize.fit",)
#: What a run says of itself every few seconds.
_BY_THE_CLOCK = ("lease/", "runs/")
KINDS = ("get", "put", "list", "delete", "read", "written")
_TOKENIZER = {"name": "product", "codebooks": 2, "entries": 16, "max_tokens": 64}


class Counted(Silent):
    """Stands for ``obstore`` in the storage client, and counts by the stage that is being made."""

    def __init__(self, real: Any) -> None:
        self.real, self.now, self.stages = real, Counter[str](), defaultdict[str, Counter[str]](Counter)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def end(self, report: StageReport) -> None:
        if report.name in _SCATTERED:
            self.now["get"] += self.now["joined"]
        self.stages[report.name] += self.now
        self.now = Counter()

    def get(self, client: Any, key: str, **options: Any) -> Any:
        answer = self.real.get(client, key, **options)
        if not key.startswith(_BY_THE_CLOCK):
            self.now.update({"get": 1, "read": 0 if options else answer.meta["size"]})
        return answer

    def head(self, client: Any, key: str) -> Any:
        self.now["get"] += 1
        return self.real.head(client, key)

    def get_range(self, client: Any, key: str, *, start: int, length: int) -> Any:
        self.now.update({"get": 1, "read": length})
        return self.real.get_range(client, key, start=start, length=length)

    def get_ranges(self, client: Any, key: str, *, starts: Any, lengths: Any) -> Any:
        requests = joined(starts, lengths)
        self.now.update({"get": requests, "joined": len(starts) - requests, "read": sum(lengths)})
        return self.real.get_ranges(client, key, starts=starts, lengths=lengths)

    def put(self, client: Any, key: str, data: Any, **options: Any) -> Any:
        if not key.startswith(_BY_THE_CLOCK):
            size = data.stat().st_size if isinstance(data, Path) else len(data)
            self.now.update({"put": 1, "written": size})
        return self.real.put(client, key, data, **options)

    def copy(self, client: Any, key: str, to: str) -> Any:
        self.now["put"] += 1
        return self.real.copy(client, key, to)

    def delete(self, client: Any, key: str) -> Any:
        self.now["delete"] += not key.startswith(_BY_THE_CLOCK)
        return self.real.delete(client, key)

    def list(self, client: Any, prefix: str | None, **options: Any) -> Iterator[Any]:
        self.now["list"] += not f"{prefix}/".startswith(_BY_THE_CLOCK)
        return iter(self.real.list(client, prefix, **options))

    def moved(self, size: int) -> None:
        """An object that a folder renames and S3 uploads."""
        self.now.update({"put": 1, "written": size})


def joined(starts: Any, lengths: Any) -> int:
    """Requests of several ranges of one object."""
    count, end = 0, -math.inf
    for start, length in sorted(zip(starts, lengths, strict=True)):
        count += start - end > _JOINED
        end = max(end, start + length)
    return count


@contextmanager
def counting() -> Iterator[Counted]:
    """Count what passes the storage client of this process."""
    counted, rename = Counted(storage.obstore), storage._rename

    def moving(path: Path, target: Path) -> None:
        counted.moved(path.stat().st_size)
        rename(path, target)

    storage.obstore, storage._rename = counted, moving
    try:
        yield counted
    finally:
        storage.obstore, storage._rename = counted.real, rename


@dataclass(frozen=True)
class Size:
    """Of a run; ``shards`` follow from the bytes of a shard."""

    parts: float
    samples: float
    shards: float


def run(folder: Path, images: int, parts: int, shard_bytes: int) -> tuple[Size, dict[str, Counter[str]]]:
    """The size of one run from nothing, and counts by stage."""
    written(folder / "in", list(pictures(images)))
    sources = [{"type": "folder", "name": "in", "path": str(folder / "in"), "buckets": parts}]
    blocks = {"tokenize": {"tokenizer": _TOKENIZER}, "shard": {"target_bytes": shard_bytes}, "dedup": {"radius": 0}}
    recipe = load(str(write_recipe(folder, sources=sources, **blocks)))
    with counting() as counted:
        execute(recipe, engine=InProcess(), reporter=counted)
    manifest = json.loads((folder / "ws/releases/test/manifest.json").read_bytes())
    return Size(parts, manifest["samples"], len(manifest["shards"])), counted.stages


def slopes(images: int, parts: int) -> tuple[dict[str, dict[str, list[float]]], float]:
    """By stage and what is counted: a constant, and what a part, a sample and a shard add; and the bytes of a picture."""
    shard, sizes, counts = images * 12_000, [], []
    for n, p, s in ((1, 1, 1), (1, 2, 1), (2, 1, 1), (1, 1, 0.5)):
        with tempfile.TemporaryDirectory() as folder:
            size, count = run(Path(folder), n * images, p * parts, int(s * shard))
            media = [path.stat().st_size for path in Path(folder, "in").iterdir()]
        sizes.append([1, size.parts, size.samples, size.shards])
        counts.append(count)
    solve = np.linalg.inv(np.array(sizes, float))
    by_stage = {
        stage: {kind: (solve @ [count[stage][kind] for count in counts]).round(6).tolist() for kind in KINDS}
        for stage in counts[0]
    }
    return by_stage, sum(media) / len(media)


def at(by_stage: dict[str, dict[str, list[float]]], samples: float, picture: float) -> dict[str, float]:
    """Totals over all stages, with the parts of large uploads."""
    size = [1, samples / _A_PART, samples, samples * picture / _A_SHARD]
    bounded = [1, samples / _A_PART, 0, 0]
    total = {
        kind: float(sum(np.dot(s[kind], bounded if stage in _BOUNDED else size) for stage, s in by_stage.items()))
        for kind in KINDS
    }
    return {**total, "put": total["put"] + total["written"] / _UPLOAD}


def shown(slope: list[float]) -> str:
    """``3 + 5 p + 1 n + 2 s`` without what is nothing."""
    constant, *more = (round(value, 2) for value in slope)
    terms = [f"{value:g} {unit}" for value, unit in zip(more, "pns", strict=True) if value]
    return " + ".join([f"{constant:g}", *terms] if constant or not terms else terms)


def main() -> None:
    parser = harness.parser(__doc__, rounds=1)
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--samples", default="1e6,1e8,1e9")
    options = parser.parse_args()
    by_stage, picture = slopes(options.images, options.parts)
    report = harness.Report("storage_requests", options)
    rows = [[stage, *(shown(s[kind]) for kind in KINDS[:4])] for stage, s in by_stage.items()]
    rows = [[*row, *(round(s[k][2]) for k in KINDS[4:])] for row, s in zip(rows, by_stage.values(), strict=True)]
    columns = ["stage", *KINDS[:4], "bytes read a sample", "written a sample"]
    title = f"JPEG {SIZE[0]}×{SIZE[1]} of {picture:,.0f} bytes"
    report.table(title, columns, rows, "p: parts, n: samples, s: shards.")
    totals = []
    for samples in map(float, options.samples.split(",")):
        total = at(by_stage, samples, picture)
        totals.append([f"{samples:,.0f}", *(round(total[k]) for k in KINDS[:4]), *(total[k] / 1e12 for k in KINDS[4:])])
    report.table("Extrapolated", ["samples", *KINDS[:4], "TB read", "TB written"], totals, "All samples kept.")
    report.write()


if __name__ == "__main__":
    main()
