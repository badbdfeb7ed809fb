"""Real photographs and a tiny CLIP, loaded once."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dataengine.media.image.pixels import Pixels
from dataengine.storage.pinned_packages import SCIKIT_IMAGE, SCIKIT_LEARN
from support.tiny_clip import TINY

_PLACES = {
    **{n: (SCIKIT_LEARN, f"sklearn/datasets/images/{n}.jpg") for n in ("china", "flower")},
    **{n: (SCIKIT_IMAGE, f"skimage/data/{n}.png") for n in ("chelsea", "coffee", "astronaut")},
    "rocket": (SCIKIT_IMAGE, "skimage/data/rocket.jpg"),
}


@pytest.fixture(scope="session")
def photos() -> dict[str, Pixels]:
    """Photographs by name, ``(H, W, 3)`` uint8."""
    opened = {name: Image.open(io.BytesIO(package.read(member))) for name, (package, member) in _PLACES.items()}
    return {name: np.asarray(picture.convert("RGB")) for name, picture in opened.items()}


@pytest.fixture(scope="session")
def crops(photos: dict[str, Pixels]) -> list[Pixels]:
    """Forty different pictures."""
    made = []
    for n in range(40):
        source = list(photos.values())[n % len(photos)]
        top, left = 7 * n % (source.shape[0] - 250), 11 * n % (source.shape[1] - 250)
        made.append(source[top : top + 250, left : left + 200 + n])
    return made


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model: tiny.json, tiny.safetensors and tiny.pt, the weights random and the same."""
    from safetensors.torch import save_model

    from dataengine.models.architecture import find

    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.json").write_text(json.dumps(TINY))
    import open_clip

    torch.manual_seed(0)
    model = open_clip.create_model(find(str(folder / "tiny.json")).register(), load_weights=False)
    save_model(model, str(folder / "tiny.safetensors"))
    torch.save({"state_dict": model.state_dict()}, folder / "tiny.pt")
    return folder
