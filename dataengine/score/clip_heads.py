"""Scores from the embeddings of the recipe's CLIP: heads by checkpoint (aesthetics, watermarks) and quality by prompts.

Heads are those that LAION has published for CLIP ViT-L/14 (github.com/LAION-AI/aesthetic-predictor, MIT; its improved variant,
Apache-2.0) or others of the same form; they fit the model that they were trained on and no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.embed.prepared import VERSION
from dataengine.errors import UsageError
from dataengine.models import checkpoint as weights
from dataengine.models import linear_head
from dataengine.models.device import Float32
from dataengine.score.base import Columns, EmbeddingScorer, stored


class ClipScorer(EmbeddingScorer):
    """Reads what the encoder of the recipe's scorer ``clip`` has embedded."""

    def of_encoder(self, own: str) -> str:
        """A version that changes with the embeddings, too."""
        return f"{own}-{self.encoder.version}-embed{VERSION}"


class _Head(ClipScorer):
    """``checkpoint``: a local path or s3://bucket/key; ``relu``: between its layers."""

    def __init__(self, *, checkpoint: str, relu: bool = False) -> None:
        self.checkpoint, self.relu = str(checkpoint), bool(relu)
        self.fields = [pa.field(self.name, pa.float64())]
        self._layers: list[linear_head.Layer] | None = None

    @property
    def version(self) -> str:
        digest = weights.digest(weights.local(self.checkpoint))[:16]
        return self.of_encoder(f"{digest}{'-relu' * self.relu}-1")

    def validate(self) -> None:
        wanted, offered = self._loaded()[0][0].shape[1], self.encoder.dims[0]
        if wanted != offered:
            raise UsageError(
                f"score: {self.name}: the head {self.checkpoint} reads embeddings of {wanted} numbers, and the recipe's "
                f"clip gives {offered}; use the model that it was trained on"
            )

    def score(self, vectors: Sequence[Float32], captions: Sequence[Float32]) -> Columns:
        if not len(vectors):
            return {self.name: []}
        outputs = linear_head.apply(self._loaded(), np.stack(list(vectors)), self.relu)
        return {self.name: [stored(self.value(row)) for row in outputs]}

    def value(self, output: Float32) -> float:
        """The score of a head's ``(1,)`` or ``(2,)``."""
        raise NotImplementedError

    def _loaded(self) -> list[linear_head.Layer]:
        if self._layers is None:
            self._layers = linear_head.load(weights.local(self.checkpoint))
        return self._layers


class Aesthetic(_Head):
    """``aesthetic``: how much people like to look at it, about 1 to 10."""

    name = "aesthetic"

    def value(self, output: Float32) -> float:
        return float(output[0])


class Watermark(_Head):
    """``watermark``: probability of a watermark, 0 to 1. Of two outputs the first is that of the watermark."""

    name = "watermark"

    def value(self, output: Float32) -> float:
        margin = float(output[0]) - (float(output[1]) if len(output) == 2 else 0.0)
        return 1 / (1 + float(np.exp(-np.clip(margin, -50, 50))))


_PROMPTS = {
    "iqa_good": ("Good image", "Bad image"),
    "iqa_sharp": ("Sharp image", "Blurry image"),
    "iqa_edges": ("sharp edges", "blurry edges"),
    "iqa_noise_free": ("Noise-free image", "Noisy image"),
}
_SCALE = 100.0
"""CLIP's logit scale."""


class ClipIqa(ClipScorer):
    """Quality by pairs of opposite prompts (CLIP-IQA, Wang, Chan and Loy 2023): the share of the first in a softmax over both.
    The prompts are our reading of the names that Kelix's trainer gates on."""

    name = "clip_iqa"
    fields = [pa.field(name, pa.float64()) for name in _PROMPTS]  # noqa: RUF012
    _texts: Any = None

    @property
    def version(self) -> str:
        return self.of_encoder("1")

    def validate(self) -> None: ...

    def score(self, vectors: Sequence[Float32], captions: Sequence[Float32]) -> Columns:
        if self._texts is None:
            encoder = copy(self.encoder)
            encoder.setup("cpu", 1)
            self._texts = encoder.texts([prompt for pair in _PROMPTS.values() for prompt in pair]).astype(np.float64)
        columns: Columns = {name: [] for name in _PROMPTS}
        for vector in vectors:
            cosines = (self._texts @ vector.astype(np.float64)).reshape(-1, 2)
            for name, (good, bad) in zip(columns, cosines, strict=True):
                columns[name].append(stored(1 / (1 + np.exp(-_SCALE * (good - bad)))))
        return columns
