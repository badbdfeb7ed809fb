"""Model checkpoints as local files with a digest, from a folder or from S3.

An object on S3 is downloaded once to the cache folder, under the tag that changes with its bytes.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from dataengine.errors import UsageError
from dataengine.storage.pinned_packages import cache_dir, write_atomically
from dataengine.storage.store import Entry, Store

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_CHUNK = 64 << 20


def local(url: str) -> Path:
    """Local path of a checkpoint. Raises UsageError if there is none or it is of a kind that is not read, RunError."""
    if not url.endswith(SUFFIXES):
        raise UsageError(f"checkpoint {url}: a checkpoint ends in one of {', '.join(SUFFIXES)}")
    if "://" in url and not url.startswith("file://"):
        return _downloaded(url)
    path = Path(url.removeprefix("file://"))
    if not path.is_file():
        raise UsageError(f"checkpoint {url}: no such file (relative paths start at {Path.cwd()})")
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex; computed once for each size and time of change, and kept in the cache folder, for large
    files take seconds."""
    state = path.stat()
    identity = f"{path.resolve()}\n{state.st_size}\n{state.st_mtime_ns}"
    note = cache_dir() / "checkpoints" / "digests" / hashlib.sha256(identity.encode()).hexdigest()
    if not note.exists():
        with path.open("rb") as f:
            write_atomically(note, hashlib.file_digest(f, "sha256").hexdigest().encode())
    return note.read_text()


def _downloaded(url: str) -> Path:
    if not url.startswith("s3://"):
        raise UsageError(f"checkpoint {url}: give a local path or s3://bucket/key")
    folder, _, key = url.rpartition("/")
    store = Store(folder)
    entry = store.head(key)
    if entry is None:
        raise UsageError(f"checkpoint {url}: there is no such object")
    place = hashlib.sha256(f"{url}\n{entry.tag}\n{entry.size}".encode()).hexdigest()[:32]
    target = cache_dir() / "checkpoints" / place / key
    if not target.exists():
        _fetch(store, entry, target)
    return target


def _fetch(store: Store, entry: Entry, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as out:
        for start in range(0, entry.size, _CHUNK):
            out.write(store.get_range(entry.key, start, min(_CHUNK, entry.size - start)))
    Path(out.name).replace(target)
