"""Real photos and a tokenizer fitted on them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

from dataengine.tokenize.factory import configure
from dataengine.tokenize.patches import Patches
from dataengine.tokenize.product import ProductTokenizer

Photos = list[NDArray[np.uint8]]


@pytest.fixture(scope="session")
def photos() -> Photos:
    """Crops of china.jpg and flower.jpg in several sizes, (H, W, 3) RGB."""
    china, flower = load_sample_images().images
    return [china, flower, china[:200, :300], flower[100:400, 50:450], china[150:, 200:500], flower[:90, :620]]


@pytest.fixture(scope="session")
def samples(photos: Photos) -> list[tuple[str, Patches]]:
    preparer = ProductTokenizer.preparer(configure({"name": "product"}))
    return [(f"{i:032x}", preparer([photo])) for i, photo in enumerate(photos)]


@pytest.fixture(scope="session")
def tokenizer(samples: list[tuple[str, Patches]]) -> ProductTokenizer:
    return ProductTokenizer.fit(configure({"name": "product", "entries": 128}, 7), iter(samples))
