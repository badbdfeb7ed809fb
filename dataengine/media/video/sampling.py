"""How Slow-Fast sampling is set: the constants of the Keye-VL-1.5 report (arXiv 2509.01563, Slow-Fast section) and of the
released keye-vl-utils, which differ. Light to import; the sampling itself is ``slowfast.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

SLOW, FAST = 0, 1


@dataclass(frozen=True)
class SlowFast:
    """``fps`` frames a second, at most the video's own; a frame is fast where its similarity to the last slow one is
    ``threshold`` or more (``inclusive``), or more. ``budget`` visual tokens a video, ``min_tokens`` to ``max_tokens`` a
    slow frame, ``fast_ratio`` of that a fast one. Raises ValueError."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    fps: float = 2.0
    threshold: float = 0.9
    inclusive: bool = True
    budget: int = 65_536
    fast_ratio: float = 0.3
    min_tokens: int = 48
    max_tokens: int = 768
    max_frames: int | None = None
    """None: as many as the budget has for frames of ``min_tokens``."""

    def __post_init__(self) -> None:
        wrong = [
            name
            for name, good in {
                "fps": self.fps > 0,
                "threshold": 0 < self.threshold <= 1,
                "fast_ratio": 0 < self.fast_ratio <= 1,
                "min_tokens": 1 <= self.min_tokens <= self.max_tokens,
                "budget": self.budget >= self.min_tokens,
                "max_frames": self.max_frames is None or self.max_frames >= 1,
            }.items()
            if not good
        ]
        if wrong:
            raise ValueError(f"Slow-Fast: {', '.join(wrong)} out of range in {self}")

    @property
    def most_frames(self) -> int:
        fitting = self.budget // self.min_tokens
        return fitting if self.max_frames is None else min(fitting, self.max_frames)


#: ``released``: keye-vl-utils 1.5.2; ``paper``: the report.
PRESETS = {"released": SlowFast(), "paper": SlowFast(threshold=0.95, inclusive=False, budget=75_000)}


def preset(given: Any) -> Any:
    """Settings in a configuration: the preset of this name, anything else as it is. Raises ValueError."""
    if isinstance(given, str) and given not in PRESETS:
        raise ValueError(f"known presets are {', '.join(sorted(PRESETS))}, not {given!r}")
    return PRESETS[given] if isinstance(given, str) else given
