"""Requests and bytes that each stage asks of the workspace's storage: a constant, and what a part and a sample add.

    python -m benchmarks storage_requests [--images 256] [--samples 1e6,1e8,1e9]

The whole way without models runs three times in this process, with N samples in P parts, in 2 P parts, and with 2 N samples in
P parts; what passes the storage client is counted, and each stage's three numbers follow. A range of bytes counts as a request
once ranges less than a MiB apart are joined, a large object as the requests of its multipart upload. Retries, heartbeats of
the lease, and the reading of sources (a request a file) are not in it. ``--samples`` extrapolates, a thousand samples a part.
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
from ingest import SIZE, crops, written

from dataengine.config.recipe import load
from dataengine.pipeline import execute
from dataengine.progress import Silent, StageReport
from dataengine.storage import store as storage
from dataengine.testing import InProcess, write_recipe

#: What the client joins, and the size from which it uploads in parts.
_JOINED, _WHOLE = 1 << 20, 5 << 20
_A_PART = 1000
KINDS = ("get", "put", "list", "delete")
_TOKENIZER = {"name": "product", "codebooks": 2, "entries": 16, "max_tokens": 64}


class Counted(Silent):
    """Stands for ``obstore`` in the storage client, and counts by the stage that is being made."""

    def __init__(self, real: Any) -> None:
        self.real, self.now, self.stages = real, Counter[str](), defaultdict[str, Counter[str]](Counter)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def end(self, report: StageReport) -> None:
        self.stages[report.name] += self.now
        self.now = Counter()

    def get(self, client: Any, key: str, **options: Any) -> Any:
        answer = self.real.get(client, key, **options)
        self.now.update({"get": 1, "read": 0 if options else answer.meta["size"]})
        return answer

    def head(self, client: Any, key: str) -> Any:
        self.now["get"] += 1
        return self.real.head(client, key)

    def get_range(self, client: Any, key: str, *, start: int, length: int) -> Any:
        self.now.update({"get": 1, "read": length})
        return self.real.get_range(client, key, start=start, length=length)

    def get_ranges(self, client: Any, key: str, *, starts: Any, lengths: Any) -> Any:
        self.now.update({"get": joined(starts, lengths), "read": sum(lengths)})
        return self.real.get_ranges(client, key, starts=starts, lengths=lengths)

    def put(self, client: Any, key: str, data: Any, **options: Any) -> Any:
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        self.now.update({"put": uploads(size), "written": size})
        return self.real.put(client, key, data, **options)

    def copy(self, client: Any, key: str, to: str) -> Any:
        self.now["put"] += 1
        return self.real.copy(client, key, to)

    def delete(self, client: Any, key: str) -> Any:
        self.now["delete"] += 1
        return self.real.delete(client, key)

    def list(self, client: Any, prefix: str | None, **options: Any) -> Iterator[Any]:
        self.now["list"] += 1
        return iter(self.real.list(client, prefix, **options))

    def moved(self, size: int) -> None:
        """An object that a folder renames and S3 uploads."""
        self.now.update({"put": uploads(size), "written": size})


def joined(starts: Any, lengths: Any) -> int:
    """Requests of several ranges of one object."""
    count, end = 0, -math.inf
    for start, length in sorted(zip(starts, lengths, strict=True)):
        count += start - end > _JOINED
        end = max(end, start + length)
    return count


def uploads(size: int) -> int:
    """Requests that upload an object: one, or begin, parts and end."""
    return 1 if size <= _WHOLE else 2 + math.ceil(size / _WHOLE)


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


def run(folder: Path, images: int, parts: int) -> dict[str, Counter[str]]:
    """Counts by stage of one run from nothing."""
    written(folder / "in", crops(images))
    sources = [{"type": "folder", "name": "in", "path": str(folder / "in"), "buckets": parts}]
    shard = {"target_bytes": "256 MB"}
    recipe = load(str(write_recipe(folder, sources=sources, tokenize={"tokenizer": _TOKENIZER}, shard=shard)))
    with counting() as counted:
        execute(recipe, engine=InProcess(), reporter=counted)
    return counted.stages


@dataclass(frozen=True)
class Slope:
    """A number that a stage asks for: ``constant + part * parts + sample * samples``."""

    constant: float
    part: float
    sample: float

    def at(self, samples: float) -> float:
        return self.constant + self.part * math.ceil(samples / _A_PART) + self.sample * samples


def slope(base: float, more_parts: float, more_samples: float, images: int, parts: int) -> Slope:
    """From the numbers at (N, P), (N, 2 P) and (2 N, P)."""
    part, sample = (more_parts - base) / parts, (more_samples - base) / images
    return Slope(base - part * parts - sample * images, part, sample)


def slopes(images: int, parts: int) -> dict[str, dict[str, Slope]]:
    """By stage and what is counted."""
    counts = []
    for n, p in ((images, parts), (images, 2 * parts), (2 * images, parts)):
        with tempfile.TemporaryDirectory() as folder:
            counts.append(run(Path(folder), n, p))
    base, of_parts, of_samples = counts
    kinds = (*KINDS, "read", "written")
    return {
        stage: {
            kind: slope(base[stage][kind], of_parts[stage][kind], of_samples[stage][kind], images, parts)
            for kind in kinds
        }
        for stage in base
    }


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--samples", default="1e6,1e8,1e9")
    options = parser.parse_args()
    by_stage = slopes(options.images, options.parts)
    report = harness.Report("storage_requests", options)
    rows = [
        [stage, *(f"{s[k].constant:.0f} + {s[k].part:.2f} p + {s[k].sample:.3f} n" for k in KINDS)]
        + [round(s[k].sample) for k in ("read", "written")]
        for stage, s in by_stage.items()
    ]
    report.table(
        f"JPEG {SIZE[0]}×{SIZE[1]}, {options.images} and {2 * options.images} in {options.parts} and {2 * options.parts} parts",
        ["stage", *KINDS, "bytes read a sample", "written"],
        rows,
        "p: parts, n: samples.",
    )
    sizes = [float(text) for text in options.samples.split(",")]
    totals = []
    for size in sizes:
        at = {k: sum(s[k].at(size) for s in by_stage.values()) for k in (*KINDS, "read", "written")}
        totals.append([f"{size:,.0f}", *(round(at[k]) for k in KINDS), at["read"] / 1e12, at["written"] / 1e12])
    report.table("At a thousand samples a part", ["samples", *KINDS, "TB read", "TB written"], totals, "")
    report.write()
    if options.out:
        raw = {stage: {kind: vars(value) for kind, value in kinds.items()} for stage, kinds in by_stage.items()}
        (options.out / "storage_requests_slopes.json").write_text(json.dumps(raw, indent=1))


if __name__ == "__main__":
    main()
