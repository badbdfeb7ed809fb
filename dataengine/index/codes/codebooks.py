"""Fitted codebooks as a safetensors file: centres of each level, items of the VQ codes, and what vectors they are for.

Weights as the open release publishes them (tensors ``centroids.0``, ``centroids.1``, … of one shape) can be read as well.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError, UsageError
from dataengine.models import safetensors_writer
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json

Float32 = NDArray[np.float32]

_LEVEL, _ITEMS, _KEY = "centroids.", "items", "codebooks"
FILE = "codebooks.safetensors"


@dataclass(frozen=True)
class Codebooks:
    """``levels``: ``(size, d)`` centres of each; ``items``: ``(N, d)`` of the VQ codes, if they are wanted, with their
    ``item_ids``, of which a code has ``nearest``. ``model``: what the vectors are of; "" where nobody knows."""

    levels: tuple[Float32, ...]
    model: str = ""
    items: Float32 | None = None
    item_ids: tuple[str, ...] = field(default=(), repr=False)
    nearest: int = 0

    @property
    def dim(self) -> int:
        return int(self.levels[0].shape[1])

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(level) for level in self.levels)

    @property
    def id(self) -> str:
        """128 bits of SHA-256 over centres, items and what they are for, in hex."""
        sha256 = hashlib.sha256(canonical_json(self._metadata()))
        for name, tensor in sorted(self._tensors().items()):
            sha256.update(canonical_json([name, tensor.shape]))
            sha256.update(tensor.tobytes())
        return sha256.hexdigest()[:32]

    def check(self, dim: int, model: str = "") -> None:
        """Raises RunError where vectors of this width and model are not those that the codebooks are for."""
        if model and self.model and model != self.model:
            raise RunError(
                f"the vectors are of {model}, the codebooks {self.id} of {self.model}: vectors of two models cannot be mixed. "
                "Fit codebooks on these vectors, or embed with that model"
            )
        if dim != self.dim:
            raise RunError(
                f"the vectors have {dim:,} components, the codebooks {self.id} are for {self.dim:,}: they are of another model"
            )

    def to_bytes(self) -> bytes:
        tensors, out = self._tensors(), io.BytesIO()
        specs = {name: ("F32", tensor.shape) for name, tensor in tensors.items()}
        metadata = {_KEY: canonical_json({**self._metadata(), "id": self.id}).decode()}
        safetensors_writer.write(out, specs, lambda name: tensors[name].tobytes(), metadata)
        return out.getvalue()

    def _tensors(self) -> dict[str, Float32]:
        named = {f"{_LEVEL}{n}": level for n, level in enumerate(self.levels)}
        if self.items is not None:
            named[_ITEMS] = self.items
        return {name: np.ascontiguousarray(tensor, "<f4") for name, tensor in named.items()}

    def _metadata(self) -> dict[str, Any]:
        return {"model": self.model, "item_ids": list(self.item_ids), "nearest": self.nearest}


def from_bytes(data: bytes, name: str = FILE) -> Codebooks:
    """Of a file of ``to_bytes``, or of published weights without metadata. Raises RunError for any other, and a damaged one."""
    import safetensors
    from safetensors import SafetensorError

    try:
        tensors = {
            key: np.frombuffer(raw["data"], "<f4").reshape(raw["shape"])
            for key, raw in safetensors.deserialize(data)  # type: ignore[no-untyped-call]
            if raw["dtype"] == "F32"
        }
        length = int.from_bytes(data[:8], "little")
        described = json.loads(json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(_KEY, "{}"))
        codebooks = _made(tensors, described)
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
        raise RunError(
            f"{name} has no codebooks: expected float32 tensors centroids.0, centroids.1, … ({error})"
        ) from None
    if codebooks.id != described.get("id", codebooks.id):
        raise RunError(f"{name}: the codebooks are damaged: their contents have another digest; fetch them again")
    return codebooks


def _made(tensors: Mapping[str, Float32], described: Mapping[str, Any]) -> Codebooks:
    """Raises ValueError, KeyError or IndexError where the tensors are no codebooks."""
    count = sum(name.startswith(_LEVEL) for name in tensors)
    levels = tuple(tensors[f"{_LEVEL}{n}"] for n in range(count))
    items, ids = tensors.get(_ITEMS), tuple(described.get("item_ids", ()))
    every = [*levels, *([] if items is None else [items])]
    if not levels or any(t.ndim != 2 or t.shape[1] != levels[0].shape[1] for t in every):
        raise ValueError("no levels, or levels of different widths")
    if not all(np.isfinite(t).all() for t in every):
        raise ValueError("a centre is not finite")
    if len(ids) != (0 if items is None else len(items)):
        raise ValueError("ids and vectors of the items differ in number")
    return Codebooks(levels, str(described.get("model", "")), items, ids, int(described.get("nearest", 0)))


def read(place: str) -> Codebooks:
    """Codebooks at a path or s3:// object: safetensors, or a ``.pt`` or ``.bin`` file of published weights, of which weights
    alone are read. Raises UsageError, RunError."""
    folder, _, name = (place if "://" in place else str(Path(place).absolute())).rpartition("/")
    try:
        data = Store(folder).get(name)
    except FileNotFoundError:
        raise UsageError(f"{place}: no such file of codebooks") from None
    return from_bytes(data, place) if name.endswith(".safetensors") else _from_pickle(data, place)


def _from_pickle(data: bytes, place: str) -> Codebooks:
    from pickle import UnpicklingError

    import torch

    refused = f"{place} has no codebooks that can be read as weights alone"
    try:
        state: Any = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        named = {str(k): v.float().numpy() for k, v in state.items() if isinstance(v, torch.Tensor)}
        return _made({k[k.rfind(_LEVEL) :] if _LEVEL in k else k: v for k, v in named.items()}, {})
    except UnpicklingError:  # its text advises to run what the file holds
        raise RunError(f"{refused}: name a file of `codes fit` (.safetensors) or a checkpoint of tensors") from None
    except (
        RuntimeError,
        ValueError,
        KeyError,
        IndexError,
        EOFError,
        AttributeError,
        TypeError,
    ) as error:
        raise RunError(f"{refused}: {error}") from None
