"""What the decode child makes of a file: an opt-out, a whole, or clips of which each is blurred by itself."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images
from support.c2pa_files import signed

from dataengine.config.sources import ClipsConfig, FacesConfig
from dataengine.ingest import decode_task
from dataengine.ingest.decode_task import DecodeSettings, OptOut, WholeFile, decode
from dataengine.media.inspect import inspect
from dataengine.media.limits import Limits

LIMITS = Limits()


def red(picture: Any) -> Any:
    """A finder whose faces are red."""
    y, x = np.nonzero((picture[:, :, 0] > 180) & (picture[:, :, 1] < 90))
    sides = [*picture.shape[1::-1]] * 2
    return np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]]) / sides if len(x) > 9 else np.empty((0, 4))


@pytest.fixture(autouse=True)
def _red_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_task, "_finder", lambda device, threshold: red)


def film() -> bytes:
    """Two seconds with a red square, two of a street, two with the square again; a key frame every half second."""
    street = np.asarray(Image.fromarray(load_sample_images().images[0]).resize((176, 144)))
    square = np.full((144, 176, 3), 90, np.uint8)
    square[40:72, 60:92] = (250, 20, 20)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as target:
        stream: Any = target.add_stream("libx264", rate=20, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        for n in range(120):
            pixels = np.roll(street if 40 <= n < 80 else square, n % 40, 1)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        target.mux(stream.encode(None))
    return out.getvalue()


def test_each_clip_is_blurred_by_itself() -> None:
    clips = ClipsConfig(detector="content", min_seconds=1)
    found = decode(DecodeSettings(LIMITS, (), clips, FacesConfig()), film())
    assert isinstance(found, list)
    assert [(c.start, c.end, c.facts["faces"], c.stored is not None) for c in found] == [
        (0.0, 2.0, 1, True),
        (2.0, 4.0, 0, False),
        (4.0, 6.0, 1, True),
    ]
    plain = decode(DecodeSettings(LIMITS, (), clips), film())
    assert isinstance(plain, list) and [c.data for c in plain] == [c.data for c in found], (
        "cut first: ids do not change"
    )
    for clip, before in zip(found, plain, strict=True):
        assert clip.facts["frame_hashes"] == before.facts["frame_hashes"] and "faces" not in before.facts
        if clip.stored:
            assert clip.facts["codec"] == "h264" and inspect(LIMITS, clip.stored)["frames"] == 40


def test_facts_are_of_what_is_kept_and_hashes_of_the_original() -> None:
    pixels = np.array(load_sample_images().images[1])
    pixels[100:160, 100:160] = (250, 10, 10)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "bmp")
    found = decode(DecodeSettings(LIMITS, faces=FacesConfig()), out.getvalue())
    assert isinstance(found, WholeFile) and found.stored is not None
    assert (found.facts["format"], found.facts["ext"], found.facts["faces"]) == ("png", "png", 1)
    assert found.facts["phash"] == inspect(LIMITS, out.getvalue())["phash"]
    assert decode(DecodeSettings(LIMITS), out.getvalue()) == WholeFile(inspect(LIMITS, out.getvalue()))


def test_a_wish_comes_before_everything_else() -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "navy").save(out, "jpeg")
    made = signed(out.getvalue(), "image/jpeg", "cawg.training-mining", {"cawg.ai_training": {"use": "notAllowed"}})
    found = decode(DecodeSettings(LIMITS, ("ai_training",)), made[:-30])
    assert isinstance(found, OptOut) and found.signal == "cawg.training-mining: ai_training notAllowed"
    assert isinstance(decode(DecodeSettings(LIMITS, ("data_mining",)), made), WholeFile)


def test_seconds() -> None:
    assert DecodeSettings(LIMITS).seconds == 30
    assert DecodeSettings(LIMITS, clips=ClipsConfig(timeout=5)).seconds == 5
    assert DecodeSettings(LIMITS, clips=ClipsConfig(timeout=5), faces=FacesConfig(timeout=7)).seconds == 7
