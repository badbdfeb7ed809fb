"""Product quantisation of patch features: N independent sub-codebooks, fitted in seconds, no network.

It compresses pixels and has no semantics. Exact integer arithmetic makes its codes the same
bytes for any batch, thread count and machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dataengine.errors import RunError
from dataengine.media.video.sampling import PRESETS
from dataengine.tokenize.base import Codes, Frame, Timeline, Video, code_dtype
from dataengine.tokenize.checkpoint import digest, pack, unpack
from dataengine.tokenize.kmeans import kmeans, nearest
from dataengine.tokenize.patches import FEATURES, Patcher, Patches, pixels
from dataengine.tokenize.sample import PatchSample

_Bytes = NDArray[np.uint8]
_NOTHING = np.empty(0, np.int16)


class ProductConfig(BaseModel):
    """``entries`` is what a codebook may have; the fitted ones have ``codebook_sizes``, fewer where the corpus has fewer
    distinct patches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["product"] = "product"
    version: Literal[1] = 1
    codebooks: Annotated[int, Field(ge=1, le=FEATURES)] = 8
    entries: Annotated[int, Field(ge=2, le=1 << 16)] = 512
    min_tokens: Annotated[int, Field(ge=1)] = 4
    max_tokens: Annotated[int, Field(ge=4)] = 1280
    video: Video = PRESETS["released"]
    patches: Annotated[int, Field(ge=1)] = 200_000
    iterations: Annotated[int, Field(ge=1)] = 12
    seed: Annotated[int, Field(ge=0)] = 0


class ProductTokenizer:
    """``dims[i]`` are the features that codebook i ``(entries, len(dims[i])) int16`` quantises."""

    name = "product"
    prepared: Any = Patches

    def __init__(self, config: ProductConfig, dims: Sequence[NDArray[np.int16]], books: Sequence[NDArray[np.int16]]):
        self.config = config
        self._dims = list(dims)
        self._books = list(books)

    @cached_property
    def id(self) -> str:
        return digest(self._metadata(), self._tensors())

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        return tuple(len(book) for book in self._books)

    @classmethod
    def preparer(cls, config: ProductConfig) -> Patcher:
        return Patcher(config.min_tokens, config.max_tokens, config.video)

    def prepare(self, frames: Sequence[Frame], timeline: Timeline | None = None) -> Patches:
        """A picture, or frames of a video at their sizes → patch features. Raises InputError."""
        return self.preparer(self.config)(frames, timeline)

    def setup(self, device: str, threads: int) -> None:
        """Nothing to load: integers on the CPU, whatever the device."""

    @property
    def together(self) -> int:
        return 1

    def encode(self, prepared: Sequence[Patches]) -> list[Codes]:
        """Codes of each sample, all patches of the batch at once."""
        if not prepared:
            return []
        features = np.concatenate([p.features for p in prepared])
        dtype = code_dtype(self.codebook_sizes)
        columns = [nearest(features[:, d], b) for d, b in zip(self._dims, self._books, strict=True)]
        tokens = np.stack(columns, axis=1).astype(dtype)
        parts = np.split(tokens, np.cumsum([len(p.features) for p in prepared])[:-1])
        return [Codes(part, p.grid, p.timeline) for part, p in zip(parts, prepared, strict=True)]

    def decode(self, codes: Codes) -> list[_Bytes]:
        """``(H, W, 3)`` RGB a frame. Raises RunError for codes of another shape or outside the codebooks."""
        if codes.tokens.shape[1] != len(self._books) or (codes.tokens >= np.array(self.codebook_sizes)).any():
            raise RunError(f"codes do not fit tokenizer {self.id} with codebooks of {self.codebook_sizes}")
        features = np.zeros((len(codes.tokens), FEATURES), np.int16)
        for column, dims, book in zip(codes.tokens.T, self._dims, self._books, strict=True):
            features[:, dims] = book[column]
        grids = codes.timeline.grids(codes.grid) if codes.timeline else [codes.grid[1:]] * codes.grid[0]
        parts = np.split(features, np.cumsum(codes.frame_tokens)[:-1])
        return [pixels(part, h, w) for part, (h, w) in zip(parts, grids, strict=True)]

    def save(self) -> bytes:
        return pack(self._metadata(), self._tensors())

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Raises RunError for a damaged file, another tokenizer's or one of another version."""
        metadata, tensors = unpack(data)
        sizes = metadata.pop("codebook_sizes", [])
        try:
            config = ProductConfig.model_validate(metadata)
        except ValidationError as error:
            raise RunError(f"not a checkpoint of the product tokenizer: {error}") from error
        every = range(config.codebooks)
        dims, books = ([tensors.get(f"{kind}.{i}", _NOTHING) for i in every] for kind in ("dims", "codebook"))
        whole = np.array_equal(np.sort(np.concatenate(dims)), np.arange(FEATURES))
        if not whole or [b.shape for b in books] != [(n, len(d)) for n, d in zip(sizes, dims, strict=False)]:
            raise RunError("damaged checkpoint of the product tokenizer: codebooks are missing or of the wrong shape")
        return cls(config, dims, books)

    @classmethod
    def fit(cls, config: ProductConfig, samples: Iterator[tuple[str, Patches]]) -> Self:
        """Fit to ``(id, prepared)`` pairs in any order. Raises RunError where there is no sample."""
        sample = PatchSample(config.patches, config.seed)
        has_samples = False
        for id_, prepared in samples:
            sample.add(id_, prepared.features)
            has_samples = True
        if not has_samples:
            raise RunError("no sample to fit the tokenizer on: was everything filtered out?")
        rows = sample.rows()
        dims = allocate(rows, config.codebooks)
        books = [
            kmeans(rows[:, d], config.entries, iterations=config.iterations, seed=config.seed + i)
            for i, d in enumerate(dims)
        ]
        return cls(config, dims, books)

    def _metadata(self) -> dict[str, Any]:
        return {**self.config.model_dump(), "codebook_sizes": list(self.codebook_sizes)}

    def _tensors(self) -> dict[str, NDArray[np.int16]]:
        books = {f"codebook.{i}": book for i, book in enumerate(self._books)}
        return books | {f"dims.{i}": dims for i, dims in enumerate(self._dims)}


def allocate(rows: NDArray[np.int16], parts: int) -> list[NDArray[np.int16]]:
    """Split the features of ``(n, D)`` rows into ``parts`` of equal size and similar product of variances, to
    balance the codebooks: eigenvalue allocation of Optimized Product Quantization (Ge et al. 2013, §3.2)."""
    variances = _variances(rows)
    room = -(-len(variances) // parts)
    groups: list[list[int]] = [[] for _ in range(parts)]
    load = [0.0] * parts
    for d in sorted(range(len(variances)), key=lambda d: (-variances[d], d)):
        to = min((p for p in range(parts) if len(groups[p]) < room), key=lambda p: (len(groups[p]) > 0, load[p], p))
        groups[to].append(d)
        load[to] += float(np.log(max(variances[d], 1.0)))
    return [np.array(sorted(group), np.int16) for group in groups]


def _variances(rows: NDArray[np.int16]) -> list[float]:
    """Population variances from exact sums."""
    wide = rows.astype(np.int64)
    n = len(rows)
    return [(n * int(q) - int(s) ** 2) / n**2 for s, q in zip(wide.sum(0), (wide * wide).sum(0), strict=True)]
