"""What a captioning model can be shown of a sample: the types of its views and of their settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from dataengine.annotate.captions.spans import Span
from dataengine.config.annotate_captions import SpansConfig
from dataengine.media.video.sampling import SlowFast


@dataclass(frozen=True)
class ViewSettings:
    """How samples are shown; fields as in the recipe's ``annotate.captions``."""

    sides: tuple[int, ...]
    fps: tuple[float, ...]
    frame_side: int
    max_frames: int
    slow_fast: SlowFast
    spans: SpansConfig | None


class View(msgspec.Struct, frozen=True):
    """One way to show a sample: ``side`` of a picture (0 for a video), ``fps`` and ``span`` of a video's frames (0 and null for a
    picture), and JPEGs, of a video with the ``times`` of its frames (seconds from the video's first) and their ``kinds``."""

    side: int
    fps: float
    span: Span | None
    jpegs: Annotated[list[bytes], Meta(min_length=1, max_length=256)]
    times: list[float]
    kinds: list[int]


#: What ``render`` gives.
Views = Annotated[list[View], Meta(min_length=1, max_length=1024)]
