"""Chooses the caption of a sample among the source's and the synthetic ones, by id and seed alone.

The best match, or a mix by share: training on both kinds does better than on either (Nguyen et al. 2023, Improving Multimodal
Datasets with Image Captioning).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from dataengine.annotate.captions.spans import WHOLE
from dataengine.config.annotate_captions import ChooseConfig, Fault, Style
from dataengine.storage.workspace import digest

#: Raised when the same captions would give another choice.
VERSION = "1"
_PROSE: tuple[Style, ...] = ("short", "detailed", "dense")
_DIGITS = 13

Caption = Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """The chosen caption, None where there is none to choose, and why."""

    caption: Caption | None
    reason: str


def faults(caption: Caption, config: ChooseConfig) -> list[Fault]:
    """What is wrong with a synthetic caption, by its measures."""
    wrong: dict[Fault, bool] = {
        "refusal": caption["refusal"],
        "repetition": caption["repetition"] > config.max_repetition,
        "boilerplate": caption["boilerplate"] > 0,
        "invented_text": (caption["unread"] or 0) + caption["unsupported"] > 0,
        "other_script": caption["script"] not in (None, *config.scripts),
    }
    return [fault for fault, is_so in wrong.items() if is_so]


def accepted(captions: Sequence[Caption], config: ChooseConfig) -> list[Caption]:
    """Synthetic captions without a fault that the recipe rejects, those of a video's parts included."""
    return [c for c in captions if not set(faults(c, config)) & set(config.reject)]


def choose(
    id_: str, source: Sequence[Caption], synthetic: Sequence[Caption], config: ChooseConfig, seed: int
) -> Choice:
    """The source's captions and, of the ``accepted`` synthetic ones, those of the whole sample in a style to choose from."""
    styles = config.styles or dict.fromkeys(_PROSE, 1.0)
    of_source = [c for c in source if c["text"]]
    whole = [c for c in synthetic if c["span"] in (None, WHOLE) and c["style"] in styles]
    if not of_source and not whole:
        return Choice(None, "no caption")
    if not of_source or not whole:
        return Choice(
            _best(of_source or _drawn(id_, whole, config, seed)), "only synthetic" if whole else "only source"
        )
    if config.rule == "mix":
        if _share(seed, "kind", id_) < (config.synthetic or 0.0):
            return Choice(_best(_drawn(id_, whole, config, seed)), "share synthetic")
        return Choice(_best(of_source), "share source")
    if all(c["match"] is None for c in (*of_source, *whole)):
        return Choice(_best(of_source), "no match is known")
    return Choice(_best([*of_source, *whole]), "best match")


def _drawn(id_: str, captions: Sequence[Caption], config: ChooseConfig, seed: int) -> Sequence[Caption]:
    """Captions of one style, drawn by weight among those that the sample has; all where no weights are set."""
    if config.styles is None:
        return captions
    weights = {style: config.styles[style] for style in sorted({c["style"] for c in captions})}
    ends = dict(zip(weights, accumulate(weights.values()), strict=True))
    place = _share(seed, "style", id_) * sum(weights.values())
    drawn = next((style for style, end in ends.items() if place < end), list(weights)[-1])
    return [c for c in captions if c["style"] == drawn]


def _best(captions: Sequence[Caption]) -> Caption:
    """The highest match, the first of equals; without matches the longest of the source's, else the first."""
    if all(c["match"] is None for c in captions):
        return max(captions, key=lambda c: (0 if c["synthetic"] else len(c["text"]), -c["n"]))
    return max(captions, key=lambda c: (-2.0 if c["match"] is None else c["match"], not c["synthetic"], -c["n"]))


def _share(*key: Any) -> float:
    """A number in [0, 1) that depends on every part of ``key``."""
    return float(int(digest(*key)[:_DIGITS], 16) / (1 << 4 * _DIGITS))
