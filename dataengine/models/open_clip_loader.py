"""open_clip models with weights from a file: built empty, filled with tensors only, never with pickled code."""

from __future__ import annotations

import hashlib
import logging
import pickle
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

from dataengine.errors import UsageError
from dataengine.models.architecture import Architecture
from dataengine.storage.pinned_packages import cache_dir, write_atomically


def loaded(arch: Architecture, checkpoint: Path) -> tuple[Any, Any]:
    """``(model on the CPU, tokenizer)``. Raises UsageError for weights that do not fit."""
    model = _empty(arch.register(), "cpu")
    _fill(model, str(checkpoint), arch.name)
    return model.eval(), _tokenizer(arch.name)


def check_fit(arch: Architecture, checkpoint: Path, version: str) -> None:
    """Compare names and shapes of the weights on the ``meta`` device, once for each ``version`` and open_clip: that imports
    torch, and a run with nothing to do must not. Raises UsageError."""
    fits = hashlib.sha256(f"{version} {metadata.version('open_clip_torch')}".encode()).hexdigest()
    proof = cache_dir() / "checkpoints" / "fits" / fits
    if not proof.exists():
        _try(arch, checkpoint)
        write_atomically(proof, b"")


def _try(arch: Architecture, checkpoint: Path) -> None:
    import torch

    with torch.device("meta"):
        model = _empty(arch.register(), "meta")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*to a meta parameter")  # that nothing is copied is the point
        _fill(model, str(checkpoint), arch.name)
    _tokenizer(arch.name)


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
        raise UsageError(f"score: clip: the tokenizer of {name} cannot be loaded: {reason}") from None
