"""All pairs of vectors above a cosine threshold, by an inverted-file (IVF) search whose pairs are verified exactly.

What is reported is exact: the cosine, computed in float64 and rounded to 1e-4, is at least the threshold. What may be
missed is measured: the search reaches (see ivf_cells.py) as far as ``BUDGET`` goes, where that is far enough for exact recall
no farther, and where a pilot sample needs more for the wanted recall as far as that. Recall is then measured on a second
sample against brute force and reported with the comparisons made. The same pairs for any number of threads.

Cells and reach come from the first ``SAMPLE`` distinct vectors alone, so a cluster that holds the others elsewhere plans the
same search (semantic_spread.py). Give vectors in an order that says nothing of them, such as that of content ids.

Equal vectors are the first and its copies (similarity 1, each paired with the first only), as in hamming.py.
"""

from __future__ import annotations

import os
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dataengine.dedup.ivf_cells import Cells, Int16, Int64, in_order, quantise, scale, slack, train
from dataengine.dedup.vectors import Floats, collapse, cosines, lengths
from dataengine.errors import RunError

DECIMALS = 4
BUDGET = 0.01  #: share of brute force's comparisons that is spent whether or not the pilot needs it
MAX_PAIRS = 200_000_000
SAMPLE = 1 << 17  #: distinct vectors that cells and reach are chosen by
ALL_WITH_ALL = 8192  #: so few are compared without cells
_QUERIES = 1024
_FEW = 200  # pairs in the pilot, below which it makes its own
_ROWS = 1024
_PRODUCTS = 1 << 22

Pair = tuple[Int64, Int64]


@dataclass(frozen=True)
class SemanticPairs:
    """``i < j`` index the vectors given, sorted by (i, j); ``similarity`` is rounded to 1e-4.

    ``comparisons`` counts every product of two vectors: search, centroids, pilot (not the final measurement of recall).
    ``recall`` is measured on ``sampled`` pairs that brute force found; None where its sample had none."""

    i: Int64
    j: Int64
    similarity: NDArray[np.float64]
    left_out: int  # vectors that are zero or not finite
    distinct: int
    cells: int
    exact: bool  # every pair is found, by the triangle inequality
    comparisons: int
    brute_force: int
    recall: float | None
    sampled: int


def semantic_pairs(
    vectors: NDArray[Any], threshold: float, recall: float = 0.99, seed: int = 0, threads: int | None = None
) -> SemanticPairs:
    """Pairs of ``(n, d)`` float16 or float32 rows (of any length; zero and non-finite ones are left out and counted) whose
    cosine, rounded to 1e-4, is ``threshold`` (0 < threshold <= 1) or more.

    Memory: a copy of the distinct vectors as int16, and the pairs. Raises ValueError for a threshold out of range, RunError
    for more than MAX_PAIRS pairs."""
    if vectors.ndim != 2 or not 0 < threshold <= 1:
        raise ValueError(
            f"vectors of shape {vectors.shape} at threshold {threshold}: need (n, d) and 0 < threshold <= 1"
        )
    length = lengths(vectors)
    good = np.flatnonzero(np.isfinite(length) & (length > 0))
    first, copies, originals = collapse(vectors, good)
    with threadpool_limits(1), ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        search = Search(vectors, length, first, threshold, pool)
        pairs, cells, exact = search.run(recall, seed)
        a, b = first[pairs[0]], first[pairs[1]]
        a, b, similarity = search.verified(np.minimum(a, b), np.maximum(a, b))
        recovered, sampled = search.measure(a, b, seed)
    i, j = np.concatenate([a, originals]), np.concatenate([b, copies])
    order = np.lexsort((j, i))
    both = np.concatenate([similarity, np.ones(len(copies))])
    share = recovered / sampled if sampled else None
    brute = len(first) * (len(first) - 1) // 2
    left_out = len(vectors) - len(good)
    return SemanticPairs(
        i[order], j[order], both[order], left_out, len(first), cells, exact, search.comparisons, brute, share, sampled
    )


def also_similar(pairs: Pair, vectors: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """For pairs found by one embedding: whether another one (say, of the caption) agrees, ``round(cosine, 4) >= threshold``;
    False where a vector is zero or not finite."""
    length = lengths(vectors)
    good = np.isfinite(length) & (length > 0)
    comparable = np.flatnonzero(good[pairs[0]] & good[pairs[1]])
    agrees = np.zeros(len(pairs[0]), np.bool_)
    measured = cosines(vectors, length, pairs[0][comparable], pairs[1][comparable])
    agrees[comparable] = np.round(measured, DECIMALS) >= np.round(threshold, DECIMALS)
    return agrees


@dataclass(frozen=True)
class Plan:
    """How a search in cells goes: ``reach`` as in cells.py, ``comparisons`` spent on finding it out."""

    cells: Cells
    reach: float
    exact: bool
    comparisons: int


class Search:
    """One search among distinct vectors; indices are places in ``first`` unless said otherwise."""

    def __init__(self, vectors: Floats, length: NDArray[np.float64], first: Int64, threshold: float, pool: Executor):
        self.vectors, self.length, self.first, self.pool = vectors, length, first, pool
        self.threshold = float(np.round(threshold, DECIMALS))
        self.rows: Int16 = quantise(vectors, first, length)
        dim = vectors.shape[1]
        lowest = self.threshold - 10**-DECIMALS
        #: No pair at the threshold is farther apart than this, nor has a smaller product, after rounding.
        self.reach = scale(dim) * float(np.sqrt(2 - 2 * lowest)) + slack(dim)
        self.product = np.float32(scale(dim) ** 2 * lowest - scale(dim) * slack(dim) - dim / 4)
        self.comparisons = 0

    def run(self, recall: float, seed: int) -> tuple[Pair, int, bool]:
        """``(pairs, number of cells, whether exact)``."""
        n = len(self.rows)
        if n <= ALL_WITH_ALL:
            return self._search(np.zeros(n, np.int64), (np.zeros(0, np.int64),) * 2, 1), 1, True
        plan = self.sample().plan(n, recall, seed)
        count, parts = len(plan.cells.centroids), -(-n // _ROWS)

        def part(p: int) -> tuple[Int64, Int64, Int64]:
            return plan.cells.visits(self.rows[p * _ROWS : (p + 1) * _ROWS], plan.reach)

        visits = list(in_order(self.pool, part, parts))
        self.comparisons += plan.comparisons + n * count
        home = np.concatenate([part[0] for part in visits])
        visitor = np.concatenate([part[1] + p * _ROWS for p, part in enumerate(visits)])
        visited = np.concatenate([part[2] for part in visits])
        return self._search(home, (visitor, visited), count), count, plan.exact

    def sample(self) -> Search:
        """The search among the first SAMPLE of them."""
        return Search(self.vectors, self.length, self.first[:SAMPLE], self.threshold, self.pool)

    def plan(self, n: int, recall: float, seed: int) -> Plan:
        """Of a search among ``n`` vectors of which these are a sample."""
        rng = np.random.default_rng(seed)
        cells, spent = train(self.rows, round(2 * n**0.5), rng, self.pool)
        reach = self._reach(cells, recall, rng)
        return Plan(cells, reach, reach == self.reach, spent + self.comparisons)

    def asked(self, seed: int) -> Int64:
        """Of which vectors recall is measured."""
        return np.sort(np.random.default_rng(seed + 1).permutation(len(self.rows))[:_QUERIES])

    def _queries(self, rng: np.random.Generator) -> Int64:
        n = len(self.rows)
        return np.sort(rng.permutation(n)[: min(_QUERIES, max(n // 200, _FEW))])

    def _reach(self, cells: Cells, recall: float, rng: np.random.Generator) -> float:
        """The largest that is worth ``BUDGET`` (the exact one at most), or what the pilot needs to find nearly all."""
        count = len(cells.centroids)
        sample = self.rows[self._queries(rng)]
        distances = np.sort(cells.distances(sample), axis=None)
        self.comparisons += len(sample) * count
        affordable = distances[min(len(distances) - 1, len(sample) + int(BUDGET / 2 * distances.size))]
        needed = np.sort(cells.borders(*self._pilot(rng)))
        place = min(len(needed) - 1, int(np.ceil((3 + recall) / 4 * len(needed))))
        return min(self.reach, max(float(affordable), float(needed[place])))

    def _pilot(self, rng: np.random.Generator) -> tuple[Int16, Int16]:
        """Near pairs to choose the reach by: of a sample of queries, or, where those have few, made at the threshold by
        moving vectors towards others."""
        queries = self._queries(rng)
        x, y = self.neighbours(queries)
        self.comparisons += len(queries) * len(self.rows)
        if len(x) >= _FEW:
            some = np.sort(rng.permutation(len(x))[: 4 * _QUERIES])
            return self.rows[x[some]], self.rows[y[some]]
        start = self.rows[queries].astype(np.float64)
        away = self.rows[np.roll(queries, 1)] - start * (
            (start * self.rows[np.roll(queries, 1)]).sum(1) / (start**2).sum(1)
        ).reshape(-1, 1)
        away *= scale(start.shape[1]) / np.maximum(np.sqrt((away**2).sum(1)), 1)[:, None]
        moved = self.threshold * start + (1 - self.threshold**2) ** 0.5 * away
        return self.rows[queries], np.rint(moved).astype(np.int16)

    def neighbours(self, queries: Int64) -> Pair:
        """Brute force: ``(query, other)`` for all near pairs of the queries, verified; both as places."""
        query_rows = self.rows[queries].astype(np.float32)

        def part(p: int) -> Pair:
            near = query_rows @ self.rows[p * _ROWS : (p + 1) * _ROWS].astype(np.float32).T >= self.product
            q, other = np.nonzero(near)
            return queries[q], other + p * _ROWS

        pieces = list(in_order(self.pool, part, -(-len(self.rows) // _ROWS)))
        x, y = (np.concatenate([f[side] for f in pieces]) for side in (0, 1))
        x, y = x[x != y], y[x != y]
        near = np.round(cosines(self.vectors, self.length, self.first[x], self.first[y]), DECIMALS) >= self.threshold
        return x[near], y[near]

    def _search(self, home: Int64, visits: Pair, count: int) -> Pair:
        """Near pairs (by the rounded product) of residents with residents and with visitors, each once."""
        residents = np.argsort(home, kind="stable")
        lives = np.searchsorted(home[residents], np.arange(count + 1))
        order = np.argsort(visits[1], kind="stable")
        visitors = visits[0][order]
        calls = np.searchsorted(visits[1][order], np.arange(count + 1))

        def cell(c: int) -> tuple[Pair, int]:
            here, guests = residents[lives[c] : lives[c + 1]], visitors[calls[c] : calls[c + 1]]
            return self._cell(here, guests), len(here) * (len(here) - 1) // 2 + len(here) * len(guests)

        keys: list[Int64] = []
        total = 0
        for (x, y), compared in in_order(self.pool, cell, count):
            self.comparisons += compared
            keys.append(np.minimum(x, y) * len(home) + np.maximum(x, y))
            total += len(x)
            if total > MAX_PAIRS:
                raise RunError(
                    f"more than {MAX_PAIRS} pairs have a cosine of {self.threshold} or more: raise dedup.semantic.threshold"
                )
        packed = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
        return packed // max(1, len(home)), packed % max(1, len(home))

    def _cell(self, residents: Int64, guests: Int64) -> Pair:
        """Pairs among residents, and of guests with residents."""
        return in_cell(self.rows, residents, guests, self.product)

    def verified(self, a: Int64, b: Int64) -> tuple[Int64, Int64, NDArray[np.float64]]:
        """Those (rows of ``vectors``) whose cosine reaches the threshold, with it."""
        similarity = np.round(cosines(self.vectors, self.length, a, b), DECIMALS)
        near = similarity >= self.threshold
        return a[near], b[near], similarity[near]

    def measure(self, a: Int64, b: Int64, seed: int) -> tuple[int, int]:
        """Of the pairs that brute force finds for a sample of vectors: how many are among (a, b), and how many there are."""
        if len(self.rows) == 0:
            return 0, 0
        x, y = (self.first[side] for side in self.neighbours(self.sample().asked(seed)))
        n = len(self.vectors)
        recovered = np.isin(np.unique(np.minimum(x, y) * n + np.maximum(x, y)), a * n + b)
        return int(recovered.sum()), len(recovered)


def in_cell(rows: Int16, residents: Int64, guests: Int64, product: np.float32) -> Pair:
    """Of ``rows``: pairs among residents, and of guests with residents, whose product is ``product`` or more."""
    here = rows[residents].astype(np.float32)
    step = max(1, _PRODUCTS // max(1, len(here)))
    pieces = []
    for start in range(0, len(residents), step):
        x, y = np.nonzero(here[start : start + step] @ here[start:].T >= product)
        pieces.append((residents[start + x[x < y]], residents[start + y[x < y]]))
    for start in range(0, len(guests), step):
        some = guests[start : start + step]
        x, y = np.nonzero(rows[some].astype(np.float32) @ here.T >= product)
        pieces.append((some[x], residents[y]))
    empty = np.zeros(0, np.int64)
    x, y = (np.concatenate([empty, *(f[side] for f in pieces)]) for side in (0, 1))
    return x, y
