"""Resource limits of one input. Bytes, pixels and frames are checked from headers, before memory is allocated; seconds and
memory cannot be known beforehand and are enforced on the decode child (``dataengine.media.sandbox.pool``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataengine.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Limits of one input: ``pixels`` of one frame, wall-clock ``seconds``, ``memory`` in bytes beyond an idle decode process.
    ``isolated``: nothing is decoded where a measure of the decode process's confinement is not in force."""

    bytes: int = 512 << 20
    pixels: int = 100_000_000
    frames: int = 100_000
    seconds: float = 30.0
    memory: int = 4 << 30
    isolated: bool = False

    def bounds(self) -> dict[str, Any]:
        """What results depend on."""
        return {name: value for name, value in self.__dict__.items() if name != "isolated"}

    def check_bytes(self, size: int) -> None:
        """Raises InputError ``empty`` or ``too_many_bytes``."""
        if size == 0:
            raise InputError("empty", "the file has no bytes")
        if size > self.bytes:
            raise InputError("too_many_bytes", f"{size:,} bytes, limit {self.bytes:,}")

    def check_pixels(self, width: int, height: int) -> None:
        """Raises InputError ``too_many_pixels``, or ``corrupt`` for a picture without area."""
        if width < 1 or height < 1:
            raise InputError("corrupt", f"the header states {width:,} × {height:,} pixels")
        if width * height > self.pixels:
            raise InputError("too_many_pixels", f"{width:,} × {height:,} pixels, limit {self.pixels:,}")

    def check_frames(self, count: int) -> None:
        """Raises InputError ``too_many_frames``."""
        if count > self.frames:
            raise InputError("too_many_frames", f"{count:,} frames, limit {self.frames:,}")
