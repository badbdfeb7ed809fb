"""Embeddings of picture and text, for semantic duplicates and the preset keye_posttrain: the recipe's CLIP or, without one,
a stand-in. Above the wings, for pictures are embedded before they are scored and after.

The stand-in is two models that know nothing of each other, which is enough here: pictures are compared with pictures and
texts with texts. Its pooled features of EfficientNet-lite0 move more under strong compression than CLIP's embedding does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dataengine.config.recipe import Recipe
from dataengine.models import minilm
from dataengine.score.base import Frame, Scorer, batch_of, padded, start_torch
from dataengine.score.clip import Clip
from dataengine.score.conse import WEIGHTS, Conse
from dataengine.score.factory import build
from dataengine.score.match import unit
from dataengine.storage.pinned_packages import EFFICIENTNET_LITE0

Float16 = NDArray[np.float16]


class Towers(Protocol):
    """Pictures and texts as vectors. Pickles before ``setup``."""

    name: str
    dims: tuple[int, int]
    scorer: Scorer
    """Whose ``prepare`` the decode child calls."""

    @property
    def version(self) -> str:
        """Names weights and preprocessing."""

    def setup(self, device: str, threads: int) -> None:
        """Load weights."""

    def pictures(self, prepared: Sequence[Any]) -> Float16:
        """``(n, dims[0])`` of unit length; of a video the mean of its frames."""

    def texts(self, texts: Sequence[str]) -> Float16:
        """``(n, dims[1])`` of unit length."""


def towers_of(recipe: Recipe) -> Towers:
    """Those of the recipe's ``clip`` scorer, else the stand-in. Raises UsageError as the scorer does."""
    for scorer in build(recipe.score.scorers):
        if isinstance(scorer, Clip):
            return ClipTowers(scorer)
    return StandIn()


class ClipTowers:
    """Both towers of a CLIP."""

    name = "clip"

    def __init__(self, clip: Clip) -> None:
        self.scorer: Scorer = clip
        self._clip = clip
        dim = next(f.type.list_size for f in clip.fields if f.name == "embedding")
        self.dims = (dim, dim)

    @property
    def version(self) -> str:
        return self._clip.version

    def setup(self, device: str, threads: int) -> None:
        self._clip.setup(device, threads)

    def pictures(self, prepared: Sequence[Any]) -> Float16:
        nothing: list[tuple[str, ...]] = [()] * len(prepared)
        return np.stack(self._clip.score(prepared, nothing)["embedding"])

    def texts(self, texts: Sequence[str]) -> Float16:
        [found] = self._clip.texts([texts])
        return found.astype(np.float16)


class StandIn:
    """EfficientNet-lite0 before its last layer, on the whole picture squeezed to 224 px; MiniLM for texts."""

    name = "lite0+minilm"
    dims = (1280, minilm.DIM)

    def __init__(self) -> None:
        self.scorer: Scorer = Conse()  # its prepare is the one that is wanted

    @property
    def version(self) -> str:
        return f"lite0-{EFFICIENTNET_LITE0.sha256[:8]}-{minilm.VERSION}-1"

    def setup(self, device: str, threads: int) -> None:
        from torch import nn

        from dataengine.models import efficientnet

        self._device = start_torch(device, threads)
        self._batch = batch_of(self._device)
        self._model = efficientnet.load(EFFICIENTNET_LITE0.read(WEIGHTS), self._device)
        self._model._fc = nn.Identity()  # type: ignore[assignment]
        self._text = minilm.MiniLM(threads)

    def pictures(self, prepared: Sequence[Any]) -> Float16:
        frames = self._features(np.concatenate(prepared))
        split = np.split(frames, np.cumsum([len(p) for p in prepared])[:-1])
        return unit(np.stack([unit(some).mean(0) for some in split])).astype(np.float16)

    def texts(self, texts: Sequence[str]) -> Float16:
        return self._text.embed(texts).astype(np.float16)

    def _features(self, frames: Frame) -> NDArray[np.float32]:
        import torch

        found = []
        with torch.inference_mode():
            for batch, count in padded(frames, self._batch):
                pixels = (torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).float() - 127) / 128
                found.append(self._model(pixels).float().cpu().numpy()[:count])
        return np.concatenate(found)
