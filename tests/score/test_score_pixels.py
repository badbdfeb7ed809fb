"""Technical and NSFW scores of real photographs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.models.device import padded
from dataengine.score.conse import Conse
from dataengine.score.nsfw import Nsfw
from dataengine.score.prepare import _decoded, prepare
from dataengine.score.technical import Technical


def _technical(frame: Pixels) -> dict[str, float]:
    return Technical().prepare([frame])


def test_technical_scores_of_a_photograph(photos: dict[str, Pixels]) -> None:
    found = _technical(photos["china"])
    assert found["aspect"] == pytest.approx(640 / 427, abs=1e-4)
    assert found["brightness"] == pytest.approx(photos["china"].mean() / 255, abs=0.05)
    assert 6 < found["entropy"] < 8
    assert 0.1 < found["contrast"] < 0.4
    assert 0.05 < found["saturation"] < 0.6


def test_blur_contrast_and_saturation_follow_the_picture(photos: dict[str, Pixels]) -> None:
    picture = Image.fromarray(photos["china"])
    sharp = _technical(photos["china"])
    blurred = _technical(np.asarray(picture.filter(ImageFilter.GaussianBlur(3))))
    assert blurred["blur"] < sharp["blur"] / 10
    assert _technical(np.asarray(picture.convert("L").convert("RGB")))["saturation"] == 0
    assert _technical(np.full((90, 60, 3), 128, np.uint8))["entropy"] == 0
    assert _technical(photos["china"] // 2)["contrast"] < sharp["contrast"]


def test_blur_does_not_depend_on_the_size_of_the_file(photos: dict[str, Pixels]) -> None:
    picture = Image.fromarray(photos["china"]).resize((512, 342), Image.Resampling.LANCZOS)
    larger = picture.resize((2048, 1368), Image.Resampling.LANCZOS)
    small, large = (_technical(np.asarray(p))["blur"] for p in (picture, larger))
    assert 0.5 < large / small < 1.5


def test_words_are_of_the_longest_caption(photos: dict[str, Pixels]) -> None:
    scorer = Technical()
    given = [scorer.prepare([photos["china"]])] * 2
    assert scorer.score(given, [("a temple", "a temple roof in China"), ()])["caption_words"] == [5, 0]


def test_ordinary_photographs_are_safe_for_work(nsfw: Nsfw, photos: dict[str, Pixels]) -> None:
    found = nsfw.score([nsfw.prepare([photo]) for photo in photos.values()], [()] * len(photos))["nsfw"]
    assert max(found) < 0.2
    assert len(set(found)) > 1


def test_of_a_video_the_worst_frame_counts(nsfw: Nsfw, photos: dict[str, Pixels]) -> None:
    frames = [photos["china"], photos["astronaut"]]
    alone = nsfw.score([nsfw.prepare([f]) for f in frames], [()] * 2)["nsfw"]
    assert nsfw.score([nsfw.prepare(frames)], [()])["nsfw"] == [max(alone)]


def test_nsfw_does_not_depend_on_batches(nsfw: Nsfw, crops: list[Pixels]) -> None:
    made = [nsfw.prepare([c]) for c in crops]
    whole = nsfw.score(made, [()] * 40)["nsfw"]
    parts = (made[:31], made[31:32], made[32:])
    assert whole == [value for part in parts for value in nsfw.score(part, [()] * len(part))["nsfw"]]


def test_a_score_does_not_depend_on_the_other_scorers(photos: dict[str, Pixels]) -> None:
    out = io.BytesIO()
    Image.fromarray(photos["china"]).resize((2560, 1708)).save(out, "JPEG")
    alone = prepare((Limits(), [Conse()]), (out.getvalue(), "image", ("conse",)))
    together = prepare(
        (Limits(), [Technical(), Nsfw(), Conse()]), (out.getvalue(), "image", ("nsfw", "technical", "conse"))
    )
    assert np.array_equal(alone["conse"], together["conse"])
    assert together["technical"]["aspect"] == pytest.approx(2560 / 1708, abs=1e-4)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(511, 700), (512, 700), (513, 700), (1023, 1400), (1025, 1400), (90, 2048)])
def test_a_shared_decode_is_what_each_size_gives_alone(
    photos: dict[str, Pixels], size: tuple[int, int], fmt: str
) -> None:
    out = io.BytesIO()
    Image.fromarray(photos["china"]).resize(size).save(out, fmt)
    decoded = _decoded(out.getvalue(), Limits(), {None, 512, 256, 64})
    assert decoded.keys() == {None, 512, 256, 64}
    for side, picture in decoded.items():
        assert np.array_equal(picture, decode_rgb(out.getvalue(), Limits(), min_side=side)), side


def test_padding_gives_one_shape_and_all_rows() -> None:
    rows = np.arange(7).reshape(7, 1)
    found = list(padded(rows, 3))
    assert [b.shape for b, _ in found] == [(3, 1)] * 3
    assert np.array_equal(np.concatenate([b[:count] for b, count in found]), rows)
