"""Image–text similarity without CLIP weights: ConSE (Norouzi et al. 2013).

A picture is placed among texts as the mean of the embeddings of its fifty likeliest ImageNet labels, weighted by the
square roots of their probabilities. What all labels have in common is taken off every text first: without that each
caption is near each picture. It knows object nouns and little else; a real CLIP is better and takes the same columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.media.image.pixels import Pixels
from dataengine.models import minilm
from dataengine.models.device import Float32, unit
from dataengine.models.lite0 import LABELS, SIDE, Lite0, squeezed
from dataengine.score.base import Columns
from dataengine.score.match import match_columns, match_fields
from dataengine.storage.pinned_packages import EFFICIENTNET_LITE0

_TOP = 50


class Conse:
    """EfficientNet-lite0 for the labels, MiniLM for labels and captions."""

    name = "conse"
    frames = 4
    min_side: int | None = SIDE
    fields = [*match_fields(), pa.field("embedding", pa.list_(pa.float16(), minilm.DIM))]  # noqa: RUF012

    @property
    def version(self) -> str:
        labels = hashlib.sha256(LABELS.read_bytes()).hexdigest()[:8]
        return f"lite0-{EFFICIENTNET_LITE0.sha256[:8]}-{minilm.VERSION}-{labels}-4"

    def validate(self) -> None: ...

    def prepare(self, frames: Sequence[Pixels]) -> Any:
        """``(F, 224, 224, 3)`` uint8: the whole frame, squeezed, for captions speak of what is at the edges too."""
        return squeezed(frames)

    def setup(self, device: str, threads: int) -> None:
        self._classifier = Lite0(device, threads)
        self._space = LabelSpace(threads)

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        vectors = self.pictures(prepared)
        columns = match_columns(vectors, [self._space.texts(texts) for texts in captions])
        return columns | {"embedding": [vector.astype(np.float16) for vector in vectors]}

    def pictures(self, prepared: Sequence[Any]) -> list[Float32]:
        """``(384,)`` of unit length for each prepared sample, of a video the mean of its frames."""
        frames = self._embed(prepared)
        return [_mean(some) for some in np.split(frames, np.cumsum([len(p) for p in prepared])[:-1])]

    def probabilities(self, frames: Sequence[Pixels]) -> Float32:
        """Some ``(B, 224, 224, 3)`` uint8 → ``(sum of B, 1000)`` ImageNet-1k probabilities."""
        return self._classifier.probabilities(frames)

    def _embed(self, frames: Sequence[Pixels]) -> Float32:
        chances = self.probabilities(frames)
        top = np.argsort(-chances, axis=1, kind="stable")[:, :_TOP]
        weights = np.sqrt(np.take_along_axis(chances, top, 1))
        return unit((weights[:, :, None] * self._space.labels[top]).sum(1))


class LabelSpace:
    """Texts without what all labels have in common; ``labels``: ``(1000, 384)``."""

    def __init__(self, threads: int) -> None:
        self._text = minilm.MiniLM(threads)
        labels = self._text.embed(LABELS.read_text().splitlines())
        self._common = labels.mean(0)
        self.labels = unit(labels - self._common)

    def texts(self, texts: Sequence[str]) -> Float32:
        """``(n, 384)`` of unit length."""
        return unit(self._text.embed(texts) - self._common)


def _mean(frames: Float32) -> Float32:
    """``(D,)`` of unit length: the mean of ``(frames, D)``."""
    mean: Float32 = frames.mean(0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)
