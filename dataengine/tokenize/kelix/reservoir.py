"""Joins the parts' samples of features into one for k-means: in memory, or where it is too large, in a mapped file."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.storage.store import Store

_ROOM = 0.9
"""Share of a disk's free space that may be taken."""


@contextmanager
def reservoir(store: Store, files: Sequence[str], most: int, width: int, held: float) -> Iterator[NDArray[np.float32]]:
    """``(n, width)``: of all parts' features the ``most`` with the smallest keys, ordered by them. More than ``held`` bytes lie
    in a file of the temporary folder while the context is open. Raises RunError where that has no room."""
    keys = [_read(store, key, "keys") for key in files]
    order = np.argsort(np.concatenate(keys), kind="stable")[:most]
    place = np.full(sum(map(len, keys)), -1)
    place[order] = np.arange(len(order))
    with tempfile.TemporaryDirectory() as folder:
        rows = _room((len(order), width), held, Path(folder))
        for key, own in zip(files, np.split(place, np.cumsum([len(k) for k in keys])[:-1]), strict=True):
            rows[own[own >= 0]] = _read(store, key, "rows")[own >= 0]
        yield rows


def _read(store: Store, key: str, name: str) -> NDArray[np.float32]:
    array: NDArray[np.float32] = np.load(io.BytesIO(store.get(key)))[name]
    return array


def _room(shape: tuple[int, int], held: float, folder: Path) -> NDArray[np.float32]:
    need, free = 4 * shape[0] * shape[1], shutil.disk_usage(folder).free
    if need <= held:
        return np.empty(shape, np.float32)
    if need > _ROOM * free:
        raise RunError(
            f"{shape[0]:,} vectors for the centres take {need / 1e9:.1f} GB, the temporary folder {folder.parent} has "
            f"{free / 1e9:.1f} GB: name a larger one by TMPDIR, or lower training.centre_tokens"
        )
    return np.memmap(folder / "vectors", np.float32, "w+", shape=shape)
