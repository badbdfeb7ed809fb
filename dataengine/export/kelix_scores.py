"""Scores of a picture as the released Kelix trainer looks for them: in ``PATH.image.json`` beside the picture's file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Beside the path of a picture.
SUFFIX = ".image.json"

_PLAIN = {
    "aesthetic": "aesthetic",
    "watermark": "watermark",
    "nsfw": "nsfw",
    "over_exposure": "over_exposure",
    "under_exposure": "under_exposure",
    "rms_contrast": "rms",
}
_IQA = {
    "iqa_good": "Good_image",
    "iqa_sharp": "Sharp_image",
    "iqa_edges": "sharp_edges",
    "iqa_noise_free": "Noise-free_image",
}


def image_scores(values: Mapping[str, float]) -> dict[str, Any]:
    """The trainer's names and our values; empty where there is none that it reads. What is missing passes its gates."""
    plain = {theirs: values[ours] for ours, theirs in _PLAIN.items() if ours in values}
    iqa = {theirs: values[ours] for ours, theirs in _IQA.items() if ours in values}
    return plain | ({"iqa": iqa} if iqa else {})
