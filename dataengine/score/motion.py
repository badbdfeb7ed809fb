"""What moves in videos, and how the camera does (``media.video.motion``); null for pictures, which are not read for it."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa

from dataengine.media.limits import Limits
from dataengine.media.video import motion
from dataengine.score.base import FileScorer, stored

_TYPES = {"cuts": pa.int32(), "camera": pa.string(), "motion_source": pa.string()}


class Motion(FileScorer):
    """Columns of ``media.video.motion.Motion``."""

    name = "motion"
    version = motion.VERSION
    fields = [pa.field(n, _TYPES.get(n, pa.float64())) for n in motion.Motion.__struct_fields__]  # noqa: RUF012
    kinds = ("video",)

    def validate(self) -> None: ...

    def prepare_file(self, data: bytes, limits: Limits) -> dict[str, Any]:
        measured = msgspec.structs.asdict(motion.of_file(limits, data))
        return {name: stored(value) if isinstance(value, float) else value for name, value in measured.items()}
