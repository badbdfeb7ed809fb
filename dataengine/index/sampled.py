"""A sample of an index's vectors by id and seed, from files of which one is in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.index import vectors
from dataengine.samples.draws import SmallestKeys, draws
from dataengine.storage.workspace import File, Workspace, digest

Float32 = NDArray[np.float32]


class Sampled(NamedTuple):
    """``ids`` in the order of their draws, and ``(n, d)`` vectors."""

    ids: tuple[str, ...]
    vectors: Float32

    @property
    def digest(self) -> str:
        """Of the ids, whatever their order."""
        return digest(sorted(self.ids))


def sampled(
    workspace: Workspace,
    files: Sequence[File],
    most: int,
    seed: int,
    use: str,
    transform: Callable[[NDArray[np.float16]], Float32] | None = None,
) -> Sampled:
    """At most ``most`` vectors of files of VECTORS, each ``use`` with draws of its own, as float32 or by ``transform``."""
    smallest = SmallestKeys(most)
    for n, file in enumerate(files):
        column: Any = workspace.read_table([file], vectors.VECTORS, ("id",))["id"]
        if len(column):
            places = np.c_[np.full(len(column), n), np.arange(len(column))]
            smallest.add(draws(seed, column.to_pylist(), use), places)
    if not most or not any(file.rows for file in files):
        return Sampled((), np.zeros((0, 0), np.float32))
    places = smallest.rows()
    names, rows = [""] * len(places), None
    for n in np.unique(places[:, 0]):
        column, some = vectors.read(workspace, [files[n]])
        slots = np.flatnonzero(places[:, 0] == n)
        chosen = some[places[slots, 1]]
        transformed = chosen.astype(np.float32) if transform is None else transform(chosen)
        if rows is None:
            rows = np.empty((len(places), transformed.shape[1]), np.float32)
        rows[slots] = transformed
        for place, id_ in zip(slots, column.take(pa.array(places[slots, 1])).to_pylist(), strict=True):
            names[place] = id_
    assert rows is not None
    return Sampled(tuple(names), rows)
