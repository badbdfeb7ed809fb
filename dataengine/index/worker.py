"""Base of workers over vectors, which need no model and no decoder."""

from __future__ import annotations

from dataclasses import dataclass

from dataengine.storage.workspace import Workspace


@dataclass
class VectorsWorker:
    """There is nothing to set up and nothing to close."""

    workspace: Workspace

    def setup(self) -> None: ...

    def close(self) -> None: ...
