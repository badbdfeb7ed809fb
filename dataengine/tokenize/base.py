"""The visual tokenizer interface: media in, a grid of discrete codes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from dataengine.media.video.sampling import FAST, SLOW, SlowFast, preset

Grid = tuple[int, int, int]
Frame = NDArray[np.uint8]

#: Frames of a video that a tokenizer is fitted on.
FIT_FRAMES = 4

#: Slow-Fast sampling in a configuration: the name of a preset, or its fields.
Video = Annotated[SlowFast, BeforeValidator(preset)]


def code_dtype(codebook_sizes: Sequence[int]) -> np.dtype[Any]:
    """Smallest of uint8, uint16 and uint32 that holds the indices of the largest codebook."""
    return np.min_scalar_type(max(codebook_sizes) - 1)


@dataclass(frozen=True)
class Timeline:
    """The frames of a video in order: their ``kinds`` (SLOW or FAST), ``times`` in seconds from its first frame, and
    ``fast``, (h, w) of a fast frame's grid. Slow-Fast: Keye-VL-1.5 (arXiv 2509.01563)."""

    kinds: tuple[int, ...]
    times: tuple[float, ...]
    fast: tuple[int, int]

    def grids(self, grid: Grid) -> list[tuple[int, int]]:
        """(h, w) of each frame, where ``grid`` has those of the slow ones."""
        return [self.fast if kind == FAST else grid[1:] for kind in self.kinds]


@dataclass(frozen=True, eq=False)
class Codes:
    """Local codes of one sample: ``tokens[p, i]`` counts from 0 within codebook i.

    ``tokens`` is ``(T, N)`` uint8, uint16 or uint32, frame by frame in raster order; ``grid`` is (t, h, w) in merged
    patches, for a video of t frames with h and w of the slow ones. A picture has no ``timeline`` and
    ``t * h * w == T``. Raises ValueError where they do not fit.
    """

    tokens: NDArray[Any]
    grid: Grid
    timeline: Timeline | None = None

    def __post_init__(self) -> None:
        if self.tokens.ndim != 2 or self.tokens.dtype not in (np.uint8, np.uint16, np.uint32):
            raise ValueError(f"codes are (T, N) unsigned numbers, not {self.tokens.shape} {self.tokens.dtype}")
        if (
            not 1 <= self.grid[0] <= len(self.tokens)
            or min(self.grid) < 1
            or sum(self.frame_tokens) != len(self.tokens)
        ):
            raise ValueError(f"{len(self.tokens)} tokens do not fill a grid of {self.grid}, {self.timeline}")
        line = self.timeline
        if line and not (len(line.kinds) == len(line.times) == self.grid[0] and set(line.kinds) <= {SLOW, FAST}):
            raise ValueError(f"{self.grid[0]} frames do not have the kinds and times of {line}")

    @property
    def frame_tokens(self) -> list[int]:
        """Tokens of each frame."""
        t, h, w = self.grid
        return [h * w for h, w in self.timeline.grids(self.grid)] if self.timeline else [h * w] * t

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Codes):
            return NotImplemented
        same = self.tokens.dtype == other.tokens.dtype and np.array_equal(self.tokens, other.tokens)
        return same and self.grid == other.grid and self.timeline == other.timeline

    __hash__ = None  # type: ignore[assignment]


class Preparer(Protocol):
    """The part of a tokenizer that runs in the decode child: picklable, needs no weights, imports no model library."""

    @property
    def min_tokens(self) -> int:
        """Fewest tokens of a picture."""

    @property
    def max_tokens(self) -> int:
        """Most tokens of a picture."""

    @property
    def video(self) -> SlowFast:
        """How frames of a video are chosen and sized."""

    def grid(self, height: int, width: int) -> Grid:
        """Grid of a picture's codes, from its size alone. Raises InputError where the size does not fit."""

    def __call__(self, frames: Sequence[Frame], timeline: Timeline | None = None) -> Any:
        """Preprocess a picture ``(H, W, 3)`` RGB, or the frames of a video at the sizes of their kinds, for ``encode``.
        Raises InputError."""


class Tokenizer(Protocol):
    """A fitted tokenizer. ``save`` gives safetensors with the configuration in its metadata, never code."""

    name: str
    config: Any
    prepared: Any
    """Type of what ``preparer`` gives: arrays, numbers and texts in lists or dataclasses."""

    @property
    def id(self) -> str:
        """Digest of configuration and weights; part of every table and file of codes."""

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each codebook."""

    @classmethod
    def preparer(cls, config: Any) -> Preparer:
        """Preprocessing for the decode child, known before the tokenizer is fitted."""

    def prepare(self, frames: Sequence[Frame], timeline: Timeline | None = None) -> Any:
        """Apply the ``preparer`` of this tokenizer's configuration."""

    def setup(self, device: str, threads: int) -> None:
        """Load weights onto ``device`` (auto, cpu, cuda or cuda:N); once in a worker, before ``encode``."""

    @property
    def together(self) -> int:
        """Batch size that ``encode`` works best with, in samples."""

    def encode(self, prepared: Sequence[Any]) -> list[Codes]:
        """Codes of each sample; on one kind of device the same whatever else is in the batch."""

    def decode(self, codes: Codes) -> list[NDArray[np.uint8]] | None:
        """Reconstruct ``(H, W, 3)`` RGB frames; None where the tokenizer has no decoder."""

    def save(self) -> bytes: ...

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Load a checkpoint. Raises RunError for a damaged file or another tokenizer's."""


def framewise(arrays: Sequence[NDArray[Any]], timeline: Timeline | None) -> list[tuple[list[int], NDArray[Any]]]:
    """Stack frames of one size: ``(indices, frames)`` of the slow (or only) ones and of the fast ones."""
    kinds = timeline.kinds if timeline else (SLOW,) * len(arrays)
    groups = [[i for i, k in enumerate(kinds) if k == kind] for kind in (SLOW, FAST)]
    return [(group, _stacked([arrays[i] for i in group])) for group in groups if group]


def _stacked(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return np.stack(arrays) if len(arrays) > 1 else arrays[0][None]


def facts(tokenizer: Tokenizer) -> dict[str, Any]:
    """Facts of a tokenizer for manifests and cards, whatever its kind."""
    preparer = tokenizer.preparer(tokenizer.config)
    return {
        "name": tokenizer.name,
        "id": tokenizer.id,
        "codebook_sizes": list(tokenizer.codebook_sizes),
        "picture_tokens": [preparer.min_tokens, preparer.max_tokens],
        "video": asdict(preparer.video),
    }
