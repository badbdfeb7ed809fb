"""Settings of Slow-Fast frame sampling, with the presets of the Keye-VL-1.5 report (arXiv 2509.01563, Slow-Fast section) and of
the released keye-vl-utils, which differ. Light to import; the sampling itself is in ``slowfast.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

SLOW, FAST = 0, 1


@dataclass(frozen=True)
class SlowFast:
    """Slow-Fast settings. ``fps``: frames a second, at most the video's own; a frame is fast if its similarity to the last slow
    one exceeds ``threshold`` (or equals it, if ``inclusive``). ``budget``: visual tokens a video; a slow frame has ``min_tokens``
    to ``max_tokens``, a fast one the share ``fast_ratio`` of that. Raises ValueError."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    fps: float = 2.0
    threshold: float = 0.9
    inclusive: bool = True
    budget: int = 65_536
    fast_ratio: float = 0.3
    min_tokens: int = 48
    max_tokens: int = 768
    max_frames: int | None = None
    """Largest number of frames; None: as many of ``min_tokens`` as the budget allows."""

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

#: What a configuration may say.
PresetOrFields = SlowFast | Literal["released", "paper"]


def preset(value: Any) -> Any:
    """Resolve a preset's name in a configuration; anything else passes unchanged. Raises ValueError."""
    if isinstance(value, str) and value not in PRESETS:
        raise ValueError(f"unknown preset {value!r}; known: {', '.join(sorted(PRESETS))}")
    return PRESETS[value] if isinstance(value, str) else value
