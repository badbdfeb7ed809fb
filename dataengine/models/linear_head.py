"""Heads of linear layers over embeddings, as LAION publishes them: ``weight`` and ``bias``, or ``layers.0.weight`` and so on."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import UsageError

Float32 = NDArray[np.float32]
Layer = tuple[Float32, Float32]

_NAME = re.compile(r"(?:.*?(\d+)\.)?(weight|bias)")


def load(path: Path) -> list[Layer]:
    """Weights ``(out, in)`` and biases ``(out,)`` of a head's layers, in order. Raises UsageError for another checkpoint."""
    tensors = _tensors(path)
    layers: dict[int, dict[str, Float32]] = {}
    for name, tensor in tensors.items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise UsageError(f"checkpoint {path}: {name!r} is no weight or bias of a linear layer")
        layers.setdefault(int(match[1] or 0), {})[match[2]] = tensor
    head = [_layer(path, number, parts) for number, parts in sorted(layers.items())]
    for (before, _), (after, _) in itertools.pairwise(head):
        if after.shape[1] != before.shape[0]:
            raise UsageError(
                f"checkpoint {path}: a layer of {before.shape[0]} outputs before one of {after.shape[1]} inputs"
            )
    if not head or head[-1][0].shape[0] not in (1, 2):
        raise UsageError(f"checkpoint {path}: a head has one output, or two for two classes")
    return head


def apply(head: list[Layer], vectors: Float32, relu: bool) -> Float32:
    """``(n, in)`` → ``(n, out)``, row by row, so that no row depends on another."""
    rows = []
    for vector in vectors:
        values = vector
        for number, (weight, bias) in enumerate(head):
            values = weight @ values + bias
            values = np.maximum(values, 0) if relu and number < len(head) - 1 else values
        rows.append(values)
    return np.stack(rows)


def _layer(path: Path, number: int, parts: dict[str, Float32]) -> Layer:
    weight = parts.get("weight")
    if weight is None or weight.ndim != 2 or not np.isfinite(weight).all():
        raise UsageError(f"checkpoint {path}: layer {number} has no finite weight in two dimensions")
    bias = parts.get("bias", np.zeros(len(weight), np.float32))
    if bias.shape != (len(weight),) or not np.isfinite(bias).all():
        raise UsageError(f"checkpoint {path}: the bias of layer {number} does not fit its weight")
    return weight, bias


def _tensors(path: Path) -> dict[str, Float32]:
    import torch
    from safetensors import SafetensorError

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, ValueError, KeyError, EOFError, OSError) as error:
        raise UsageError(f"checkpoint {path}: cannot be read as weights alone: {type(error).__name__}") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    return {name: tensor.float().numpy() for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}
