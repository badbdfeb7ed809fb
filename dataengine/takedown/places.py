"""Where a take-down works: release, new release, workspace, list of tombstones, and the note of what has begun."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from dataengine.errors import UsageError
from dataengine.ingest import tombstones
from dataengine.release.reader import open_release
from dataengine.storage.store import Store

_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Places:
    """Where a take-down works. ``workspace``: None for a release that lies in none; ``to``: of the new release; ``tombstones``: a
    file beside the workspace's own list."""

    release: str
    to: str
    version: str
    workspace: str | None = None
    tombstones: str | None = None
    delete_old: bool = False

    def list_place(self) -> tuple[Store, str]:
        """Store and key of the file of ``tombstones``."""
        folder, _, name = absolute(str(self.tombstones)).rpartition("/")
        return Store(folder or "/"), name

    def note_place(self) -> tuple[Store, str]:
        """Store and key of the note of a take-down that has begun: in the workspace, or beside the file of tombstones."""
        if self.workspace is not None:
            return Store(self.workspace), tombstones.UNFINISHED
        store, name = self.list_place()
        return store, f"{name}.{hashlib.sha256(absolute(self.to).encode()).hexdigest()[:8]}.unfinished.json"


def absolute(place: str) -> str:
    """The place by the one name that it has from everywhere."""
    return place if "://" in place else str(Path(place).resolve())


def places_of(
    release: str,
    workspace: str | None,
    to: str | None,
    version: str | None,
    list_: str | None,
    delete_old: bool,
) -> Places:
    """Completes what was given: a release in a workspace means that workspace, the new one lies beside it. Raises UsageError."""
    published = open_release(release)
    url = published.store.url
    if version is not None and not _VERSION.fullmatch(version):
        raise UsageError(f"--version {version}: a version has three numbers, as 1.0.1")
    number = version or _next(published.manifest.version)
    if workspace is not None and not _is_workspace(workspace):
        raise UsageError(f"--workspace {workspace}: no workspace is there; nothing could be taken out of it")
    chosen = workspace or _around(url)
    if chosen is None and list_ is None:
        raise UsageError(
            f"{url} lies in no workspace, so there is no list of what must not come back: name --workspace, or a file to add to "
            "with --tombstones"
        )
    target = Store(to or f"{url}-{number}").url
    if absolute(target) == absolute(url):
        raise UsageError(f"--to {to} is the release itself: the new one needs another place")
    return Places(url, target, number, chosen.rstrip("/") if chosen else None, list_, delete_old)


def _next(version: str) -> str:
    """The version after a take-down: ``0.1.0`` becomes ``0.1.1``. Raises UsageError."""
    if not _VERSION.fullmatch(version):
        raise UsageError(f"the release's version {version} has no next patch: name one with --version")
    head, _, last = version.rpartition(".")
    return f"{head}.{int(last) + 1}"


def _around(url: str) -> str | None:
    """The workspace that a release lies in, ``WORKSPACE/releases/NAME``; None where it lies elsewhere."""
    inside, _, name = (url if "/releases/" in url else absolute(url)).rpartition("/releases/")
    return inside if inside and "/" not in name and _is_workspace(inside) else None


def _is_workspace(place: str) -> bool:
    return any(Store(place).entries("stages"))
