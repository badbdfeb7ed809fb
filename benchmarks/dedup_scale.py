"""How near-duplicate search grows: time and peak memory of each kind of pair, beside faiss and imagededup where they can.

``python benchmarks/dedup_scale.py [hamming] [semantic] [text] [groups] [decisions] [tables] [--large] [--threads T]``.
Each line is measured in a process of its own (peak: its largest resident size and those of the processes it started, added
up, so inputs and interpreter count, and Spark's JVM; compiled code is loaded from the cache, a first run compiles for a few
seconds before the clock starts).
Every contender gets the same input in the same run, at a size it does in a few minutes; pairs of unlike items are counted,
and those of an exact method must be ours. The sections of tables are in ``table_scale.py``.

Hashes: DCT coefficients with the falling spectrum and the offsets of photographs, bits above their median, then 20 % copies
with up to 8 bits flipped, 20 % exact duplicates (Zipf), 2 % blank (all zero). Vectors: 512 × float16, topics and noise with a
falling spectrum, 20 % of them at a cosine of 0.8 to 1 with another. Captions: 8 to 24 words (Zipf), 20 % with a
word or two changed, 10 % equal.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
from numpy.typing import NDArray

RADIUS, COSINE, JACCARD = 6, 0.9, 0.8
_STEP = 1 << 16


def hashes(n: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(0)
    frequency = np.add.outer(np.arange(8), np.arange(8)).ravel()
    size = (1 + frequency) ** -1.2
    offset = np.zeros(64)
    offset[[0, 1, 2, 8, 16]] = 3, 0.1, -0.2, 0.4, -0.2
    made = np.empty(n, np.uint64)
    for start in range(0, n, _STEP):
        low = (rng.laplace(size=(min(_STEP, n - start), 64)) + offset) * size
        bits = low > np.median(low, axis=1, keepdims=True)
        made[start : start + _STEP] = np.packbits(bits, axis=1).view(np.uint64).ravel()
    fifth = n // 5
    flips, flipped = rng.integers(0, 9, fifth), np.zeros(fifth, np.uint64)
    for k in range(8):
        flipped |= np.where(k < flips, np.uint64(1) << rng.integers(0, 64, fifth, np.uint64), np.uint64(0))
    made[n - fifth :] = made[rng.integers(0, n // 2, fifth)] ^ flipped
    made[n - 2 * fifth : n - fifth] = made[np.minimum(rng.zipf(1.5, fifth) - 1, n // 2)]
    made[rng.integers(0, n, n // 50)] = 0
    rng.shuffle(made)
    return made.view(np.int64)


def vectors(n: int, dim: int = 512) -> NDArray[np.float16]:
    rng = np.random.default_rng(0)
    basis = (rng.normal(size=(dim, dim)) * ((1 + np.arange(dim)) ** -0.5)[:, None]).astype(np.float32)
    topics = rng.normal(size=(max(2, n // 500), dim)).astype(np.float32)
    made = np.empty((n, dim), np.float16)
    copies = n - n // 5
    for start in range(0, n, _STEP // 4):
        rows = min(_STEP // 4, n - start)
        noise = rng.normal(size=(rows, dim)).astype(np.float32)
        topic = topics[(len(topics) * rng.random(rows) ** 2).astype(int)]
        own = unit((0.9 * topic + 0.8 * noise) @ basis)
        if start >= copies:
            cosine = rng.uniform(0.8, 1, (rows, 1)).astype(np.float32)
            own = cosine * made[rng.integers(0, copies, rows)] + np.sqrt(1 - cosine**2) * unit(noise @ basis)
        made[start : start + rows] = unit(own)
    return made


def unit(rows: NDArray[Any]) -> NDArray[Any]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def captions(n: int) -> pa.ChunkedArray[Any]:
    rng = np.random.default_rng(0)
    made = list[list[int]]()
    for k in range(n):
        if k < 0.7 * n:
            made.append((rng.zipf(1.2, int(rng.integers(8, 25))) % 30_000).tolist())
        else:
            made.append(list(made[int(rng.integers(0, int(0.7 * n)))]))
            for _ in range(int(rng.integers(1, 3)) if k < 0.9 * n else 0):
                made[-1][int(rng.integers(0, len(made[-1])))] = int(rng.integers(0, 30_000))
    return pa.chunked_array([pa.array([" ".join(f"{w:x}" for w in words) for words in made])])


Outcome = tuple[float, dict[str, Any]]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def hamming_ours(n: int, threads: int, radius: int = RADIUS, blank: bool = False) -> Outcome:
    from dataengine.dedup.hamming import near_pairs

    given = np.zeros(n, np.int64) if blank else hashes(n)
    near_pairs(hashes(5000), radius, threads)
    seconds, found = timed(lambda: near_pairs(given, radius, threads))
    return seconds, {"pairs": int((found.distance > 0).sum()), "copies": int((found.distance == 0).sum())}


def hamming_faiss(n: int, threads: int, kind: str = "flat") -> Outcome:
    import faiss

    faiss.omp_set_num_threads(threads)
    codes = np.unique(hashes(n)).view(np.uint8).reshape(-1, 8)
    # Seven blocks of 9 bits: with 6 bits or fewer that differ, one block is equal.
    index = faiss.IndexBinaryFlat(64) if kind == "flat" else faiss.IndexBinaryMultiHash(64, 7, 9)

    def search() -> int:
        index.add(codes)
        limits, _, _ = index.range_search(codes, RADIUS + 1)
        return (int(limits[-1]) - len(codes)) // 2

    seconds, pairs = timed(search)
    return seconds, {"pairs": pairs}


def hamming_imagededup(n: int, threads: int, method: str = "bktree") -> Outcome:
    from imagededup.methods import PHash

    named = {str(k): f"{int(h):016x}" for k, h in enumerate(np.unique(hashes(n)).view(np.uint64))}
    seconds, found = timed(
        lambda: PHash(verbose=False).find_duplicates(
            encoding_map=named, max_distance_threshold=RADIUS, search_method=method, num_dist_workers=threads
        )
    )
    return seconds, {"pairs": sum(map(len, found.values())) // 2}


def semantic_ours(n: int, threads: int) -> Outcome:
    from dataengine.dedup.semantic import semantic_pairs

    given = vectors(n)
    seconds, found = timed(lambda: semantic_pairs(given, COSINE, threads=threads))
    share = found.comparisons / found.brute_force
    return seconds, {"pairs": len(found.i), "comparisons": f"{share:.1%}", "recall": found.recall, "of": found.sampled}


def semantic_faiss(n: int, threads: int) -> Outcome:
    import faiss

    faiss.omp_set_num_threads(threads)
    given = vectors(n).astype(np.float32)
    index = faiss.IndexFlatIP(given.shape[1])

    def search() -> int:
        index.add(given)
        return (int(index.range_search(given, COSINE)[0][-1]) - n) // 2

    seconds, pairs = timed(search)
    return seconds, {"pairs": pairs}


def text_ours(n: int, threads: int) -> Outcome:
    from dataengine.dedup.text import text_pairs

    given = captions(n)
    text_pairs(given.slice(0, 1000), JACCARD)
    seconds, found = timed(lambda: text_pairs(given, JACCARD))
    return seconds, {"pairs": len(found.i), "candidates": found.candidates}


Measure = tuple[str, str, int, dict[str, Any]]
MEASURES: dict[str, list[Measure]] = {
    "hamming": [
        ("ours, exact", "hamming_ours", 100_000, {}),
        ("faiss IndexBinaryFlat, exact", "hamming_faiss", 100_000, {}),
        ("faiss IndexBinaryMultiHash, exact", "hamming_faiss", 100_000, {"kind": "multi"}),
        ("imagededup BK-tree", "hamming_imagededup", 5_000, {}),
        ("imagededup brute force", "hamming_imagededup", 20_000, {"method": "brute_force_cython"}),
        ("ours, exact", "hamming_ours", 20_000, {}),
        ("ours, exact", "hamming_ours", 1_000_000, {}),
        ("ours, exact, radius 8", "hamming_ours", 1_000_000, {"radius": 8}),
        ("ours, all hashes equal", "hamming_ours", 1_000_000, {"blank": True}),
        ("ours, exact", "hamming_ours", 10_000_000, {}),
    ],
    "semantic": [
        ("ours", "semantic_ours", 50_000, {}),
        ("faiss IndexFlatIP, brute force", "semantic_faiss", 50_000, {}),
        ("ours", "semantic_ours", 200_000, {}),
    ],
    "text": [
        ("ours", "text_ours", 100_000, {}),
        ("ours", "text_ours", 1_000_000, {}),
    ],
    "groups": [
        ("components, scipy", "components", 1_000_000, {}),
        ("components, Spark, star contraction", "components", 1_000_000, {"engine": "spark"}),
        ("components, scipy", "components", 10_000_000, {}),
        ("groups cut and chosen, DuckDB", "groups", 10_000_000, {}),
    ],
    "decisions": [
        ("decisions, DuckDB", "decisions", 1_000_000, {}),
        ("decisions, Spark", "decisions", 1_000_000, {"engine": "spark"}),
        ("decisions, DuckDB", "decisions", 10_000_000, {}),
    ],
    "tables": [
        *(
            (f"{name}, {engine}", name, n, {"engine": engine.lower()})
            for name in ("statistics", "assignment", "ledger")
            for n, engine in ((1_000_000, "DuckDB"), (1_000_000, "Spark"), (10_000_000, "DuckDB"))
        ),
    ],
}
LARGE: dict[str, list[Measure]] = {
    "hamming": [
        ("ours, exact, radius 8", "hamming_ours", 10_000_000, {"radius": 8}),
        ("faiss IndexBinaryFlat, exact", "hamming_faiss", 1_000_000, {}),
    ],
    "semantic": [("ours", "semantic_ours", 1_000_000, {})],
    "text": [],
    "groups": [],
    "decisions": [("decisions, Spark", "decisions", 10_000_000, {"engine": "spark"})],
    "tables": [],
}


def one(name: str, n: int, threads: int, options: dict[str, Any]) -> None:
    sys.path.append(str(Path(__file__).parent))  # last: no file here hides a module of the standard library
    work = globals().get(name) or getattr(importlib.import_module("table_scale"), name)
    seconds, found = work(n, threads, **options)
    print(json.dumps({"seconds": seconds, "peak": peak(), **found}))


def peak() -> float:
    """GB: the largest resident size of this process and of those below it that still run (Spark's JVM, its workers), added up."""
    me = psutil.Process()
    files = [Path(f"/proc/{p.pid}/status") for p in (me, *me.children(recursive=True))]
    sizes = [line.split()[1] for f in files if f.exists() for line in f.read_text().splitlines() if "VmHWM" in line]
    return sum(map(int, sizes)) / 1e6


def line(label: str, name: str, n: int, options: dict[str, Any], threads: int) -> str:
    work = [sys.executable, "-P", __file__, "--one", json.dumps([name, n, threads, options])]
    done = subprocess.run(work, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    if done.returncode:
        return f"  {label:<36}{n:>12,}  failed ({done.returncode}): {done.stderr.strip()[-200:]}"
    made = json.loads(done.stdout.strip().splitlines()[-1])
    seconds, peak = made.pop("seconds"), made.pop("peak")
    rest = "  ".join(f"{k} {v:,}" if isinstance(v, int) else f"{k} {v}" for k, v in made.items())
    return f"  {label:<36}{n:>12,}{seconds:>10.2f} s{peak:>8.2f} GB  {rest}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="SECTION", help="all by default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--large", action="store_true", help="the largest sizes too (minutes)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*json.loads(options.one))
        return
    if unknown := set(options.kinds) - set(MEASURES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    print(f"{options.threads} threads; load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for kind in options.kinds or MEASURES:
        print(
            {"hamming": f"Hamming radius {RADIUS}", "semantic": f"cosine {COSINE}", "text": f"Jaccard {JACCARD}"}.get(
                kind, kind
            )
        )
        for label, name, n, rest in MEASURES[kind] + (LARGE[kind] if options.large else []):
            print(line(label, name, n, rest, options.threads), flush=True)


if __name__ == "__main__":
    main()
