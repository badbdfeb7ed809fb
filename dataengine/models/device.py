"""Torch set up for reproducible inference, and batches of one fixed shape."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError

Float32 = NDArray[np.float32]


def start_torch(device: str, threads: int) -> str:
    """Make torch deterministic; the device it will compute on (``auto``: cuda where there is one, else cpu). Raises RunError
    where there is no such device."""
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise RunError(f"device is {device}, but torch sees no CUDA device here: use `auto` or `cpu`")
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def reproducible() -> None:
    """Make training on CUDA deterministic, too: sums of a backward pass are then in one order. It takes a little time and memory,
    and has to be called before CUDA computes."""
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010  (its stubs do not know it)


def batch_of(device: str) -> int:
    """Rows a batch for a small network: on a CPU more do not fit its caches (lite0 on one core: 80 images/s by 4, 62 by 8,
    31 by 32)."""
    return 4 if device == "cpu" else 64


def padded(rows: NDArray[Any], size: int) -> Iterator[tuple[NDArray[Any], int]]:
    """Batches of exactly ``size`` rows, the last filled up with zeros, and how many rows of each count. One shape for every
    batch means one computation for every row: an output then does not depend on what else is computed."""
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        missing = size - len(batch)
        filled = np.concatenate([batch, np.zeros((missing, *rows.shape[1:]), rows.dtype)]) if missing else batch
        yield filled, len(batch)


def unit(rows: Float32) -> Float32:
    """Rows at unit length."""
    scaled: Float32 = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return scaled
