"""CLIP (Radford et al. 2021) or a relative of it as an encoder: any open_clip model with weights of your own.

bf16 and fp16 halve the memory and cost about two decimals; channels-last weights and compilation change the last decimals.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.models import checkpoint as weights
from dataengine.models.architecture import find
from dataengine.models.batched import Batched
from dataengine.models.device import Float32, start_torch, unit
from dataengine.models.open_clip_loader import check_fit, loaded
from dataengine.models.text_limit import capped

if TYPE_CHECKING:
    from torch import Tensor

_PREPROCESSING = "2"
_KEEP = 100_000
_PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


class ClipEncoder:
    """``model``: a name of open_clip or the path of a configuration; ``checkpoint``: a local path or s3://bucket/key."""

    name = "clip"
    joint = True
    frames = 4

    def __init__(
        self,
        *,
        model: str,
        checkpoint: str,
        precision: str = "fp32",
        batch_size: int = 64,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        if precision not in _PRECISIONS:
            raise UsageError(f"score: clip: precision is one of {', '.join(_PRECISIONS)}, not {precision!r}")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise UsageError(f"score: clip: batch_size is a number from 1, not {batch_size!r}")
        for name, value in (("channels_last", channels_last), ("compile", compile)):
            if not isinstance(value, bool):
                raise UsageError(f"score: clip: {name} is true or false, not {value!r}")
        self.channels_last, self.compile = channels_last, compile
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
        how = "".join([self.precision, "-cl" * self.channels_last, "-compiled" * self.compile])
        return f"{self._arch.name}-{self._arch.digest}-{tensors}-{how}-b{self.batch_size}-{_PREPROCESSING}"

    def validate(self) -> None:
        """Raises UsageError where the checkpoint is missing or does not fit the model."""
        check_fit(self._arch, weights.local(self.checkpoint), self.version)

    def prepare(self, frames: Sequence[Pixels]) -> Any:
        """``(F, side, side, 3)`` uint8, as open_clip's inference transform before it normalises."""
        return np.stack([self._arch.fit(frame) for frame in frames])

    def setup(self, device: str, threads: int) -> None:
        import torch

        self._device = start_torch(device, threads)
        self._dtype = getattr(torch, _PRECISIONS[self.precision])
        model, self._tokenize = loaded(self._arch, weights.local(self.checkpoint))
        model = model.to(self._device, self._dtype)
        self._model = model.to(memory_format=torch.channels_last) if self.channels_last else model
        self._mean, self._std = (
            torch.tensor(v, device=self._device).view(1, 3, 1, 1) for v in (self._arch.mean, self._arch.std)
        )
        coded = torch.compile(self._coded) if self.compile else self._coded
        self._images = Batched(self._device, self.batch_size, coded)
        self._tokens = Batched(self._device, self.batch_size, self._model.encode_text)
        self._reading = threading.Lock()

    def pictures(self, prepared: Sequence[Any]) -> list[Float32]:
        """A ``(frames, D)`` array of unit rows for each prepared sample."""
        rows = unit(self._images(prepared))
        return np.split(rows, np.cumsum([len(p) for p in prepared])[:-1])

    def texts(self, texts: Sequence[str]) -> Float32:
        """``(n, D)`` of unit length; each distinct text goes through the model once, as long as it is remembered. Of a text
        of more than 4,000 characters its beginning is read."""
        texts = [capped(text) for text in texts]
        with self._reading:
            if len(self._texts) > _KEEP:
                self._texts.clear()
            new = [t for t in dict.fromkeys(texts) if t not in self._texts]
            if new:
                self._texts.update(zip(new, unit(self._tokens([self._tokenize(new).numpy()])), strict=True))
            none = np.zeros((0, self._arch.dim), np.float32)
            return np.stack([self._texts[t] for t in texts]) if texts else none

    def _coded(self, pixels: Tensor) -> Tensor:
        """``(B, side, side, 3)`` uint8 → ``(B, D)``; normalised here, on the device."""
        scaled = pixels.permute(0, 3, 1, 2).float().div(255)
        coded: Tensor = self._model.encode_image(((scaled - self._mean) / self._std).to(self._dtype))
        return coded
