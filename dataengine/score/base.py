"""The scorer interface: pixels and captions in, columns out. Scores are float64 rounded to 1e-4, so that a policy compares
the very number that is stored."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.models.clip import ClipEncoder
from dataengine.models.device import Float32

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

    def prepare(self, frames: Sequence[Pixels]) -> Any:
        """``(H, W, 3)`` upright RGB frames → small arrays; imports no model library."""

    def setup(self, device: str, threads: int) -> None:
        """Load weights. ``device`` is auto, cpu, cuda or cuda:N."""

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        """One value a sample and field, in the order given; batches are formed in this order with a fixed size."""


class EmbeddingScorer(ABC):
    """Adds columns from embeddings that the stage ``embed`` has stored with the recipe's ``clip``; needs no media."""

    name: str
    fields: list[pa.Field[Any]]
    encoder: ClipEncoder
    """The factory hands over that of the scorer ``clip``."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Names encoder and preprocessing, known without loading a model."""

    @abstractmethod
    def validate(self) -> None:
        """Find mistakes of configuration before any media is read. Raises UsageError."""

    @abstractmethod
    def score(self, vectors: Sequence[Float32], captions: Sequence[Float32]) -> Columns:
        """``(D,)`` of each sample and ``(captions, D)`` of its captions, unit rows; one value a sample and field."""


@runtime_checkable
class FileScorer(Protocol):
    """Adds columns from what a decode child makes of a whole file; no model. Samples of other kinds than ``kinds`` have null."""

    name: str
    fields: list[pa.Field[Any]]
    kinds: tuple[str, ...]

    @property
    def version(self) -> str:
        """Names the measuring code."""

    def validate(self) -> None:
        """Find mistakes of configuration before any media is read. Raises UsageError."""

    def prepare_file(self, data: bytes, limits: Limits) -> dict[str, Any]:
        """A file's value of each field. Raises InputError."""


AnyScorer = Scorer | EmbeddingScorer | FileScorer


def stored(value: float) -> float:
    """A score as it is stored: 4 decimals, and no negative zero."""
    return round(float(value), 4) + 0.0 if math.isfinite(value) else float(value)
