"""A tokenizer made elsewhere, named in a recipe by the place of its checkpoint: ``{name: checkpoint, path: …}``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from dataengine.errors import RunError, UsageError
from dataengine.models import checkpoint as weights
from dataengine.storage.pinned_packages import cache_dir, publish
from dataengine.tokenize.checkpoint import FILE, unpack


class GivenConfig(BaseModel):
    """``path``: the folder that ``dataengine tokenizer export`` wrote, or its .safetensors; local or s3://."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["checkpoint"] = "checkpoint"
    path: str
    seed: int = 0

    def local(self) -> Path:
        """Where the file is, fetched if it is far. Raises UsageError."""
        url = self.path if self.path.endswith(".safetensors") else f"{self.path.rstrip('/')}/{FILE}"
        return weights.local(url)

    def identity(self) -> str:
        """SHA-256 of the file."""
        return weights.digest(self.local())

    def check(self) -> None:
        """Find out that the file is undamaged and of a known tokenizer; once for each file. Raises UsageError."""
        proof = cache_dir() / "checkpoints" / "tokenizers" / self.identity()
        if not proof.exists():
            self._try()
            publish(proof, b"")

    def read(self) -> bytes:
        return self.local().read_bytes()

    def _try(self) -> None:
        from dataengine.tokenize.factory import known

        try:
            config, _ = unpack(self.read())
            known(str(config.get("name")))
        except RunError as error:
            raise UsageError(f"tokenizer {self.path}: {error}") from None
