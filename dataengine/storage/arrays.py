"""Named arrays as one object, for what a long part saves of itself so that it can go on."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.storage.store import Store

Arrays = dict[str, NDArray[Any]]


def write_arrays(store: Store, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays in place of what is there."""
    out = io.BytesIO()
    members: dict[str, Any] = dict(arrays)
    np.savez(out, **members)
    store.put(key, out.getvalue())


def read_arrays(store: Store, key: str) -> Arrays | None:
    """Arrays of ``write_arrays``; None where there are none."""
    try:
        data = store.get(key)
    except FileNotFoundError:
        return None
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)
