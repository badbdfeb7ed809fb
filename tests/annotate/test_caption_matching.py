"""Captions are matched with what they are of, as the scorer matches the source's: a picture, or the part of a video."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import slowfast_videos
from test_caption_stages import annotated, made, text_of

from dataengine.annotate.captions.tables import MEASURED
from dataengine.storage.pinned_packages import SCIKIT_IMAGE
from dataengine.testing import Body, Turn, chat_server, write_corpus


@pytest.mark.slow
def test_a_caption_of_a_part_is_matched_with_that_part(tmp_path: Path) -> None:
    """Six seconds of one picture, then six of another: what is said of a half fits it better than the other half."""
    (tmp_path / "in").mkdir()
    halves = [skimage("rocket.jpg"), skimage("chelsea.png")]
    frames = [halves[n // 60] for n in range(120)]
    (tmp_path / "in" / "v.mp4").write_bytes(slowfast_videos.encoded(frames, Fraction(10)))
    texts = {"short": "a rocket, a missile and a space shuttle", "detailed": "a cat, a tabby and a kitten"}

    def reply(body: Body) -> Turn:
        return Turn(text=texts["detailed" if "60 to 150" in text_of(body) else "short"])

    scorers = {"scorers": [{"name": "conse"}], "device": "cpu"}
    captions = {"spans": {"by": ["window"], "seconds": 6}, "styles": ["short", "detailed"]}
    with chat_server(reply) as server:
        run = annotated(tmp_path, server, captions, score=scorers)
    measured = {
        row["n"]: row["match"] for row in run.table("annotate.caption_quality", "measures", MEASURED).to_pylist()
    }
    match = {(row["span"], row["start"], row["style"]): measured[row["n"]] for row in made(run)}
    for first, second in (("short", "detailed"),):
        assert match["window", 0.0, first] > match["whole", 0.0, first] > match["window", 6.0, first]
        assert match["window", 6.0, second] > match["whole", 0.0, second] > match["window", 0.0, second]


def skimage(name: str) -> Any:
    """A photograph of scikit-image, 192 pixels wide."""
    picture = Image.open(io.BytesIO(SCIKIT_IMAGE.read(f"skimage/data/{name}"))).convert("RGB")
    return np.asarray(picture.resize((192, 128)))


@pytest.mark.slow
def test_captions_are_matched_as_the_scorer_matches_them(tmp_path: Path) -> None:
    """The source's caption, asked for again, has the match that the scorer has stored."""
    write_corpus(tmp_path / "in", images=4)

    def reply(body: Body) -> Turn:
        return Turn(text=json.loads(text_of(body).splitlines()[-1])["captions"][0])

    scorers = {"scorers": [{"name": "conse"}], "device": "cpu"}
    with chat_server(reply) as server:
        run = annotated(tmp_path, server, {"source_captions": True}, score=scorers)
    rows = run.table("annotate.caption_quality", "measures", MEASURED).to_pylist()
    matches = {(row["id"], row["synthetic"]): row["match"] for row in rows}
    assert len(matches) == 8
    for (id_, synthetic), match in matches.items():
        assert match == pytest.approx(matches[id_, not synthetic], abs=2e-3)
    assert len({round(match, 3) for match in matches.values()}) > 2
