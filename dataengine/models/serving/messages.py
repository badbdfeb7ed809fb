"""Chat messages as blocks of text, pictures and videos; media by reference, so that a message is small and has a digest."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class StrictModel(BaseModel):
    """Immutable; unknown fields and values of another type are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TextBlock(StrictModel):
    type: Literal["text"] = "text"
    text: str


class ImageBlock(StrictModel):
    """``sample:<id>`` is a sample of the release, ``obs:<n>`` the record's own picture ``obs<n>.png``."""

    type: Literal["image"] = "image"
    image: Annotated[str, Field(pattern=r"^(sample:[0-9a-f]{32}|obs:\d+)$")]


def image_reference(data: bytes) -> str:
    """The reference of a picture in a request, by its bytes: the same in any batch."""
    return f"obs:{int.from_bytes(hashlib.sha256(data).digest()[:6], 'big')}"


class VideoBlock(StrictModel):
    """``nframes`` frames at ``times`` (seconds from the first frame of what is shown) and of ``kinds`` (0 slow, 1 fast).
    ``sample:<id>`` is a video of the release; ``obs:<n>`` a clip whose frames are the record's own pictures from ``obs<n>.png``
    on. ``sampling`` is ``even`` (the middles of equal spans, all slow) or ``slow-fast``."""

    type: Literal["video"] = "video"
    video: Annotated[str, Field(pattern=r"^(sample:[0-9a-f]{32}|obs:\d+)$")]
    nframes: int
    sampling: Literal["even", "slow-fast"] = "even"
    times: Annotated[tuple[float, ...], Field(min_length=1, strict=False)]
    kinds: Annotated[tuple[int, ...], Field(min_length=1, strict=False)]

    @property
    def pictures(self) -> range:
        """Numbers of the record's own pictures that are the frames of a clip; none of a video of the release."""
        kind, _, number = self.video.partition(":")
        return range(int(number), int(number) + len(self.times)) if kind == "obs" else range(0)


Block = Annotated[TextBlock | ImageBlock | VideoBlock, Field(discriminator="type")]


class Message(StrictModel):
    role: Literal["user", "assistant"]
    content: Annotated[tuple[Block, ...], Field(min_length=1, strict=False)]
