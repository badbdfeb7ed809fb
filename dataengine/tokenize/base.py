"""What a tokenizer is: media in, a grid of discrete codes out. The seam for every tokenizer that follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Grid = tuple[int, int, int]
Frame = NDArray[np.uint8]


def code_dtype(codebook_sizes: Sequence[int]) -> np.dtype[Any]:
    """The smallest of uint16 and uint32 that holds the largest codebook."""
    return np.dtype(np.uint16 if max(codebook_sizes) <= 1 << 16 else np.uint32)


@dataclass(frozen=True, eq=False)
class Codes:
    """Local codes of one sample: ``tokens[p, i]`` counts from 0 within codebook i.

    ``tokens`` is ``(T, N)`` uint16 or uint32 in raster order, ``grid`` is (t, h, w) in merged patches with
    ``t * h * w == T``. Raises ValueError where they do not fit.
    """

    tokens: NDArray[Any]
    grid: Grid

    def __post_init__(self) -> None:
        if self.tokens.ndim != 2 or self.tokens.dtype not in (np.uint16, np.uint32):
            raise ValueError(f"codes are (T, N) uint16 or uint32, not {self.tokens.shape} {self.tokens.dtype}")
        if min(self.grid) < 1 or np.prod(self.grid, dtype=np.int64) != len(self.tokens):
            raise ValueError(f"{len(self.tokens)} tokens do not fill a grid of {self.grid}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Codes):
            return NotImplemented
        same = self.tokens.dtype == other.tokens.dtype and np.array_equal(self.tokens, other.tokens)
        return same and self.grid == other.grid

    __hash__ = None  # type: ignore[assignment]


class Preparer(Protocol):
    """The part of a tokenizer that runs in the decode child: picklable, needs no weights, imports no model library."""

    @property
    def frames(self) -> int:
        """How many evenly spaced frames of a video it wants; of a still it gets one."""

    def grid(self, height: int, width: int, frames: int) -> Grid:
        """Grid of the codes of such media, known before anything is decoded. Raises InputError where it has none."""

    def __call__(self, frames: Sequence[Frame]) -> Any:
        """``(H, W, 3)`` RGB frames of one size → what ``encode`` takes. Raises InputError."""


class Tokenizer(Protocol):
    """A fitted tokenizer. ``save`` gives safetensors with the configuration in its metadata, never code."""

    name: str

    @property
    def id(self) -> str:
        """Digest of configuration and weights; stands in every table and file of codes."""

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each codebook."""

    @classmethod
    def preparer(cls, config: Any) -> Preparer:
        """What the decode child runs, before and after fitting."""

    def prepare(self, frames: Sequence[Frame]) -> Any:
        """``preparer`` of this tokenizer's configuration, called."""

    def encode(self, prepared: Sequence[Any]) -> list[Codes]:
        """Codes of each sample; the same whatever else is in the batch."""

    def decode(self, codes: Codes) -> NDArray[np.uint8] | None:
        """``(t, H, W, 3)`` RGB, or None where a tokenizer cannot go back."""

    def save(self) -> bytes: ...

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Raises RunError for a file that is damaged or another tokenizer's."""

    @classmethod
    def fit(cls, config: Any, samples: Iterator[tuple[str, Any]]) -> Self:
        """From ``(sample id, prepared)`` in any order; same samples, same bits. Raises RunError where there are none."""


def facts(tokenizer: Tokenizer) -> Mapping[str, Any]:
    """What manifests and cards tell of a tokenizer."""
    return {"name": tokenizer.name, "id": tokenizer.id, "codebook_sizes": list(tokenizer.codebook_sizes)}
