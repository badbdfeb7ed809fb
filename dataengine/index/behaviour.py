"""Search by a sequence of behaviour: the two general search units (GSU) of MISS (arXiv 2508.14515).

The multimodal unit compares vectors, the co-occurrence unit how often ids occur near each other in the sequences of others. Each
gives the nodes and items that are nearest to the sequence, and with every node those of the sequence's items that are nearest to
it, which is what a ranking model reads. The paper's excerpts that we could read do not say how one number is made of a
sequence: here it is the mean of an item's ``SUPPORT`` largest similarities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dataengine.index.manifest import Stored
from dataengine.index.search import Index, Mask, local

Float32 = NDArray[np.float32]

#: Similarities that a score is the mean of, at most; and items of the sequence named with each node.
SUPPORT = 5
#: Leaves for each item of the sequence.
BEAM = 64
#: Cosines that are in memory at once.
_COSINES = 1 << 22


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


def search(
    index: Index,
    sequence: Sequence[str],
    k: int = 20,
    beam: int = BEAM,
    depth: int | None = None,
    allowed: Mask | None = None,
) -> Behaviour:
    """``k`` nodes of the kept layer at ``depth`` (the leaves) and ``k`` items a unit, of the rows that are ``allowed`` (all);
    items of the sequence itself are none of them. An id that recurs counts once."""
    history = list(dict.fromkeys(sequence))
    rows = index.rows_with(history)
    known = [id_ for id_, row in zip(history, rows, strict=True) if row >= 0]
    layer = max(d for d in index.nodes if depth is None or d <= depth)
    multimodal = (
        _multimodal(index, known, rows[rows >= 0], k, beam, layer, allowed)
        if known
        else Unit(absent="no id of the sequence is in the index")
    )
    unknown = [id_ for id_, row in zip(history, rows, strict=True) if row < 0]
    return Behaviour(multimodal, _cooccurrence(index, history, k, layer, allowed), unknown)


def _multimodal(
    index: Index, ids: Sequence[str], rows: Any, k: int, beam: int, depth: int, allowed: Mask | None
) -> Unit:
    queries = index.take(rows).astype(np.float32)
    queries /= np.sqrt(np.einsum("ij,ij->i", queries, queries))[:, None]
    beams = [index.beam(query, beam) for query in queries]
    place = list(index.nodes).index(depth)
    numbers = np.unique(np.concatenate([beam_[place][0] for beam_ in beams]))
    means = _scores(lambda some: np.asarray(index.nodes[depth][some], np.float32), numbers, queries)
    best = np.lexsort((numbers, -means))[:k]
    cosines = _cosines(np.asarray(index.nodes[depth][numbers[best]], np.float32), queries)
    nodes = [
        NearNode(depth, number, index.size(depth, number), float(means[n]), _closest(own, ids))
        for n, number, own in zip(best, numbers[best].tolist(), cosines, strict=True)
    ]
    leaves = np.unique(np.concatenate([beam_[-1][0] for beam_ in beams]))
    candidates = np.setdiff1d(index.rows_of(leaves), rows)
    if allowed is not None:
        candidates = candidates[allowed[candidates]]
    scores = _scores(lambda some: index.take(some).astype(np.float32), candidates, queries)
    order = np.lexsort((candidates, -scores))[:k]
    shown = index.described(candidates[order], ("id", "caption")).to_pylist()
    items = [NearItem(row["id"], float(scores[n]), row["caption"]) for row, n in zip(shown, order, strict=True)]
    return Unit(nodes, items)


def _scores(read: Callable[[Any], Float32], rows: Any, queries: Float32) -> NDArray[np.float64]:
    """Score of each row of a sequence of ``queries``, some rows in memory at a time."""
    step = max(1, _COSINES // max(queries.shape))
    some = (rows[start : start + step] for start in range(0, len(rows), step))
    return np.concatenate([np.zeros(0), *(_support(_cosines(read(piece), queries)) for piece in some)])


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


def _closest(similarities: NDArray[np.float64], ids: Sequence[str]) -> list[str]:
    return [ids[n] for n in np.argsort(-similarities, kind="stable")[:SUPPORT]]


def _cooccurrence(index: Index, history: Sequence[str], k: int, depth: int, allowed: Mask | None) -> Unit:
    """Items by the similarities to the sequence's items; a node by the sum of those below it, as a share of all."""
    tables = index.manifest.cooccurrence
    if not tables:
        return Unit(absent="the recipe has no `index.sequences`")
    near = _neighbours(index, tables, history)
    scores: Mapping[str, dict[str, float]] = defaultdict(dict)
    own = set(history)
    for row in near.to_pylist():
        if row["neighbour"] not in own:
            scores[row["neighbour"]][row["id"]] = row["similarity"]
    if allowed is not None:
        names = sorted(scores)
        scores = {
            id_: scores[id_]
            for id_, row in zip(names, index.rows_with(names), strict=True)
            if row >= 0 and allowed[row]
        }
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
    shares = {node: round(sum(by.values()) / (whole or 1.0), 6) for node, by in below.items()}
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
