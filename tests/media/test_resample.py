"""Resizing: Pillow's filters and rounding, horizontally first whatever the sizes."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from PIL import Image

from dataengine.media.image.pixels import Pixels
from dataengine.media.image.resample import Kernel, resize


def in_two_steps(picture: Pixels, size: tuple[int, int], kernel: Kernel) -> Pixels:
    """By Pillow, one side after the other, so that none of its versions chooses the order."""
    filter_ = Image.Resampling[kernel.upper()]
    across = Image.fromarray(picture).resize((size[1], picture.shape[0]), filter_)
    return np.asarray(across.resize(size[::-1], filter_))


@pytest.mark.parametrize("kernel", get_args(Kernel))
@pytest.mark.parametrize("shape", [(), (3,)], ids=["gray", "rgb"])
def test_the_same_bytes_as_pillow(kernel: Kernel, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    for n in range(60):
        height, width, *size = (int(side) for side in rng.integers(1, 200, 4))
        picture = rng.integers(0, 256, (height, width, *shape), dtype=np.uint8)
        if n % 2:  # edges, where sums leave 0 to 255
            picture = np.where(picture > 128, 255, 0).astype(np.uint8)
        made = resize(picture, (size[0], size[1]), kernel)
        assert np.array_equal(made, in_two_steps(picture, (size[0], size[1]), kernel)), (picture.shape, size)


def test_a_crop_is_what_would_be_cut_out() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (375, 500, 3), dtype=np.uint8)
    whole = resize(picture, (224, 299), "bicubic")
    assert np.array_equal(resize(picture, (224, 299), "bicubic", (10, 38, 200, 224)), whole[10:210, 38:262])


def test_a_view_of_memory_in_another_order_is_read_as_it_is() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    turned = np.rot90(picture)
    assert np.array_equal(resize(turned, (20, 20), "bilinear"), resize(turned.copy(), (20, 20), "bilinear"))
