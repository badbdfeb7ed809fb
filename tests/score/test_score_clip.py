"""The CLIP scorer: matches from stored vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataengine.media.image.pixels import Pixels
from dataengine.score.clip import Clip


def test_matches_are_cosines_with_each_caption(tiny: Path, photos: dict[str, Pixels]) -> None:
    scorer = Clip(model=str(tiny / "tiny.json"), checkpoint=str(tiny / "tiny.safetensors"))
    encoder = scorer.encoder
    encoder.setup("cpu", 2)
    pictures = np.concatenate(encoder.pictures([encoder.prepare([photos[name]]) for name in ("china", "flower")]))
    texts = [encoder.texts(["a temple", "a flower", "a roof"]), encoder.texts([])]
    columns = scorer.score(pictures, texts)
    assert columns["matches"] == [pytest.approx((texts[0] @ pictures[0]).tolist(), abs=1e-4), []]
    assert columns["match"] == [max(columns["matches"][0]), None]
    assert columns["match_caption"] == [int(np.argmax(columns["matches"][0])), None]
    assert list(columns) == [field.name for field in scorer.fields]


def test_the_version_names_encoder_and_decode(tiny: Path) -> None:
    scorer = Clip(model=str(tiny / "tiny.json"), checkpoint=str(tiny / "tiny.safetensors"))
    assert scorer.version == f"{scorer.encoder.version}-embed1"
