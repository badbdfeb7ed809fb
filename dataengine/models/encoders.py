"""Image and text encoders for embeddings: the recipe's CLIP or, without one, a stand-in whose weights come with a package.

The stand-in is two models that know nothing of each other, which is enough here: pictures are compared with pictures and
texts with texts. Its pooled features of EfficientNet-lite0 move more under strong compression than CLIP's embedding does.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dataengine.config.recipe import Recipe
from dataengine.errors import UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.models import lite0, minilm
from dataengine.models.clip import ClipEncoder
from dataengine.models.device import Float32, unit
from dataengine.storage.pinned_packages import EFFICIENTNET_LITE0

Float16 = NDArray[np.float16]


class Encoder(Protocol):
    """Pictures and texts as vectors. Pickles before ``setup``; ``prepare`` runs in a decode child, all else beside the model."""

    name: str
    dims: tuple[int, int]
    """Of pictures and of texts."""
    joint: bool
    """Whether a picture's vector can be compared with a text's."""
    frames: int
    """Frames it wants of a video; a still gives one."""
    min_side: int | None
    """Shorter side that is enough for it, None for full size."""

    @property
    def version(self) -> str:
        """Names weights and preprocessing, known without loading a model."""

    def validate(self) -> None:
        """Find mistakes of configuration before any media is read. Raises UsageError."""

    def prepare(self, frames: Sequence[Pixels]) -> Any:
        """``(H, W, 3)`` upright RGB frames → small arrays; imports no model library."""

    def setup(self, device: str, threads: int) -> None:
        """Load weights. ``device`` is auto, cpu, cuda or cuda:N."""

    def pictures(self, prepared: Sequence[Any]) -> list[Float32]:
        """A ``(frames, dims[0])`` array of unit rows for each prepared sample."""

    def texts(self, texts: Sequence[str]) -> Float32:
        """``(n, dims[1])`` of unit length."""


def encoder_of(recipe: Recipe) -> Encoder:
    """That of the recipe's ``clip`` scorer, else the stand-in. Raises UsageError as the scorer does."""
    for config in recipe.score.scorers:
        if config.get("name") == "clip":
            try:
                return ClipEncoder(**{k: v for k, v in config.items() if k != "name"})
            except TypeError as error:
                raise UsageError(f"score.scorers: clip: {str(error).partition('() ')[2] or error}") from None
    return StandIn()


def picture_vectors(encoder: Encoder, prepared: Sequence[Any]) -> Float16:
    """``(n, dims[0])`` of unit length, of at least one sample; of a video the mean of its frames."""
    means = np.stack([frames.mean(0) for frames in encoder.pictures(prepared)])
    return unit(means).astype(np.float16)


def text_vectors(encoder: Encoder, texts: Sequence[str]) -> Float16:
    """``(n, dims[1])`` of unit length."""
    return encoder.texts(texts).astype(np.float16)


class StandIn:
    """EfficientNet-lite0 before its last layer, on the whole picture squeezed to 224 px; MiniLM for texts."""

    name = "lite0+minilm"
    dims = (lite0.FEATURES, minilm.DIM)
    joint = False
    frames = 4
    min_side: int | None = lite0.SIDE

    @property
    def version(self) -> str:
        return f"lite0-{EFFICIENTNET_LITE0.sha256[:8]}-{minilm.VERSION}-2"

    def validate(self) -> None: ...

    def prepare(self, frames: Sequence[Pixels]) -> Any:
        """``(F, 224, 224, 3)`` uint8."""
        return lite0.squeezed(frames)

    def setup(self, device: str, threads: int) -> None:
        """Each model is loaded when it is first needed: whoever embeds texts alone does without torch."""
        self._how, self._loading = (device, threads), threading.Lock()
        self._network: lite0.Lite0 | None = None
        self._text: minilm.MiniLM | None = None

    def pictures(self, prepared: Sequence[Any]) -> list[Float32]:
        with self._loading:
            network = self._network = self._network or lite0.Lite0(*self._how)
        rows = unit(network.features(prepared))
        return np.split(rows, np.cumsum([len(p) for p in prepared])[:-1])

    def texts(self, texts: Sequence[str]) -> Float32:
        with self._loading:
            text = self._text = self._text or minilm.MiniLM(self._how[1])
        return text.embed(texts)
