"""Arrays as .npy objects of the workspace."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.storage.store import Store
from dataengine.storage.workspace import File


def write(store: Store, key: str, array: NDArray[Any]) -> File:
    """Publish an array, in C order."""
    sink = io.BytesIO()
    np.save(sink, np.ascontiguousarray(array), allow_pickle=False)
    data = sink.getvalue()
    return File(key, store.put(key, data), len(data), len(array))


def read(store: Store, file: File) -> NDArray[Any]:
    """The array. Raises RunError where its object is damaged."""
    array: NDArray[Any] = np.load(io.BytesIO(store.get(file.key, file.sha256)), allow_pickle=False)
    return array


def joined(store: Store, files: Sequence[File]) -> NDArray[Any]:
    """The arrays of several files, one after another."""
    return np.concatenate([read(store, file) for file in files])
