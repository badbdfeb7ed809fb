"""Converts between tensors of a model and arrays of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from dataengine.tokenize.checkpoint import Tensors


def arrays(tensors: Iterable[tuple[str, Tensor]]) -> Tensors:
    """float32 (and integer) arrays of tensors; bfloat16 becomes float32, which holds it exactly."""
    return {
        name: (t.detach().float() if t.dtype == torch.bfloat16 else t.detach()).cpu().numpy() for name, t in tensors
    }


def of(kind: str, tensors: Tensors) -> dict[str, Tensor]:
    """The tensors below ``kind.``, without it."""
    start = len(kind) + 1
    return {name[start:]: torch.from_numpy(np.array(a)) for name, a in tensors.items() if name.startswith(f"{kind}.")}
