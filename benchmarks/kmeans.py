"""k-means for codebooks beside scikit-learn's from one random start, and one iteration at 65,536 centres.

Wall and CPU seconds and the inertia of both; 1 M vectors of 192, 4,096 centres, 20 iterations unless told otherwise.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from resource import RUSAGE_SELF, getrusage
from typing import Any

import numpy as np

from dataengine.models.lloyd import assigned_to, lloyd, means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=192)
    parser.add_argument("--centres", type=int, default=4096)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--many", type=int, default=65_536, help="centres of the single iteration; 0: none")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    means = generator.normal(size=(20_000, options.dim)).astype(np.float32) * 2
    x = means[generator.integers(0, len(means), options.vectors)]
    x += generator.normal(size=x.shape).astype(np.float32)
    start = x[np.sort(generator.choice(len(x), options.centres, replace=False))]
    print(
        f"{len(x):,} x {options.dim}, {options.centres:,} centres, {options.iterations} iterations, {options.threads} threads"
    )
    timed("ours", lambda: lloyd(x, start, options.iterations, options.threads)[0], x)
    timed("scikit-learn", lambda: _sklearn(x, start, options.iterations, options.threads), x)
    if options.many:
        many = x[np.sort(generator.choice(len(x), options.many, replace=False))]
        timed(f"ours, one iteration at {options.many:,}", lambda: _once(x, many, options.threads), x)


def _once(x: Any, centres: Any, threads: int) -> Any:
    import faiss
    from threadpoolctl import threadpool_limits

    faiss.omp_set_num_threads(threads)
    with threadpool_limits(threads):
        return means(x, assigned_to(x, centres), centres)


def _sklearn(x: Any, start: Any, iterations: int, threads: int) -> Any:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        options: dict[str, Any] = {"init": start, "n_init": 1, "max_iter": iterations, "tol": 0}
        return KMeans(len(start), algorithm="lloyd", **options).fit(x).cluster_centers_


def timed(name: str, work: Callable[[], Any], x: Any) -> None:
    before, began = getrusage(RUSAGE_SELF), time.perf_counter()
    centres = work()
    wall, after = time.perf_counter() - began, getrusage(RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{name}: {wall:,.1f} s wall, {cpu:,.1f} s CPU, inertia of 10,000 vectors {_inertia(x[:10_000], centres):,.0f}"
    )


def _inertia(x: Any, centres: Any) -> float:
    squares = (x**2).sum(1)[:, None] - 2 * x @ np.asarray(centres).T + (np.asarray(centres) ** 2).sum(1)
    return float(squares.min(1).sum())


if __name__ == "__main__":
    main()
