"""Configuration of a tokenizer that was fitted elsewhere: ``{name: checkpoint, path: …}`` in a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from dataengine.models import checkpoint as weights
from dataengine.tokenize.checkpoint import FILE


class ExternalConfig(BaseModel):
    """``path``: the folder that ``dataengine tokenizer export`` wrote, or its .safetensors; local or s3://."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["checkpoint"] = "checkpoint"
    path: str
    seed: int = 0

    def local(self) -> Path:
        """Path of the file, downloaded if it is remote. Raises UsageError."""
        url = self.path if self.path.endswith(".safetensors") else f"{self.path.rstrip('/')}/{FILE}"
        return weights.local(url)

    def identity(self) -> str:
        """SHA-256 of the file."""
        return weights.digest(self.local())

    def read(self) -> bytes:
        return self.local().read_bytes()
