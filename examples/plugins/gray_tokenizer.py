"""A plugin file: the tokenizer ``gray``, one code a patch of 28 x 28 px, its mean gray level between bounds that are fitted.

``tokenize: {tokenizer: {name: gray, levels: 16}}``
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

import dataengine
from dataengine.media.image.resize import PATCH
from dataengine.media.video.sampling import PRESETS
from dataengine.tokenize import checkpoint
from dataengine.tokenize.base import Codes, Frame, Timeline, Video, code_dtype
from dataengine.tokenize.patches import SCALE, Patcher, Patches


class GrayConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["gray"] = "gray"
    levels: Annotated[int, Field(ge=2, le=256)] = 16
    min_tokens: Annotated[int, Field(ge=1)] = 4
    max_tokens: Annotated[int, Field(ge=4)] = 1280
    video: Video = PRESETS["released"]
    seed: int = 0


class Gray:
    """``bounds``: the darkest and the brightest patch of the samples that it was fitted on, (2,) float32."""

    name = "gray"
    Config = GrayConfig
    together = 8
    prepared = Patches

    def __init__(self, config: GrayConfig, bounds: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        self.config, self.bounds = config, bounds

    @classmethod
    def fit(cls, config: GrayConfig, stills: Iterable[tuple[str, Patches]]) -> Self:
        """``stills``: (id, prepared) of pictures and frames. A class without ``fit`` is made as ``cls(config)``."""
        grays = np.concatenate([_gray(patches) for _, patches in stills])
        return cls(config, np.array([grays.min(), grays.max()], np.float32))

    @cached_property
    def id(self) -> str:
        return checkpoint.digest(self.config.model_dump(mode="json"), {"bounds": self.bounds})

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        return (self.config.levels,)

    @classmethod
    def preparer(cls, config: GrayConfig) -> Patcher:
        """What runs in the decode child."""
        return Patcher(config.min_tokens, config.max_tokens, config.video)

    def prepare(self, frames: Sequence[Frame], timeline: Timeline | None = None) -> Patches:
        return self.preparer(self.config)(frames, timeline)

    def setup(self, device: str, threads: int) -> None:
        """There are no weights."""

    def encode(self, prepared: Sequence[Patches]) -> list[Codes]:
        return [Codes(self._levels(_gray(patches)), patches.grid, patches.timeline) for patches in prepared]

    def decode(self, codes: Codes) -> None:
        """There is no way back."""

    def save(self) -> bytes:
        return checkpoint.pack(self.config.model_dump(mode="json"), {"bounds": self.bounds})

    @classmethod
    def load(cls, data: bytes) -> Self:
        config, tensors = checkpoint.unpack(data)
        return cls(GrayConfig.model_validate(config), tensors["bounds"])

    def _levels(self, grays: Any) -> Any:
        low, high = map(float, self.bounds)
        share = (grays - low) / max(high - low, 1.0)
        levels = np.clip(share * self.config.levels, 0, self.config.levels - 1)
        return levels.astype(code_dtype(self.codebook_sizes))[:, None]


def _gray(patches: Patches) -> Any:
    """(T,) mean luma of each patch, 0 to 255: the constant term of its DCT."""
    return patches.features[:, 0].astype(np.float64) / (PATCH * SCALE) + 128


TOKENIZERS: list[type[dataengine.Tokenizer]] = [Gray]
