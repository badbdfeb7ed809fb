"""Quality of pictures from pixels alone (``media.image.quality``). Of a video every value is the mean over its frames, of QR
codes the most in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from dataengine.media.image import quality
from dataengine.media.image.pixels import Pixels
from dataengine.media.measures import DETAIL_VERSION
from dataengine.score.base import Columns, stored

_MEANS = tuple(name for name in quality.Quality.__struct_fields__ if name != "qr_codes")


class Quality:
    """Columns of ``media.image.quality.Quality``."""

    name = "quality"
    version = f"{quality.VERSION}-{DETAIL_VERSION}"
    fields: list[pa.Field[Any]] = [  # noqa: RUF012
        *(pa.field(n, pa.float64()) for n in _MEANS),
        pa.field("qr_codes", pa.int32()),
    ]
    frames = 4
    min_side: int | None = None

    def validate(self) -> None: ...
    def setup(self, device: str, threads: int) -> None: ...

    def prepare(self, frames: Sequence[Pixels]) -> dict[str, Any]:
        """What is stored."""
        measured = [quality.measure(frame) for frame in frames]
        means = {name: _mean([getattr(m, name) for m in measured]) for name in _MEANS}
        return {**means, "qr_codes": max(m.qr_codes for m in measured)}

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        return {field.name: [p[field.name] for p in prepared] for field in self.fields}


def _mean(values: Sequence[float | None]) -> float | None:
    """Of those that could be measured."""
    known = [v for v in values if v is not None]
    return stored(sum(known) / len(known)) if known else None
