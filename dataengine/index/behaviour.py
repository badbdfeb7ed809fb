"""Search by a sequence of behaviour: the two general search units (GSU) of MISS (arXiv 2508.14515).

The multimodal unit compares vectors, the co-occurrence unit how often ids occur near each other in the sequences of others. Each
gives the nodes and items that are nearest to the sequence, and with every node those of the sequence's items that are nearest to
it, which is what a ranking model reads. The paper's excerpts that we could read do not say how one number is made of a
sequence: here it is the mean of an item's ``SUPPORT`` largest similarities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dataengine.index.manifest import Stored
from dataengine.index.search import Index, local

Float32 = NDArray[np.float32]

#: Similarities that a score is the mean of, at most; and items of the sequence named with each node.
SUPPORT = 5


@dataclass(frozen=True)
class NearNode:
    """A node of the tree by depth and number, the vectors below it, and the items of the sequence that speak for it."""

    depth: int
    number: int
    size: int
    score: float
    history: list[str]


@dataclass(frozen=True)
class NearItem:
    id: str
    score: float
    caption: str | None = None


@dataclass(frozen=True)
class Unit:
    """What one unit finds; ``absent``: why it could not search, "" where it did."""

    nodes: list[NearNode] = field(default_factory=list)
    items: list[NearItem] = field(default_factory=list)
    absent: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Behaviour:
    """Results of both units; ``unknown``: ids of the sequence that are not in the index."""

    multimodal: Unit
    cooccurrence: Unit
    unknown: list[str]


def search(index: Index, history: Sequence[str], k: int = 20, beam: int = 64, depth: int | None = None) -> Behaviour:
    """``k`` nodes of the kept layer at ``depth`` (the leaves) and ``k`` items a unit; items of the sequence itself are none of
    them."""
    rows = index.rows_with(history)
    known = [id_ for id_, row in zip(history, rows, strict=True) if row >= 0]
    layer = max(d for d in index.nodes if depth is None or d <= depth)
    multimodal = _multimodal(index, known, rows[rows >= 0], k, beam, layer) if known else Unit(absent="none is indexed")
    unknown = [id_ for id_, row in zip(history, rows, strict=True) if row < 0]
    return Behaviour(multimodal, _cooccurrence(index, history, k, layer), unknown)


def _multimodal(index: Index, ids: Sequence[str], rows: Any, k: int, beam: int, depth: int) -> Unit:
    queries = index.take(rows).astype(np.float32)
    queries /= np.sqrt(np.einsum("ij,ij->i", queries, queries))[:, None]
    beams = [index.beam(query, beam) for query in queries]
    place = list(index.nodes).index(depth)
    numbers = np.unique(np.concatenate([beam_[place][0] for beam_ in beams]))
    vectors = np.asarray(index.nodes[depth][numbers], np.float32)
    cosines = _cosines(vectors, queries)
    best = np.lexsort((numbers, -_support(cosines)))[:k]
    nodes = [
        NearNode(
            depth, int(numbers[n]), index.size(depth, int(numbers[n])), _score(cosines[n]), _closest(cosines[n], ids)
        )
        for n in best
    ]
    leaves = np.unique(np.concatenate([beam_[-1][0] for beam_ in beams]))
    candidates = np.setdiff1d(index.rows_of(leaves), rows)
    scores = _support(_cosines(index.take(candidates).astype(np.float32), queries))
    order = np.lexsort((candidates, -scores))[:k]
    shown = index.described(candidates[order], ("id", "caption")).to_pylist()
    items = [NearItem(row["id"], float(scores[n]), row["caption"]) for row, n in zip(shown, order, strict=True)]
    return Unit(nodes, items)


def _cosines(vectors: Float32, queries: Float32) -> NDArray[np.float64]:
    """``(n, queries)``, rounded to 1e-4."""
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    cosines: NDArray[np.float64] = (vectors @ queries.T).astype(np.float64) / np.maximum(length, 1e-9)[:, None]
    return cosines.round(4)


def _support(similarities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the largest of each row."""
    count = min(SUPPORT, similarities.shape[1])
    largest = -np.partition(-similarities, count - 1, axis=1)[:, :count]
    means: NDArray[np.float64] = np.sort(largest, axis=1).mean(axis=1)
    return means.round(4)


def _score(similarities: NDArray[np.float64]) -> float:
    return float(_support(similarities[None])[0])


def _closest(similarities: NDArray[np.float64], ids: Sequence[str]) -> list[str]:
    return [ids[n] for n in np.argsort(-similarities, kind="stable")[:SUPPORT]]


def _cooccurrence(index: Index, history: Sequence[str], k: int, depth: int) -> Unit:
    """Items by the similarities to the sequence's items; a node by the sum of those below it, as a share of all."""
    tables = index.manifest.cooccurrence
    if not tables:
        return Unit(absent="the recipe names no `index.sequences`")
    near = _neighbours(index, tables, history)
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    for row in near.to_pylist():
        if row["neighbour"] not in history:
            scores[row["neighbour"]][row["id"]] = row["similarity"]
    total = {id_: round(_mean_of_largest(by), 6) for id_, by in scores.items()}
    best = sorted(total, key=lambda id_: (-total[id_], id_))[:k]
    rows = index.rows_with(best)
    captions = dict(
        zip(rows[rows >= 0], index.described(rows[rows >= 0], ("caption",))["caption"].to_pylist(), strict=True)
    )
    items = [NearItem(id_, total[id_], captions.get(row)) for id_, row in zip(best, rows, strict=True)]
    return Unit(_nodes_of(index, scores, depth, k), items)


def _neighbours(index: Index, tables: Sequence[Stored], ids: Sequence[str]) -> pa.Table:
    wanted = pa.array(sorted(set(ids)), pa.string())
    parts = (pq.read_table(local(index.store, file), memory_map=True, use_threads=False) for file in tables)
    return pa.concat_tables([table.filter(pc.is_in(table["id"], value_set=wanted)) for table in parts])


def _mean_of_largest(by: Mapping[str, float]) -> float:
    largest = sorted(by.values(), reverse=True)[:SUPPORT]
    return sum(largest) / SUPPORT


def _nodes_of(index: Index, scores: Mapping[str, Mapping[str, float]], depth: int, k: int) -> list[NearNode]:
    ids = sorted(scores)
    rows = index.rows_with(ids)
    indexed = [(id_, int(row)) for id_, row in zip(ids, rows, strict=True) if row >= 0]
    below: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for id_, row in indexed:
        node = index.leaf_of(row) >> (index.depth - depth)
        for source, similarity in scores[id_].items():
            below[node][source] += similarity
    whole = sum(sum(by.values()) for by in below.values())
    shares = {node: round(sum(by.values()) / whole, 6) for node, by in below.items()}
    best = sorted(shares, key=lambda node: (-shares[node], node))[:k]
    return [
        NearNode(
            depth,
            node,
            index.size(depth, node),
            shares[node],
            sorted(below[node], key=lambda i: (-below[node][i], i))[:SUPPORT],
        )
        for node in best
    ]
