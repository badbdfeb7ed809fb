"""CLIP (Radford et al. 2021) or a relative of it as an encoder: any open_clip model with weights of your own.

bf16 halves the memory and costs about two decimals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.models import checkpoint as weights
from dataengine.models.architecture import find
from dataengine.models.device import Float32, padded, start_torch, unit
from dataengine.models.open_clip_loader import check_fit, loaded
from dataengine.models.text_limit import capped

_PREPROCESSING = "1"
_KEEP = 100_000
_PRECISIONS = ("fp32", "bf16")


class ClipEncoder:
    """``model``: a name of open_clip or the path of a configuration; ``checkpoint``: a local path or s3://bucket/key."""

    name = "clip"
    frames = 4

    def __init__(self, *, model: str, checkpoint: str, precision: str = "fp32", batch_size: int = 64) -> None:
        if precision not in _PRECISIONS:
            raise UsageError(f"score: clip: precision is one of {', '.join(_PRECISIONS)}, not {precision!r}")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise UsageError(f"score: clip: batch_size is a number from 1, not {batch_size!r}")
        self.checkpoint = str(checkpoint)
        self.precision = precision
        self.batch_size = batch_size
        self._arch = find(str(model))
        self._texts: dict[str, NDArray[np.float32]] = {}
        self.dims = (self._arch.dim, self._arch.dim)
        self.min_side: int | None = self._arch.side

    @property
    def version(self) -> str:
        """Reads (and, from S3, downloads) the checkpoint for its digest."""
        tensors = weights.digest(weights.local(self.checkpoint))[:16]
        return f"{self._arch.name}-{self._arch.digest}-{tensors}-{self.precision}-b{self.batch_size}-{_PREPROCESSING}"

    def validate(self) -> None:
        """Raises UsageError where the checkpoint is missing or does not fit the model."""
        check_fit(self._arch, weights.local(self.checkpoint), self.version)

    def prepare(self, frames: Sequence[Pixels]) -> Any:
        """``(F, side, side, 3)`` uint8, as open_clip's inference transform before it normalises."""
        return np.stack([self._arch.fit(frame) for frame in frames])

    def setup(self, device: str, threads: int) -> None:
        import torch

        self._device = start_torch(device, threads)
        self._dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        model, self._tokenize = loaded(self._arch, weights.local(self.checkpoint))
        self._model = model.to(self._device, self._dtype)

    def pictures(self, prepared: Sequence[Any]) -> list[Float32]:
        """A ``(frames, D)`` array of unit rows for each prepared sample."""
        rows = self._images(np.concatenate(prepared))
        return np.split(rows, np.cumsum([len(p) for p in prepared])[:-1])

    def texts(self, texts: Sequence[str]) -> Float32:
        """``(n, D)`` of unit length; each distinct text goes through the model once, as long as it is remembered. Of a text
        of more than 4,000 characters its beginning is read."""
        texts = [capped(text) for text in texts]
        if len(self._texts) > _KEEP:
            self._texts.clear()
        new = [t for t in dict.fromkeys(texts) if t not in self._texts]
        if new:
            self._texts.update(zip(new, self._encoded(new), strict=True))
        none = np.zeros((0, self._arch.dim), np.float32)
        return np.stack([self._texts[t] for t in texts]) if texts else none

    def _images(self, frames: Pixels) -> Float32:
        """``(B, side, side, 3)`` uint8 → ``(B, D)`` of unit length."""
        import torch

        mean, std = (torch.tensor(v, device=self._device).view(1, 3, 1, 1) for v in (self._arch.mean, self._arch.std))
        rows = []
        with torch.inference_mode():
            for batch, count in padded(frames, self.batch_size):
                pixels = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).float().div(255)
                coded = self._model.encode_image(((pixels - mean) / std).to(self._dtype))
                rows.append(coded.float().cpu().numpy()[:count])
        return unit(np.concatenate(rows))

    def _encoded(self, texts: Sequence[str]) -> Float32:
        import torch

        rows = []
        with torch.inference_mode():
            for batch, count in padded(self._tokenize(list(texts)).numpy(), self.batch_size):
                coded = self._model.encode_text(torch.from_numpy(batch).to(self._device))
                rows.append(coded.float().cpu().numpy()[:count])
        return unit(np.concatenate(rows))
