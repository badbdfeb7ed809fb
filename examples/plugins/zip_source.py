"""A plugin file: the source ``zips``, pictures in ZIP files with captions in a .txt of the same name.

``sources: [{type: plugin, name: pictures, reader: zips, path: "pictures/*.zip"}]``
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import dataengine
from dataengine import Occurrence, Part
from dataengine.errors import UsageError


class Zips:
    """A part is a file; its key is the digest of the file, so that only files which change are read again."""

    name = "zips"

    def __init__(self, *, path: str, pattern: str = ".jpg") -> None:
        self.path, self.pattern = path, pattern

    def parts(self) -> list[Part]:
        folder, pattern = Path(self.path).parent, Path(self.path).name
        files = sorted(str(path) for path in folder.glob(pattern))
        if not files:
            raise UsageError(f"{self.path}: no such file")
        return [Part(Path(name).stem, hashlib.sha256(Path(name).read_bytes()).hexdigest(), name) for name in files]

    def occurrences(self, spec: str) -> Iterator[Occurrence]:
        """On a worker, which must reach the file; each input with a uri of its own."""
        with zipfile.ZipFile(spec) as archive:
            names = set(archive.namelist())
            for name in sorted(name for name in names if name.endswith(self.pattern)):
                text = name.removesuffix(self.pattern) + ".txt"
                caption = archive.read(text).decode("utf-8", "replace") if text in names else ""
                captions = (caption,) if caption.strip() else ()
                yield Occurrence(f"{Path(spec).name}#{name}", captions=captions, data=archive.read(name))


SOURCES: list[type[dataengine.Source]] = [Zips]
