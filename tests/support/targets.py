"""What lies in a folder and at a target, for tests of publishing."""

from __future__ import annotations

from pathlib import Path

from dataengine.storage.store import Store


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def at(target: str) -> dict[str, bytes]:
    store = Store(target)
    return {e.key: store.get(e.key) for e in store.list()}
