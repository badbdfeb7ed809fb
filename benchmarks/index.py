"""The index over embeddings: time, memory and recall of the tree, beside IVF and HNSW of faiss and brute force, in one run.

``python benchmarks/index.py [--vectors N] [--real N]``. The vectors are widened from real ones: MiniLM's embeddings of the
short descriptions of Debian packages (``apt-cache dumpavail``; ``--texts FILE`` takes other lines), 384 numbers turned into
``--dim`` by one fixed isometry. A widened vector is a real one plus the deviation of another real one from the centre of its
cluster (spherical k-means with one centre for 20), so its spread is that measured within a cluster. Queries are real embeddings
that are in no index. The tree is built by ``dataengine index``, in a process of its own; the peers in this one.

Times of search are of one query at a time, the ways in turn: ``--threads`` of numpy and of faiss alike.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from threadpoolctl import threadpool_limits

from dataengine.index.ann import lists_of, trained
from dataengine.index.search import Index, open_index
from dataengine.storage.pinned_packages import cache_dir

K = 20
Search = Callable[[Any], Any]


def texts(file: Path | None, count: int) -> list[str]:
    """Distinct lines of a file, or descriptions of Debian packages, in an order that says nothing of them."""
    if file is not None:
        lines = file.read_text().splitlines()
    else:
        out = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
        lines = [line.partition(": ")[2] for line in out.splitlines() if line.startswith("Description: ")]
    distinct = sorted({line.strip() for line in lines if line.strip()})
    order = np.random.default_rng(0).permutation(len(distinct))[:count]
    return [distinct[n] for n in order]


def embedded(lines: list[str], dim: int) -> np.ndarray:
    """``(n, dim)`` of unit length; kept in the cache, for 20,000 take a minute."""
    import hashlib

    from dataengine.models.minilm import DIM, MiniLM

    kept = cache_dir() / "benchmarks" / f"minilm-{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:16]}.npy"
    if not kept.exists():
        vectors = MiniLM(1, keep=0).embed(lines)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, vectors)
    vectors = np.load(kept)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(max(dim, DIM), DIM)))[0][:dim]
    return unit(vectors @ turn.T)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def deviations(vectors: np.ndarray) -> np.ndarray:
    """Of each vector from the centre of its cluster."""
    import faiss

    faiss.omp_set_num_threads(os.cpu_count() or 1)
    means: Any = faiss.Kmeans(vectors.shape[1], max(1, len(vectors) // 20), niter=10, spherical=True, seed=0)
    means.train(vectors)
    _, nearest = means.index.search(vectors, 1)
    return vectors - means.centroids[nearest[:, 0]]


def write(path: Path, real: np.ndarray, count: int) -> np.ndarray:
    """The table of items, written in pieces; its vectors, as they are stored."""
    noise, rng = deviations(real), np.random.default_rng(2)
    whole = np.empty((count, real.shape[1]), np.float16)
    schema = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float16(), real.shape[1]))])
    with pq.ParquetWriter(path, schema, compression="none") as out:
        for start in range(0, count, 50_000):
            rows = np.arange(start, min(start + 50_000, count))
            some = real[rows % len(real)] + noise[rng.integers(0, len(real), len(rows))] * (rows >= len(real))[:, None]
            whole[rows] = unit(some)
            lists = pa.FixedSizeListArray.from_arrays(pa.array(whole[rows].ravel()), real.shape[1])
            out.write_table(pa.table([pa.array([f"{n:032x}" for n in rows]), lists], schema=schema))
    return whole


def recipe(folder: Path, options: argparse.Namespace) -> Path:
    photos = folder / "photos"
    photos.mkdir()
    (photos / "none.jpg").write_bytes(b"")
    content = {
        "name": "index",
        "workspace": str(folder / "ws"),
        "workers": options.workers,
        "sources": [{"type": "folder", "name": "none", "path": str(photos)}],
        "index": {"of": "items", "items": {"path": str(folder / "items.parquet")}, "leaf_size": options.leaf_size},
        "filter": {"policy": str(harness.ROOT / "filters/demo-v1.yaml")},
        "tokenize": None,
        "cot": None,
        "release": {"title": "t", "license": "other", "description": "d"},
    }
    path = folder / "index.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def built(folder: Path, options: argparse.Namespace) -> tuple[Index, harness.Command]:
    """The tree, by the command, and what that took."""
    path = recipe(folder, options)
    took = harness.command([sys.executable, "-c", "from dataengine.cli.main import app; app()", "index", str(path)])
    if took.code:
        raise SystemExit(took.output)
    [manifest] = (folder / "ws/index").glob("*/manifest.json")
    return open_index(str(folder / "ws"), str(manifest.relative_to(folder / "ws"))), took


def peer(kind: str, vectors: np.ndarray) -> Any:
    sample = vectors[:: max(1, len(vectors) // (64 * lists_of(len(vectors))))].astype(np.float32)
    index = trained(kind, vectors.shape[1], len(vectors), sample, 0)
    import faiss

    faiss.omp_set_num_threads(os.cpu_count() or 1)
    for start in range(0, len(vectors), 50_000):
        index.add(vectors[start : start + 50_000].astype(np.float32))
    return index


def by_faiss(index: Any, kind: str, effort: int) -> Search:
    import faiss

    parameters: Any = faiss.SearchParametersHNSW() if kind == "hnsw" else faiss.SearchParametersIVF()
    setattr(parameters, "efSearch" if kind == "hnsw" else "nprobe", effort)
    return lambda query: index.search(query[None], K, params=parameters)[1][0]


def nearest(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """``(queries, K)`` rows by brute force over the stored vectors."""
    best, rows = np.full((len(queries), K), -9.0, np.float32), np.zeros((len(queries), K), np.int64)
    for start in range(0, len(vectors), 50_000):
        some = queries @ vectors[start : start + 50_000].astype(np.float32).T
        both = np.concatenate([best, some], axis=1)
        places = np.argpartition(-both, K - 1, axis=1)[:, :K]
        names = np.concatenate([rows, np.broadcast_to(np.arange(start, start + some.shape[1]), some.shape)], axis=1)
        best, rows = np.take_along_axis(both, places, 1), np.take_along_axis(names, places, 1)
    return rows


def measured(ways: dict[str, Search], queries: np.ndarray, truth: np.ndarray) -> list[list[Any]]:
    """Of each way: recall, p50 and p95 in ms; the ways take turns, query by query, after a round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    shares: dict[str, list[float]] = {name: [] for name in ways}
    for n, query in enumerate([queries[0], *queries]):
        for name, search in ways.items():
            begun = time.perf_counter()
            rows = search(query)
            if n:
                times[name].append(1000 * (time.perf_counter() - begun))
                shares[name].append(len(set(rows.tolist()) & set(truth[n - 1].tolist())) / K)
    return [
        [
            name,
            round(float(np.mean(shares[name])), 4),
            float(np.median(times[name])),
            float(np.percentile(times[name], 95)),
        ]
        for name in ways
    ]


def ways(index: Index, vectors: np.ndarray, options: argparse.Namespace, report: harness.Report) -> dict[str, Search]:
    """All searches by name; rows of the tree are turned into those of the table."""
    place = np.array([int(str(id_), 16) for id_ in index.ids().to_pylist()])
    out: dict[str, Search] = {
        f"tree, beam {beam}": lambda query, beam=beam: place[index.search(query, K, beam).rows]  # type: ignore[misc]
        for beam in options.beams
    }
    rows = []
    for kind, efforts in (("ivf", options.nprobe), ("hnsw", options.ef)):
        if not efforts:
            continue
        cpu, begun = harness.cpu_seconds(), time.perf_counter()
        searcher = peer(kind, vectors)
        rows.append([f"faiss {kind}", time.perf_counter() - begun, harness.cpu_seconds() - cpu])
        name = {"ivf": "nprobe", "hnsw": "efSearch"}[kind]
        out |= {f"faiss {kind}, {name} {effort}": by_faiss(searcher, kind, effort) for effort in efforts}
    report.table("Peers: building, in memory", ["index", "seconds", "CPU s"], rows)
    out["brute force"] = lambda query: place[index.exact(query, K).rows]
    return out


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--real", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--leaf-size", type=int, default=64)
    parser.add_argument("--beams", type=int, nargs="*", default=[32, 64, 128, 256, 512, 1024])
    parser.add_argument("--nprobe", type=int, nargs="*", default=[16, 64])
    parser.add_argument(
        "--ef", type=int, nargs="*", default=[64, 256], help="of HNSW, which takes long to build; none: no HNSW"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of a search")
    parser.add_argument("--texts", type=Path, help="real texts, one a line, in place of Debian's")
    options = parser.parse_args()
    report = harness.Report("index", options)
    lines = texts(options.texts, options.real + options.queries)
    real = embedded(lines, options.dim)
    queries, real = real[: options.queries], real[options.queries :]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vectors = write(folder / "items.parquet", real, options.vectors)
        index, took = built(folder, options)
        size = sum(path.stat().st_size for path in (folder / "ws/index/leaves").iterdir()) / 1e9
        report.table(
            f"Tree over {options.vectors:,} × {options.dim}, widened from {len(real):,} real embeddings",
            ["workers", "leaves", "seconds", "CPU s", "peak GB", "size GB"],
            [[options.workers, len(index.starts) - 1, took.seconds, took.cpu, took.peak, size]],
            "The whole command, start of Ray and reading of the table included; peak of all its processes.",
        )
        searches = ways(index, vectors, options, report)
        with threadpool_limits(options.threads):
            import faiss

            faiss.omp_set_num_threads(options.threads)
            truth = nearest(vectors, queries)
            rows = measured(searches, queries, truth)
        report.table(f"Search of the {K} nearest", ["way", f"recall@{K}", "p50 ms", "p95 ms"], rows)
    report.write()


if __name__ == "__main__":
    main()
