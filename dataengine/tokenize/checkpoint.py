"""Tokenizer checkpoints: safetensors with configuration and digest in the metadata; data only, no code."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors import SafetensorError

from dataengine.errors import RunError
from dataengine.models import safetensors_writer
from dataengine.storage.store import Store
from dataengine.storage.workspace import File, Output
from dataengine.tokenize.base import Tokenizer, facts
from dataengine.tokenize.card import card

_KEY = "tokenizer"
FILE = "tokenizer.safetensors"

#: numpy has no bfloat16: its bits, with a type of their own.
BFLOAT16 = np.dtype([("bfloat16", "<u2")])
_DTYPES: dict[str, np.dtype[Any]] = {
    "BF16": BFLOAT16,
    **{f"{kind}{8 * size}": np.dtype(f"<{kind.lower()}{size}") for kind in "IU" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}

Tensors = Mapping[str, NDArray[Any]]


def digest(config: Mapping[str, Any], tensors: Tensors) -> str:
    """Identity of a tokenizer: 128 bits of SHA-256 over configuration, names, types, shapes and values, in hex."""
    return _identified(config, tensors)[0]


def pack(config: Mapping[str, Any], tensors: Tensors) -> bytes:
    """Serialise to safetensors; ``config`` is JSON with the tokenizer's ``name``."""
    out = io.BytesIO()
    write(out, config, tensors)
    return out.getvalue()


def write(out: BinaryIO, config: Mapping[str, Any], tensors: Tensors) -> str:
    """``pack`` into a file: the id. Each tensor is asked for twice and held alone, so ``tensors`` may read them as needed."""
    id_, specs = _identified(config, tensors)
    metadata = _json({"config": config, "id": id_}).decode()
    safetensors_writer.write(out, specs, lambda name: _whole(tensors[name]).tobytes(), {_KEY: metadata})
    return id_


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """``(config, tensors)`` of a checkpoint. Raises RunError for anything but undamaged bytes of ``pack``."""
    try:
        tensors = {
            name: np.frombuffer(raw["data"], _DTYPES[raw["dtype"]]).reshape(raw["shape"])
            for name, raw in safetensors.deserialize(data)  # type: ignore[no-untyped-call]
        }
        metadata = json.loads(_metadata(data)[_KEY])
        config, stated = metadata["config"], metadata["id"]
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"not a tokenizer checkpoint: {error}") from error
    if digest(config, tensors) != stated:
        raise RunError(
            f"the checkpoint of tokenizer {stated} is damaged: its contents have another digest; fetch it again"
        )
    return config, tensors


def spec_of(tensor: NDArray[Any]) -> safetensors_writer.Spec:
    """Type and shape as the format has them."""
    return _NAMES[tensor.dtype], tensor.shape


def _identified(config: Mapping[str, Any], tensors: Tensors) -> tuple[str, dict[str, safetensors_writer.Spec]]:
    sha256, specs = hashlib.sha256(_json(config)), {}
    for name in sorted(tensors):
        tensor = _whole(tensors[name])
        kind = "bfloat16" if tensor.dtype == BFLOAT16 else tensor.dtype.str
        sha256.update(_json([name, kind, tensor.shape]))
        sha256.update(tensor.tobytes())
        specs[name] = spec_of(tensor)
    return sha256.hexdigest()[:32], specs


def _whole(tensor: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(tensor, order="C")


def members(tokenizer: Tokenizer, training: Mapping[str, Any]) -> dict[str, tuple[str, bytes]]:
    """Name and bytes of each file of a checkpoint, by role; ``training`` are facts of how it was fitted."""
    config = tokenizer.config.model_dump(mode="json")
    text = card(tokenizer.name, tokenizer.id, tokenizer.codebook_sizes, config, training)
    return {
        "tokenizer": (FILE, tokenizer.save()),
        "config": ("config.json", _json(config)),
        "card": ("README.md", text.encode()),
    }


def publish(
    store: Store, tokenizer: Tokenizer, counts: Mapping[str, int], training: Mapping[str, Any] | None = None
) -> Output:
    """Write a tokenizer into a workspace, with its configuration and card; ``training`` are facts of how it was fitted."""
    provenance = {**counts, **(training or {})}
    files = {
        role: File(key, store.put(key, data), len(data))
        for role, (name, data) in members(tokenizer, provenance).items()
        for key in [f"tokenizers/{tokenizer.id}/{name}"]
    }
    return Output(files, dict(counts), {**facts(tokenizer), "made": provenance})


def _metadata(data: bytes) -> dict[str, str]:
    """Metadata of a safetensors file: eight bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length])["__metadata__"]  # type: ignore[no-any-return]


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
