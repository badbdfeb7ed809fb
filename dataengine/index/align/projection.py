"""A linear projection that aligns the vectors of an index, and its safetensors file. Applying it needs no torch."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.index.vectors import unit
from dataengine.models import safetensors_writer
from dataengine.stage import Run
from dataengine.storage.workspace import File, Workspace, canonical_json

Float32 = NDArray[np.float32]

STAGE = "index.align"
PROJECTION = "projection"
FILE = "projection.safetensors"
_TENSOR, _KEY = "weight", "projection"
#: Rows of a matrix product: always so many, the last block filled up, so that a row depends on no other.
_ROWS = 1024


@dataclass(frozen=True)
class Projection:
    """``weight``: ``(dim, d)``; ``model``: what it projects vectors of."""

    weight: Float32
    model: str = ""

    @property
    def id(self) -> str:
        """128 bits of SHA-256, in hex."""
        head = canonical_json([self.model, self.weight.shape])
        return hashlib.sha256(head + np.ascontiguousarray(self.weight, "<f4").tobytes()).hexdigest()[:32]

    def __call__(self, vectors: NDArray[Any]) -> Float32:
        """``(n, dim)`` of unit length from ``(n, d)``. Raises RunError where d is another."""
        if vectors.shape[1] != self.weight.shape[1]:
            raise RunError(
                f"the projection {self.id} is for vectors of {self.weight.shape[1]:,} components, these have "
                f"{vectors.shape[1]:,}: they are of another model"
            )
        out = np.empty((len(vectors), len(self.weight)), np.float32)
        transposed = np.ascontiguousarray(self.weight.T)
        for start in range(0, len(vectors), _ROWS):
            some = vectors[start : start + _ROWS]
            block = np.zeros((_ROWS, vectors.shape[1]), np.float32)
            block[: len(some)] = some
            out[start : start + len(some)] = (block @ transposed)[: len(some)]
        return unit(out)

    def to_bytes(self) -> bytes:
        out, weight = io.BytesIO(), np.ascontiguousarray(self.weight, "<f4")
        metadata = {_KEY: canonical_json({"id": self.id, "model": self.model}).decode()}
        safetensors_writer.write(out, {_TENSOR: ("F32", weight.shape)}, lambda name: weight.tobytes(), metadata)
        return out.getvalue()

    @staticmethod
    def load(workspace: Workspace, file: File | None) -> Projection | None:
        """That of a committed file; None without one."""
        return None if file is None else from_bytes(workspace.store.get(file.key, file.sha256))


def from_bytes(data: bytes) -> Projection:
    """Of a file of ``to_bytes``. Raises RunError for any other, and a damaged one."""
    import safetensors
    from safetensors import SafetensorError

    try:
        [(_, raw)] = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
        length = int.from_bytes(data[:8], "little")
        described = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
        projection = Projection(np.frombuffer(raw["data"], "<f4").reshape(raw["shape"]), described["model"])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"not the projection of an index: {error}") from None
    if projection.id != described["id"]:
        raise RunError(f"the projection {described['id']} is damaged: its contents have another digest")
    return projection


def projection_file(run: Run) -> File | None:
    """The run's projection; None where its recipe aligns nothing."""
    record = run.records.get(STAGE)
    return None if record is None else record.parts["all"].files[PROJECTION]


def projection_id(run: Run) -> str:
    """Of the run's projection, or of that in the recipe's lock before it is made; "" where the recipe aligns nothing."""
    if run.recipe.index is None or run.recipe.index.align is None:
        return ""
    if STAGE in run.records:
        return str(run.records[STAGE].parts["all"].facts["id"])
    return "" if run.lock.content.projection is None else run.lock.content.projection.id
