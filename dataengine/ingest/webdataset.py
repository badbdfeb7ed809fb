"""WebDataset source: existing tars, img2dataset's layout included.

Members of one key are one sample wherever they stand in the tar; a sample with two media members is two inputs.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from PIL import Image

from dataengine.config.sources import WebDatasetSource
from dataengine.errors import InputError
from dataengine.ingest.listing import glob, part_name, relative
from dataengine.ingest.occurrence import Occurrence, read_sidecars
from dataengine.media.limits import Limits
from dataengine.stage import Part
from dataengine.storage.store import Store
from dataengine.storage.workspace import digest

_VIDEO = {"mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "wmv", "flv", "3gp", "ogv"}


@dataclass(frozen=True)
class WebDatasetReader:
    """Reads tars; each is a part."""

    source: WebDatasetSource
    limits: Limits

    def parts(self) -> list[Part]:
        parts = []
        for entry in glob(self.source.path):
            name = relative(self.source.path, entry.key)
            key = digest(name, entry.tag, entry.size, self.source.license)
            parts.append(Part(part_name(self.source.name, name), key, entry.key))
        return parts

    def occurrences(self, spec: str) -> Iterator[Occurrence]:
        tar = relative(self.source.path, spec)
        with ExitStack() as stack:
            file = stack.enter_context(_local(spec))
            samples, broken = _index(file)
            for key, members in sorted(samples.items()):
                yield from self._sample(tar, file, key, members)
            if broken:
                yield Occurrence(
                    f"{tar}#",
                    error=InputError("truncated", f"{tar} is damaged: {broken}; the samples before that are used"),
                )

    def _sample(self, tar: str, file: IO[bytes], key: str, members: dict[str, tuple[int, int]]) -> Iterator[Occurrence]:
        media = sorted(e for e in members if _is_media(e))
        if not media:
            message = f"sample {key} has no image or video, only {', '.join(sorted(members))}"
            yield Occurrence(f"{tar}#{key}", error=InputError("missing", message))
        text, facts = (_read(file, members.get(e)) for e in ("txt", "json"))
        side = read_sidecars(text, facts)
        for ext in media:
            uri, size = f"{tar}#{key}.{ext}", members[ext][1]
            if size > self.limits.bytes:
                yield Occurrence(
                    uri, error=InputError("too_many_bytes", f"{size:,} bytes, limit {self.limits.bytes:,}")
                )
            else:
                license_ = side.license or self.source.license
                yield Occurrence(uri, "", side.captions, license_, side.meta, _read(file, members[ext]))


def _is_media(ext: str) -> bool:
    last = ext.rpartition(".")[2].lower()
    return last in _VIDEO or f".{last}" in Image.registered_extensions()


def _local(path: str) -> IO[bytes]:
    if "://" not in path:
        return Path(path).open("rb")
    folder, _, name = path.rpartition("/")
    file = tempfile.TemporaryFile()  # noqa: SIM115  the caller's context
    file.write(Store(folder).get(name))
    return file


def _index(file: IO[bytes]) -> tuple[dict[str, dict[str, tuple[int, int]]], str]:
    """``{key: {extension: (offset, size)}}``, and why the tar cannot be read to its end, "" where it can."""
    samples: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    end = file.seek(0, 2)
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                if not member.isfile() or name.name.startswith("."):
                    continue
                if member.offset_data + member.size > end:
                    return samples, f"it ends inside {member.name}"
                stem, _, ext = name.name.partition(".")
                samples[str(name.parent / stem)][ext] = (member.offset_data, member.size)
    except tarfile.TarError as error:
        return samples, str(error)
    return samples, ""


def _read(file: IO[bytes], span: tuple[int, int] | None) -> bytes | None:
    if span is None:
        return None
    file.seek(span[0])
    return file.read(span[1])
