"""Motion of rendered clips is what was rendered, by the codec's vectors and by optical flow."""

from __future__ import annotations

import numpy as np
import pytest
from support.moving_clips import ENCODINGS, HEIGHT, PATHS, RATE, WIDTH, encoded, moving
from support.photos import photos

from dataengine.errors import InputError
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video import motion_vectors
from dataengine.media.video.motion import of_file

__all__ = ["photos"]

KINDS = (*PATHS, "shake", "fixed", "screen")
LIMITS = Limits()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_clip_is_described_as_it_was_rendered(encoding: str, kind: str, photos: dict[str, Pixels]) -> None:
    measured = of_file(LIMITS, encoded(moving(photos["coffee"], kind), encoding))
    assert measured.camera == kind
    assert measured.motion_source == ("flow" if encoding == "vp9" else "vectors")
    right, up, growth = PATHS.get(kind, (0.0, 0.0, 1.0))
    if kind in PATHS:
        assert measured.pan == pytest.approx(1.2 * right / WIDTH, rel=0.1, abs=0.01)
        assert measured.tilt == pytest.approx(1.2 * up / WIDTH, rel=0.1, abs=0.01)
        assert measured.zoom == pytest.approx(np.log(growth), rel=0.3, abs=0.01)
    assert (measured.motion > 0.1) == kind.startswith(("pan", "tilt", "shake"))
    assert (measured.still == 1) == (kind == "static") and (measured.still > 0.7) == (kind in ("static", "screen"))


def test_a_cut_is_no_movement(photos: dict[str, Pixels]) -> None:
    frames = [*moving(photos["coffee"], "static", 1), *moving(photos["flower"], "static", 1)]
    measured = of_file(LIMITS, encoded(frames, "h264"))
    assert (measured.cuts, measured.camera, measured.motion) == (1, "screen", 0)


def test_of_a_long_video_some_windows_are_decoded(photos: dict[str, Pixels], monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [f[::2, ::2] for f in moving(photos["coffee"], "pan_right", 2)]
    data = encoded([*frames, *frames[::-1]] * 8, "h264")
    decoded = []
    real = motion_vectors._gray
    monkeypatch.setattr(motion_vectors, "_gray", lambda frame, side: decoded.append(frame.pts) or real(frame, side))
    measured = of_file(LIMITS, data)
    assert len(decoded) <= 2 * 8 * motion_vectors._MOST < 2 * 8 * 4 * RATE
    assert measured.motion > 0.2


def test_a_broken_or_large_video_is_refused(photos: dict[str, Pixels]) -> None:
    data = encoded(moving(photos["coffee"], "static", 1), "h264")
    with pytest.raises(InputError):
        of_file(Limits(pixels=WIDTH * HEIGHT - 1), data)
    with pytest.raises(InputError):
        of_file(LIMITS, b"\0" * 100)
    half = of_file(LIMITS, encoded(moving(photos["coffee"], "pan_left"), "mpeg2")[:20_000])
    assert half.camera == "pan_left", "what can be decoded counts"
