"""FLOPs of sequences, and the order in which the ranks of every step have nearly equal ones.

Attention is quadratic in a document's length, so sequences of equal length differ. As in Keye-VL (arXiv 2507.01949, training): of
each global batch the sequences, the costliest first, go to the lightest rank; then pairs are exchanged as long as that helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

F64: TypeAlias = NDArray[np.float64]
I64: TypeAlias = NDArray[np.int64]
_EXCHANGES = 200


def flops(lengths: Sequence[int] | I64, hidden_size: int) -> float:
    """Cost of documents of these lengths in units of one token's linear layers (24 h² multiplications a layer): causal attention
    adds l / (12 h) a token (2 h l of them)."""
    array = np.asarray(lengths, np.float64)
    return float((array + array**2 / (12 * hidden_size)).sum())


def balanced(costs: F64, ranks: int, batch: int) -> I64:
    """Order of the sequences: position p of a batch of ``batch`` is of rank ``p % ranks``. Which sequences make a batch does not
    change; a last batch that is shorter is as it was."""
    order = np.arange(len(costs))
    for start in range(0, len(costs) - batch + 1, batch):
        rows = order[start : start + batch]
        order[start : start + batch] = rows[_assigned(costs[rows], ranks)]
    return order


def _assigned(costs: F64, ranks: int) -> I64:
    """Order of one batch."""
    groups: list[list[int]] = [[] for _ in range(ranks)]
    loads = np.zeros(ranks)
    each = len(costs) // ranks
    for i in np.argsort(-costs, kind="stable").tolist():
        open_ = [r for r in range(ranks) if len(groups[r]) < each]
        rank = min(open_, key=lambda r: (loads[r], r))
        groups[rank].append(i)
        loads[rank] += costs[i]
    _exchange(groups, loads, costs)
    return np.array([groups[rank][step] for step in range(each) for rank in range(ranks)], np.int64)


def _exchange(groups: list[list[int]], loads: F64, costs: F64) -> None:
    """Exchange sequences of the heaviest and the lightest rank while that brings the two closer."""
    for _ in range(_EXCHANGES):
        heavy, light = int(loads.argmax()), int(loads.argmin())
        gap = loads[heavy] - loads[light]
        a, b = costs[groups[heavy]], costs[groups[light]]
        difference = a[:, None] - b[None, :]
        after = np.abs(gap - 2 * difference)
        best = int(after.argmin())
        i, j = divmod(best, len(b))
        if after[i, j] >= gap - 1e-9:
            return
        groups[heavy][i], groups[light][j] = groups[light][j], groups[heavy][i]
        loads[heavy] -= difference[i, j]
        loads[light] += difference[i, j]


def imbalance(costs: F64, ranks: int, batch: int) -> float:
    """Mean over whole batches of how much more the heaviest rank has than the mean one; 0.0 without a whole batch."""
    whole = len(costs) // batch * batch
    if not whole:
        return 0.0
    loads = costs[:whole].reshape(-1, batch // ranks, ranks).sum(axis=1)
    return float((loads.max(axis=1) / loads.mean(axis=1) - 1).mean())
