"""Whether a workspace can be written, before or after a run has tried."""

from __future__ import annotations

import os
from pathlib import Path


def unwritable(workspace: str) -> str:
    """Why nothing can be written to a folder that may not exist yet; "" where it can, and for a bucket."""
    if "://" in workspace.removeprefix("file://"):
        return ""
    path = Path(workspace.removeprefix("file://")).absolute()
    existing = next(one for one in (path, *path.parents) if os.access(one, os.F_OK))
    if not existing.is_dir():
        return f"{existing} is no folder"
    if not os.access(existing, os.W_OK | os.X_OK) or existing.parts[1:2] in (("proc",), ("sys",)):
        return f"{existing} cannot be written: name another folder, or --workspace"
    return ""
