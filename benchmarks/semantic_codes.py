"""Quantitative codes: residual k-means with its time a level, and encoding beside the bare matrix product with argmin.

Vectors are of clusters unless ``--embeddings`` names a Parquet file with columns ``pid`` and ``embedding``. Figures of quality
are of the vectors that the codebooks were fitted on.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import harness
import numpy as np
from threadpoolctl import threadpool_limits

from dataengine.index.codes import quality, residual
from dataengine.index.codes.residual import ResidualEncoder
from dataengine.index.vectors import unit

_GROUPS = 20_000


def main() -> None:
    parser = harness.parser(__doc__, rounds=5)
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--levels", type=int, default=3)
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--iterations", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--encode", type=int, default=4096, help="vectors of one round of encoding")
    parser.add_argument("--embeddings", type=Path, help="Parquet file with pid and embedding, instead of made vectors")
    parser.add_argument("--faiss", action="store_true", help="also faiss.Kmeans on the first level")
    options = parser.parse_args()
    vectors = made(options) if options.embeddings is None else read(options.embeddings, options.vectors)
    report = harness.Report("semantic_codes", options)
    books, rows = fitted(vectors, options)
    if options.faiss:
        rows.append(of_faiss(vectors, options))
    report.table(
        f"{len(vectors):,} x {vectors.shape[1]}, {options.size:,} codes a level, {options.iterations} iterations",
        ["level", "wall s", "CPU s", "error left", "used", "perplexity"],
        rows,
        f"Collision rate of all levels together: {collisions(vectors, books):.2%}.",
    )
    report.table(
        "Encoding", ["way", "vectors/s wall", "vectors/s CPU", "of the bare"], encoding(vectors, books, options)
    )
    report.write()


def made(options: argparse.Namespace) -> Any:
    """Unit vectors around the means of groups, as near to them as half the distance of two means."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(min(_GROUPS, options.vectors // 10), options.dim)).astype(np.float32)
    rows = means[rng.integers(0, len(means), options.vectors)]
    return unit(rows + 0.5 * rng.normal(size=rows.shape).astype(np.float32))


def read(place: Path, most: int) -> Any:
    from dataengine.index.codes.parquet_tables import sampled

    return sampled(str(place), most, 0, "benchmark")[1]


def fitted(vectors: Any, options: argparse.Namespace) -> tuple[list[Any], list[list[Any]]]:
    """Codebooks, and a row a level: seconds, share of the squared length that is left, usage, perplexity."""
    times = [(time.perf_counter(), harness.cpu_seconds())]
    books = residual.fit(
        vectors.copy(),
        options.levels,
        options.size,
        iterations=options.iterations,
        seed=0,
        threads=options.threads,
        save=lambda level, centres: times.append((time.perf_counter(), harness.cpu_seconds())),
    )
    total, rows = (vectors.astype(np.float64) ** 2).sum(), list[list[Any]]()
    with threadpool_limits(options.threads):
        for n in range(options.levels):
            codes, errors = ResidualEncoder(books[: n + 1]).encode(vectors)
            level = quality.level(Counter(codes[:, n].tolist()), options.size)
            spent = [after - before for before, after in zip(times[n], times[n + 1], strict=True)]
            rows.append([str(n + 1), *spent, f"{errors.sum() / total:.1%}", f"{level.used:.1%}", level.perplexity])
    return books, rows


def of_faiss(vectors: Any, options: argparse.Namespace) -> list[Any]:
    import faiss

    faiss.omp_set_num_threads(options.threads)
    begun, cpu = time.perf_counter(), harness.cpu_seconds()
    peer = faiss.Kmeans(vectors.shape[1], options.size, niter=options.iterations, seed=0, max_points_per_centroid=10**9)
    peer.train(vectors)
    spent = [time.perf_counter() - begun, harness.cpu_seconds() - cpu]
    distances, labels = peer.index.search(vectors, 1)
    level = quality.level(Counter(labels[:, 0].tolist()), options.size)
    left = f"{distances.sum(dtype=np.float64) / (vectors.astype(np.float64) ** 2).sum():.1%}"
    return ["1, faiss.Kmeans", *spent, left, f"{level.used:.1%}", level.perplexity]


def collisions(vectors: Any, books: list[Any]) -> float:
    codes, _ = ResidualEncoder(books).encode(vectors)
    return quality.collision_rate(Counter(Counter(map(tuple, codes.tolist())).values()))


def encoding(vectors: Any, books: list[Any], options: argparse.Namespace) -> list[list[Any]]:
    """Ours beside one product and one argmin a level, in the same blocks, without what a level subtracts."""
    some, encoder, tables = (
        vectors[: options.encode],
        ResidualEncoder(books),
        [np.ascontiguousarray(b.T) for b in books],
    )

    def bare() -> None:
        for start in range(0, len(some), 1024):
            for table in tables:
                np.argmin(some[start : start + 1024] @ table, axis=1)

    with threadpool_limits(options.threads):
        timings = harness.rounds({"encode": lambda: encoder.encode(some), "bare": bare}, options.rounds)
    reference = timings["bare"]
    return [
        [
            name,
            len(some) / t.wall,
            len(some) / t.cpu,
            f"{reference.cpu / t.cpu:.2f} by CPU, {reference.wall / t.wall:.2f} by wall",
        ]
        for name, t in timings.items()
    ]


if __name__ == "__main__":
    main()
