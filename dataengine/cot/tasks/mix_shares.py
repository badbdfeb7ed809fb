"""Shares of the modes and their styles, by the name of a preset or as the recipe gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from dataengine.cot.core.record import MODES
from dataengine.cot.tasks.registry import TASKS
from dataengine.errors import UsageError

#: ``keye-vl``: records of the cold start in the report (arXiv 2507.01949; the number of video records differs in notes on
#: it: 24,000 with thinking and 80,000 without is what its text says).
PRESETS: dict[str, dict[str, float]] = {
    "even": dict.fromkeys(MODES, 1.0),
    "keye-vl": {
        "non_thinking": 330_000,
        "thinking": 230_000,
        "auto_think": 20_000,
        "think_with_image": 100_000,
        "video/thinking": 24_000,
        "video/non_thinking": 80_000,
    },
}
#: What ``keye-vl`` has in place of "thinking" where the recipe names texts: 70,000 of the 230,000 are multimodal, the rest is
#: text alone.
_WITH_TEXTS = {"thinking/thinking": 70_000, "thinking/text": 160_000}
TEXT = "text"


def _cells() -> set[str]:
    styles = {f"{task.mode}/{style}" for task in TASKS.values() for style in task.styles}
    return {*MODES, *styles, f"thinking/{TEXT}"}


def resolve(config: str | Mapping[str, float], texts: bool = False) -> dict[str, float]:
    """Shares by cell, sorted, from the name of a preset or from shares, which need not add up to anything. ``texts``: there are
    records without pictures. Raises UsageError."""
    if isinstance(config, str):
        if config not in PRESETS:
            raise UsageError(f"unknown mix `{config}`: use one of {', '.join(sorted(PRESETS))}, or shares by mode")
        preset = PRESETS[config]
        split = config == "keye-vl" and texts
        config = {k: v for k, v in preset.items() if k != "thinking"} | _WITH_TEXTS if split else preset
    if unknown := sorted(config.keys() - (cells := _cells())):
        raise UsageError(f"mix: unknown cell `{unknown[0]}`: use {', '.join(sorted(cells))}")
    if twice := sorted(name for name in config if "/" in name and mode_of(name) in config):
        raise UsageError(f"mix: `{twice[0]}` and its mode as a whole both have a share")
    if not all(0 <= share < math.inf for share in config.values()) or not any(config.values()):
        raise UsageError("mix: shares are numbers from 0 up, at least one of them above 0")
    return {name: float(share) for name, share in sorted(config.items())}


def mode_of(cell: str) -> str:
    """The mode of a cell of the mix, which is a mode or ``mode/style``."""
    return cell.partition("/")[0]
