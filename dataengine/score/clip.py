"""Image–text similarity by CLIP (Radford et al. 2021) or a relative of it, from stored embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pyarrow as pa

from dataengine.embed.prepared import VERSION
from dataengine.models.clip import ClipEncoder
from dataengine.models.device import Float32
from dataengine.score.base import Columns, EmbeddingScorer
from dataengine.score.match import match_columns, match_fields


class Clip(EmbeddingScorer):
    """Options as ClipEncoder's."""

    name = "clip"
    fields: list[pa.Field[Any]] = match_fields()

    options_of: ClassVar[type] = ClipEncoder
    """Whose options are those of the scorer."""

    def __init__(self, *, model: str, checkpoint: str, **options: Any) -> None:
        self.encoder = ClipEncoder(model=model, checkpoint=checkpoint, **options)

    @property
    def version(self) -> str:
        return f"{self.encoder.version}-embed{VERSION}"

    def validate(self) -> None:
        self.encoder.validate()

    def score(self, vectors: Sequence[Float32], captions: Sequence[Float32]) -> Columns:
        return match_columns(vectors, captions)
