"""Image–text match by CLIP (Radford et al. 2021) or a relative of it: any open_clip model with weights of your own.

Weights are read as tensors only, never as pickled code. bf16 halves the memory and costs about two decimals.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.errors import UsageError
from dataengine.models import checkpoint as weights
from dataengine.models.architecture import find
from dataengine.score.base import Columns, Frame, padded, start_torch
from dataengine.score.match import match_columns, match_fields, unit
from dataengine.storage.pinned_packages import cache_dir, publish

_PREPROCESSING = "1"
_KEEP = 100_000
_PRECISIONS = ("fp32", "bf16")


class Clip:
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
        self.fields: list[pa.Field[Any]] = match_fields(self._arch.dim)
        self.min_side: int | None = self._arch.side

    @property
    def version(self) -> str:
        """Reads (and, from S3, downloads) the checkpoint for its digest."""
        found = weights.digest(weights.local(self.checkpoint))[:16]
        return f"{self._arch.name}-{self._arch.digest}-{found}-{self.precision}-b{self.batch_size}-{_PREPROCESSING}"

    def validate(self) -> None:
        """Names and shapes of the weights are compared on the ``meta`` device, once for each checkpoint and open_clip: that
        imports torch, and a run with nothing to do must not."""
        path = weights.local(self.checkpoint)
        fits = hashlib.sha256(f"{self.version} {metadata.version('open_clip_torch')}".encode()).hexdigest()
        proof = cache_dir() / "checkpoints" / "fits" / fits
        if not proof.exists():
            self._try(path)
            publish(proof, b"")

    def _try(self, path: Path) -> None:
        import torch

        with torch.device("meta"):
            model = _empty(self._arch.register(), "meta")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*to a meta parameter")  # that nothing is copied is the point
            _fill(model, str(path), self._arch.name)
        _tokenizer(self._arch.name)

    def prepare(self, frames: Sequence[Frame]) -> Any:
        """``(F, side, side, 3)`` uint8."""
        return np.stack([self._arch.fit(frame) for frame in frames])

    def setup(self, device: str, threads: int) -> None:
        import torch

        self._device = start_torch(device, threads)
        self._dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        model = _empty(self._arch.register(), "cpu")
        _fill(model, str(weights.local(self.checkpoint)), self._arch.name)
        self._model = model.eval().to(self._device, self._dtype)
        self._tokenize = _tokenizer(self._arch.name)

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        frames = self._images(np.concatenate(prepared))
        images = np.split(frames, np.cumsum([len(p) for p in prepared])[:-1])
        return match_columns(images, self.texts(captions))

    def _images(self, frames: Frame) -> NDArray[np.float32]:
        """``(B, side, side, 3)`` uint8 → ``(B, D)`` of unit length."""
        import torch

        mean, std = (torch.tensor(v, device=self._device).view(1, 3, 1, 1) for v in (self._arch.mean, self._arch.std))
        found = []
        with torch.inference_mode():
            for batch, count in padded(frames, self.batch_size):
                pixels = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).float().div(255)
                coded = self._model.encode_image(((pixels - mean) / std).to(self._dtype))
                found.append(coded.float().cpu().numpy()[:count])
        return unit(np.concatenate(found))

    def texts(self, captions: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        """A ``(captions, D)`` array a sample; each distinct text goes through the model once."""
        import torch

        if len(self._texts) > _KEEP:
            self._texts.clear()
        new = [t for t in dict.fromkeys(t for given in captions for t in given) if t not in self._texts]
        if new:
            found = []
            with torch.inference_mode():
                for batch, count in padded(self._tokenize(new).numpy(), self.batch_size):
                    coded = self._model.encode_text(torch.from_numpy(batch).to(self._device))
                    found.append(coded.float().cpu().numpy()[:count])
            self._texts.update(zip(new, unit(np.concatenate(found)), strict=True))
        none = np.zeros((0, self._arch.dim), np.float32)
        return [np.stack([self._texts[t] for t in given]) if given else none for given in captions]


def _empty(name: str, device: str) -> Any:
    """The model without its weights; nothing is downloaded."""
    import open_clip

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it warns that the weights are random, which they do not stay
    try:
        return open_clip.create_model(name, device=device, load_weights=False, pretrained_text=False)
    finally:
        logging.disable(before)


def _fill(model: Any, path: str, name: str) -> None:
    """Load a checkpoint, of which only tensors are read. Raises UsageError."""
    import open_clip
    from safetensors import SafetensorError

    try:
        open_clip.load_checkpoint(model, path, strict=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"checkpoint {path}: holds more than tensors, or is damaged, and was not loaded "
            f"({str(error).splitlines()[0][:200]}); save it as safetensors"
        ) from None
    except (
        RuntimeError,
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        StopIteration,
        EOFError,
    ) as e:
        reason = " ".join(str(e).split())[:400] or type(e).__name__
        raise UsageError(f"checkpoint {path} does not fit the model {name}: {reason}") from None


def _tokenizer(name: str) -> Any:
    """Raises UsageError where a model's tokenizer must be fetched and cannot."""
    import open_clip

    try:
        return open_clip.get_tokenizer(name)
    except (OSError, ImportError, NameError, RuntimeError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UsageError(f"score: clip: the tokenizer of {name} cannot be had: {reason}") from None
