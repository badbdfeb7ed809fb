"""Where an export goes: an empty folder or prefix outside of the release."""

from __future__ import annotations

from pathlib import Path

from dataengine.errors import UsageError
from dataengine.storage.store import Store


def empty_target(out: str, release: Store) -> Store:
    """The store to write to. Raises UsageError where it is not empty, a file, or lies inside the release."""
    target = Store(out)
    if not target.remote:
        path = Path(target.url).absolute()
        if path.exists() and not path.is_dir():
            raise UsageError(f"{out} is a file; choose a folder")
    if f"{_real(target)}/".startswith(f"{_real(release)}/"):
        raise UsageError(f"{out} is inside the release, and the next run would delete it; choose another folder")
    if not target.remote and not path.exists():
        return target
    if next(target.list(), None) is not None:
        raise UsageError(f"{out} is not empty; choose a new folder, or delete its content")
    return target


def local_folder(target: Store) -> Path | None:
    """The local target folder, where parts are collected on the disk that they end on; None for S3."""
    if target.remote:
        return None
    path = Path(target.url).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot create {path}: {error.strerror}") from None
    return path


def _real(store: Store) -> str:
    return store.url if store.remote else str(Path(store.url).resolve())


def absolute(target: Store) -> str:
    """Its URL, or absolute path."""
    return target.url if target.remote else str(Path(target.url).absolute())
