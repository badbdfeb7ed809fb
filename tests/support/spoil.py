"""Ways to spoil a release so that its manifest still fits: what only a look inside can find."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataengine.shards.read import read_members
from dataengine.storage.tar import write_tar
from dataengine.storage.workspace import canonical_json

Members = list[tuple[str, bytes]]


def manifest(release: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((release / "manifest.json").read_bytes())
    return loaded


def edit(release: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest."""
    told = manifest(release)
    change(told)
    (release / "manifest.json").write_bytes(canonical_json(told))


def image(release: Path) -> Path:
    """The first shard of pictures."""
    return min((release / "shards").glob("*-image-*.tar"))


def members(path: Path) -> Members:
    return list(read_members(path))


def rewrite(path: Path, change: Callable[[Members], Members]) -> None:
    """Change the members of a tar, and the manifest with it."""
    changed = change(members(path))
    with path.open("wb") as out:
        write_tar(out, changed)
    relist(path)


def relist(path: Path) -> None:
    """Let the manifest say what a file is now."""
    data = path.read_bytes()
    new = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    release = path.parent.parent if path.suffix == ".tar" else path.parent

    def change(told: dict[str, Any]) -> None:
        listed = [*told["files"], *told["shards"], *told["cot"]["shards"]]
        name = path.relative_to(release).as_posix()
        for entry in listed:
            if entry.get("path") == name or (entry.get("name") == path.stem and path.suffix == ".tar"):
                entry.update(new)

    edit(release, change)
