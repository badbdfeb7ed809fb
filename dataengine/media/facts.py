"""Type of a file's media facts, which a decode child's answer must have: it is the child's word, so each value is bounded."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

_Count = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
_Hash = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Name = Annotated[str, Meta(max_length=64)]


class Facts(TypedDict):
    """Columns ``contracts.FACTS``, as ``media.inspect`` gives them, and the number of blurred ``faces``."""

    kind: Literal["image", "video"]
    format: _Name
    ext: Annotated[str, Meta(pattern=r"^[a-z0-9]{1,16}\Z")]
    width: _Count
    height: _Count
    orientation: Annotated[int, Meta(ge=1, le=8)]
    mode: _Name
    frames: _Count
    fps: float | None
    duration: float | None
    codec: _Name | None
    audio: bool
    phash: _Hash | None
    frame_hashes: Annotated[list[_Hash], Meta(max_length=1000)]
    hash_version: _Name
    faces: NotRequired[_Count]
