"""Replaces a release as a whole: its files are staged beside it and put in place once all are there, the manifest last.

Until then the earlier release of that name is complete, whatever becomes of the run. While files change that both have
(seconds: nothing is computed any more, and objects are copied where they lie), there is no manifest, so that no reader takes
files of two releases for one; a run that is killed just there has all of the new release staged, and the next one goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from dataengine.errors import RunError
from dataengine.storage.multipart import create_large
from dataengine.storage.store import Store
from dataengine.storage.tar import TarInfo, write_tar
from dataengine.storage.workspace import File

MANIFEST = "manifest.json"
_PARALLEL = 16
#: Bytes of an object that S3 copies in one request.
_LARGEST_COPY = 5 << 30


@dataclass(frozen=True)
class ReleaseFolder:
    """The release ``name`` of a workspace, and the place where its next version is staged."""

    store: Store
    name: str

    @property
    def base(self) -> str:
        """Prefix of the keys of the release."""
        return f"releases/{self.name}"

    @property
    def staging(self) -> str:
        """Prefix of the keys of what is staged."""
        return f"staging/{self.name}"

    def staged(self, key: str) -> str:
        """Where the file that will be ``key`` lies until then."""
        return f"{self.staging}/{key.removeprefix(f'{self.base}/')}"

    def put(self, path: str, data: bytes | Path, size: int, rows: int = 0, sha256: str = "") -> File:
        """Stage a file, of digest ``sha256`` where it is known; it is named as it will be called in the release."""
        key = f"{self.base}/{path}"
        return File(key, self.store.put(self.staged(key), data, sha256), size, rows)

    def put_tar(self, path: str, members: Iterable[tuple[str, bytes]], rows: int) -> tuple[File, TarInfo]:
        """Stage a tar of these members, and what it is; nothing is copied where the release lies in a folder."""
        key = f"{self.base}/{path}"
        with self.store.new_file() as place:
            with place.open("wb") as out:
                info = write_tar(out, members)
            self.store.move(place, self.staged(key), info.sha256)
        return File(key, info.sha256, info.bytes, rows), info

    def adopt(self, file: File) -> File:
        """A file that was written to the staging place by another hand, named as it will be called in the release."""
        return replace(file, key=f"{self.base}/{file.key.removeprefix(f'{self.staging}/')}")

    def contents(self) -> Callable[[File], bool]:
        """Tells whether a file is staged, or is in the release with the size and digest that its manifest lists."""
        staged, current = self._sizes(self.staging), self._sizes(self.base)
        listed = self._listed(self.manifest())

        def holds(file: File) -> bool:
            if not file.key.startswith(f"{self.base}/") or staged.get(self.staged(file.key)) == file.bytes:
                return True
            return current.get(file.key) == file.bytes and listed.get(file.key, file.sha256) == file.sha256

        return holds

    def manifest(self) -> bytes | None:
        """The manifest of the release; None if there is none."""
        try:
            return self.store.get(f"{self.base}/{MANIFEST}")
        except FileNotFoundError:
            return None

    def publish(self, files: Sequence[File], manifest: bytes, previous: bytes | None) -> None:
        """Put staged ``files`` in place, then ``manifest``, and delete what is of neither. Raises RunError where the manifest is
        no longer ``previous``: another run has written it."""
        listed, current, staged = self._listed(previous), self._sizes(self.base), self._sizes(self.staging)
        same = {f.key for f in files if listed.get(f.key) == f.sha256 and current.get(f.key) == f.bytes}
        for file in files:
            if file.key not in current and self.staged(file.key) not in staged:
                raise RunError(f"{self.store.uri(file.key)} was deleted while the release was being made; rerun")
        changed = [f for f in files if f.key not in same and self.staged(f.key) in staged]
        self._copy([f for f in changed if f.key not in current])
        if previous != manifest:
            self._withdraw(previous)
        self._copy([f for f in changed if f.key in current])
        key = f"{self.base}/{MANIFEST}"
        if not self.store.create(key, manifest) and self.store.get(key) != manifest:
            raise self._conflict()
        wanted = {key, *(f.key for f in files)}
        self.store.delete([k for k in self._sizes(self.base) if k not in wanted])
        self.store.delete([*staged])

    def _withdraw(self, previous: bytes | None) -> None:
        if self.manifest() != previous:
            raise self._conflict()
        self.store.delete([f"{self.base}/{MANIFEST}"])

    def _conflict(self) -> RunError:
        return RunError(
            f"{self.store.uri(self.base)}/{MANIFEST}: another run has published this release meanwhile; run one at a time"
        )

    def _copy(self, files: Sequence[File]) -> None:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            list(pool.map(self._place, files))

    def _place(self, file: File) -> None:
        staged = self.staged(file.key)
        if not self.store.remote or file.bytes <= _LARGEST_COPY:
            self.store.copy(staged, file.key)
            return
        self.store.delete([file.key])
        create_large(self.store, file.key, self.store.stream(staged, file.bytes), file.bytes, file.sha256)

    def _sizes(self, prefix: str) -> dict[str, int]:
        return {entry.key: entry.size for entry in self.store.list(prefix)}

    def _listed(self, manifest: bytes | None) -> dict[str, str]:
        """Digests of a manifest's files by key; none where it cannot be read: then all are put in place again."""
        try:
            files = json.loads(manifest or b"{}").get("files", [])
            return {f"{self.base}/{f['path']}": f["sha256"] for f in files}
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}
