"""Publishes a finished release to a folder or S3 prefix: objects are created, never overwritten, and the manifest comes last.

Readers go by the manifest, so they see the whole release or none. A claim, created first, keeps a second publisher with
another release from mixing its files in; the manifest's own If-None-Match decides which one wins. All of it rests on a
server that honours If-None-Match, which is tested on the claim. What an interrupted call has sent is not sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from dataengine.errors import RunError
from dataengine.release.manifest import Contents
from dataengine.release.manifest_sections import ReleaseFile
from dataengine.release.reader import open_release
from dataengine.storage.multipart import PART, create_large
from dataengine.storage.store import Entry, Store
from dataengine.storage.workspace import canonical_json

MANIFEST, CLAIM = "manifest.json", ".publishing.json"

#: Files sent at once, and the size above which a file is sent in parts.
_PARALLEL = 8
_LARGE = 2 * PART

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Publication:
    """Number of ``files`` and ``bytes`` of the release, and of the files that were ``sent`` by this call."""

    target: str
    files: int
    bytes: int
    sent: int
    already: bool
    """True where the same release was already published there."""


def publish(
    release: str,
    target: str,
    *,
    unconditional: bool = False,
    read_back: bool = False,
    progress: Progress | None = None,
) -> Publication:
    """Publish the release in ``release`` to ``target`` (folders or s3:// prefixes).

    ``unconditional`` goes on where the server ignores If-None-Match; ``read_back`` reads all bytes from the target before
    the manifest is written. Raises RunError for a release that is not whole, and where another one is or is being
    published; nothing of it is overwritten.
    """
    published = open_release(release)
    source = published.store
    data = source.get(MANIFEST)
    to = Store(target)
    if to.url == source.url:
        raise RunError(f"{target} is the release itself; choose another target")
    items = listed(published.manifest, source)
    _whole(source, items)
    return _Publisher(source, to, data, items, unconditional, read_back, progress or _silent).publish()


def listed(manifest: Contents, store: Store) -> list[ReleaseFile]:
    """The files of a manifest, by path; none is outside the release, by the manifest's types. Raises RunError for a duplicate."""
    items = sorted(manifest.files)
    known = {MANIFEST, CLAIM}
    for path in (item.path for item in items):
        if path in known:
            raise RunError(f"{store.uri(MANIFEST)}: `files` has {path!r} twice, or as a file of its own")
        known.add(path)
    return items


def of_reader(key: str) -> bool:
    """True for files that a reader keeps beside a release: Megatron-Energon's metadata and its index of each tar."""
    return key.startswith(".nv-meta/") or key.endswith(".tar.idx")


def _whole(source: Store, items: Sequence[ReleaseFile]) -> None:
    there = {e.key: e.size for e in source.list()}
    missing = [i for i in items if i.path not in there]
    if missing:
        raise RunError(
            f"{source.uri(missing[0].path)} is in the manifest, but does not exist ({len(missing)} of {len(items)} files missing)"
        )
    for item in items:
        if there[item.path] != item.bytes:
            raise RunError(
                f"{source.uri(item.path)} has {there[item.path]:,} bytes, the manifest says {item.bytes:,}: "
                "it was changed; run the recipe again"
            )


@dataclass
class _Publisher:
    source: Store
    to: Store
    manifest: bytes
    items: list[ReleaseFile]
    unconditional: bool
    read_back: bool
    progress: Progress
    sent: int = 0
    done: int = 0
    there: dict[str, Entry] = field(default_factory=dict)

    def publish(self) -> Publication:
        self.there = {e.key: e for e in self.to.list()}
        already = MANIFEST in self.there
        if already and self.to.get(MANIFEST) != self.manifest:
            raise self._conflict("another release is published here")
        self._check_strays()
        if not already:
            self._claim()
        self._send_all()
        self._complete()
        if not already and not self._create(MANIFEST, self.manifest) and self.to.get(MANIFEST) != self.manifest:
            raise self._conflict("another publisher was faster")
        self._unclaim()
        total = sum(i.bytes for i in self.items) + len(self.manifest)
        return Publication(self.to.url, len(self.items) + 1, total, self.sent, already)

    def _conflict(self, why: str) -> RunError:
        return RunError(
            f"{self.to.uri(MANIFEST)}: {why}, with another manifest than that of {self.source.url}; nothing was "
            "overwritten. Publish to another prefix"
        )

    def _check_strays(self) -> None:
        strays = sorted(self.there.keys() - {i.path for i in self.items} - {MANIFEST, CLAIM})
        if MANIFEST in self.there:
            strays = [key for key in strays if not of_reader(key)]
        if strays:
            raise RunError(
                f"{self.to.uri(strays[0])} is not a file of this release ({len(strays)} such objects), and readers "
                "would take them for parts of it. Publish to an empty prefix"
            )

    def _claim(self) -> None:
        """Reserve the target for this release, by however many publishers, until the manifest is written."""
        claim = canonical_json({"manifest_sha256": hashlib.sha256(self.manifest).hexdigest()})
        while CLAIM in self.there or not self.to.create(CLAIM, claim):
            try:
                held = self.to.get(CLAIM).strip()
            except FileNotFoundError:  # its publisher has finished just now
                self.there.pop(CLAIM, None)
                continue
            if held != claim:
                raise self._conflict(f"another release is being published here ({self.to.uri(CLAIM)} is its claim)")
            break
        # More than once, for another publisher of this release may have deleted the claim just before.
        if all(self.to.create(CLAIM, claim + b"\n" * n) for n in (1, 2, 3)) and not self.unconditional:
            self.to.delete([CLAIM])
            raise RunError(
                f"{self.to.url}: this server ignores If-None-Match, so that two publishers could overwrite each other. "
                "Publish to one that honours it, or use --unconditional if nobody else publishes there"
            )
        # A publisher that finished before this claim has written the manifest.
        if self.to.exists(MANIFEST) and self.to.get(MANIFEST) != self.manifest:
            self._unclaim()
            raise self._conflict("another release is published here")

    def _unclaim(self) -> None:
        try:
            self.to.delete([CLAIM])
        except RunError:
            return  # without the right to delete, it stays; beside a manifest it is ignored

    def _send_all(self) -> None:
        self.progress(0, len(self.items))
        with ThreadPoolExecutor(_PARALLEL) as pool:
            futures = [pool.submit(self._send, item) for item in self.items]
            _, rest = wait(futures, return_when=FIRST_EXCEPTION)
            for future in rest:
                future.cancel()
            for future in futures:
                if not future.cancelled():
                    self.sent += future.result()
                    self.done += 1
                    self.progress(self.done, len(self.items))

    def _send(self, item: ReleaseFile) -> bool:
        """True if the file was sent, False if it already existed. Raises RunError where other bytes are there."""
        if item.path not in self.there and self._create_item(item):
            if self.read_back:
                self._check_same(item, trust=False)
            return True
        self._check_same(item, trust=not self.read_back)
        return False

    def _create_item(self, item: ReleaseFile) -> bool:
        if item.bytes <= _LARGE:
            return self._create(item.path, self.source.get(item.path, item.sha256), item.sha256)
        return create_large(self.to, item.path, self.source.stream(item.path, item.bytes), item.bytes, item.sha256)

    def _create(self, key: str, data: bytes, sha256: str = "") -> bool:
        """As Store.create; a conflict between two writers may leave nothing there, and is tried again."""
        return self.to.create(key, data, sha256) or (not self.to.exists(key) and self.to.create(key, data, sha256))

    def _check_same(self, item: ReleaseFile, trust: bool) -> None:
        entry = self.to.head(item.path)
        if entry is not None and entry.size == item.bytes:
            sha256 = (self.to.recorded(item.path) if trust else "") or self._digest(item)
            if sha256 == item.sha256:
                return
        raise RunError(
            f"{self.to.uri(item.path)} exists with other bytes than {self.source.uri(item.path)}; nothing was overwritten. "
            "Publish to an empty prefix"
        )

    def _digest(self, item: ReleaseFile) -> str:
        digest = hashlib.sha256()
        for piece in self.to.stream(item.path, item.bytes):
            digest.update(piece)
        return digest.hexdigest()

    def _complete(self) -> None:
        there = {e.key: e.size for e in self.to.list()}
        for item in self.items:
            if there.get(item.path) != item.bytes:
                raise RunError(f"{self.to.uri(item.path)} was deleted or changed while the release was being published")


def _silent(done: int, total: int) -> None: ...
