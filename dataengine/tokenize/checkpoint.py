"""Tokenizer checkpoints: safetensors with configuration and digest in the metadata; data only, no code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from dataengine.errors import RunError
from dataengine.storage.store import Store
from dataengine.storage.workspace import File, Output
from dataengine.tokenize.base import Tokenizer, facts
from dataengine.tokenize.card import card

_KEY = "tokenizer"
FILE = "tokenizer.safetensors"

Tensors = Mapping[str, NDArray[Any]]


def digest(config: Mapping[str, Any], tensors: Tensors) -> str:
    """Identity of a tokenizer: 128 bits of SHA-256 over configuration, names, types, shapes and values, in hex."""
    sha256 = hashlib.sha256(_json(config))
    for name in sorted(tensors):
        tensor = np.asarray(tensors[name], order="C")
        sha256.update(_json([name, tensor.dtype.str, tensor.shape]))
        sha256.update(tensor.tobytes())
    return sha256.hexdigest()[:32]


def pack(config: Mapping[str, Any], tensors: Tensors) -> bytes:
    """Serialise to safetensors; ``config`` is JSON with the tokenizer's ``name``."""
    metadata = _json({"config": config, "id": digest(config, tensors)}).decode()
    whole = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    return safetensors.numpy.save(whole, metadata={_KEY: metadata})


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """``(config, tensors)`` of a checkpoint. Raises RunError for anything but undamaged bytes of ``pack``."""
    try:
        tensors = safetensors.numpy.load(data)
        metadata = json.loads(_metadata(data)[_KEY])
        config, stated = metadata["config"], metadata["id"]
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"not a tokenizer checkpoint: {error}") from error
    if digest(config, tensors) != stated:
        raise RunError(
            f"the checkpoint of tokenizer {stated} is damaged: its contents have another digest; fetch it again"
        )
    return config, tensors


def members(tokenizer: Tokenizer, training: Mapping[str, Any]) -> dict[str, tuple[str, bytes]]:
    """Name and bytes of each file of a checkpoint, by role; ``training`` are facts of how it was fitted."""
    return {
        "tokenizer": (FILE, tokenizer.save()),
        "config": ("config.json", _json(tokenizer.config.model_dump(mode="json"))),
        "card": ("README.md", card(tokenizer, training).encode()),
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
