"""What a tokenizer is: media in, a grid of discrete codes out. The seam for every tokenizer that follows."""

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


#: Slow-Fast sampling in a configuration: the name of a preset, or its fields.
Video = Annotated[SlowFast, BeforeValidator(preset)]


def code_dtype(codebook_sizes: Sequence[int]) -> np.dtype[Any]:
    """The smallest of uint8, uint16 and uint32 that holds the largest codebook."""
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
        if min(self.grid) < 1 or sum(self.frame_tokens) != len(self.tokens):
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
        """Of a picture."""

    @property
    def max_tokens(self) -> int:
        """Of a picture."""

    @property
    def video(self) -> SlowFast:
        """How frames of a video are chosen and sized."""

    def grid(self, height: int, width: int) -> Grid:
        """Grid of the codes of a picture, known before anything is decoded. Raises InputError where it has none."""

    def __call__(self, frames: Sequence[Frame], timeline: Timeline | None = None) -> Any:
        """A picture ``(H, W, 3)`` RGB, or the frames of a video at the sizes of their kinds → what ``encode`` takes.
        Raises InputError."""


class Tokenizer(Protocol):
    """A fitted tokenizer. ``save`` gives safetensors with the configuration in its metadata, never code."""

    name: str
    config: Any

    @property
    def id(self) -> str:
        """Digest of configuration and weights; stands in every table and file of codes."""

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each codebook."""

    @classmethod
    def preparer(cls, config: Any) -> Preparer:
        """What the decode child runs, before and after fitting."""

    def prepare(self, frames: Sequence[Frame], timeline: Timeline | None = None) -> Any:
        """``preparer`` of this tokenizer's configuration, called."""

    def setup(self, device: str, threads: int) -> None:
        """Before ``encode`` in a worker. ``device`` is auto, cpu, cuda or cuda:N."""

    @property
    def together(self) -> int:
        """How many samples ``encode`` likes to get at once."""

    def encode(self, prepared: Sequence[Any]) -> list[Codes]:
        """Codes of each sample; on one kind of device the same whatever else is in the batch."""

    def decode(self, codes: Codes) -> list[NDArray[np.uint8]] | None:
        """``(H, W, 3)`` RGB a frame, or None where a tokenizer cannot go back."""

    def save(self) -> bytes: ...

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Raises RunError for a file that is damaged or another tokenizer's."""


def framewise(arrays: Sequence[NDArray[Any]], timeline: Timeline | None) -> list[tuple[list[int], NDArray[Any]]]:
    """Frames of one size together: indices of the slow (or only) ones and those of the fast ones, each with the stack."""
    kinds = timeline.kinds if timeline else (SLOW,) * len(arrays)
    groups = [[i for i, k in enumerate(kinds) if k == kind] for kind in (SLOW, FAST)]
    return [(group, np.stack([arrays[i] for i in group])) for group in groups if group]


def facts(tokenizer: Tokenizer) -> dict[str, Any]:
    """What manifests and cards tell of a tokenizer, whatever its kind."""
    preparer = tokenizer.preparer(tokenizer.config)
    return {
        "name": tokenizer.name,
        "id": tokenizer.id,
        "codebook_sizes": list(tokenizer.codebook_sizes),
        "picture_tokens": [preparer.min_tokens, preparer.max_tokens],
        "video": asdict(preparer.video),
    }
