"""What a scorer is: pixels and captions in, columns out. Scores are float64 rounded to 1e-4, so that a policy compares
the very number that is stored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.errors import RunError

Frame = NDArray[np.uint8]
Columns = dict[str, list[Any]]


class Scorer(Protocol):
    """Adds columns to a sample. Pickles before ``setup``; ``prepare`` runs in a decode child, all else beside the model."""

    name: str
    fields: list[pa.Field[Any]]
    """Columns it adds, without id."""
    frames: int
    """Frames it wants of a video; a still gives one."""
    min_side: int | None
    """Shorter side that is enough for it, None for full size."""

    @property
    def version(self) -> str:
        """Names checkpoint and preprocessing, known without loading a model: part of the annotation table's name."""

    def validate(self) -> None:
        """Find mistakes of configuration before any media is read. Raises UsageError."""

    def prepare(self, frames: Sequence[Frame]) -> Any:
        """``(H, W, 3)`` upright RGB frames → small arrays; imports no model library."""

    def setup(self, device: str, threads: int) -> None:
        """Load weights. ``device`` is auto, cpu, cuda or cuda:N."""

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        """One value a sample and field, in the order given; batches are formed in this order with a fixed size."""


def stored(value: float) -> float:
    """A score as it is stored: 4 decimals, and no negative zero."""
    return round(float(value), 4) + 0.0 if math.isfinite(value) else float(value)


def start_torch(device: str, threads: int) -> str:
    """Set torch up to compute the same thing each time; the device it will compute on (``auto``: cuda where there is one,
    else cpu). Raises RunError where there is no such device."""
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise RunError(f"device is {device}, but torch sees no CUDA device here: use `auto` or `cpu`")
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def batch_of(device: str) -> int:
    """Rows a batch for a small network: on a CPU more do not fit its caches (lite0 on one core: 80 images/s by 4, 62 by 8,
    31 by 32)."""
    return 4 if device == "cpu" else 64


def padded(rows: NDArray[Any], size: int) -> Iterator[tuple[NDArray[Any], int]]:
    """Batches of exactly ``size`` rows, the last filled up with zeros, and how many rows of each count. One shape for every
    batch means one computation for every row: a score then does not depend on what else is scored."""
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        missing = size - len(batch)
        filled = np.concatenate([batch, np.zeros((missing, *rows.shape[1:]), rows.dtype)]) if missing else batch
        yield filled, len(batch)
