"""WebDataset source: existing tars, img2dataset's layout included.

Members of one key (the name up to its first dot) are one sample wherever they stand in the tar; a sample with two media members
is two inputs. Sidecars are paired with media as in folders, and else by the key.
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO

from PIL import Image

from dataengine.config.sources import WebDatasetSource
from dataengine.errors import InputError, PartitionError, RunError
from dataengine.ingest import tar_index
from dataengine.ingest.listing import glob, part_name, relative
from dataengine.ingest.occurrence import Occurrence, Sidecar, read_sidecars
from dataengine.ingest.tar_index import Entry
from dataengine.media.limits import Limits
from dataengine.stage import Part
from dataengine.storage.store import Store
from dataengine.storage.workspace import digest
from dataengine.text.bounded_json import SIZE

_VIDEO = {"mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "wmv", "flv", "3gp", "ogv"}
_SIDECARS = ("txt", "json")
_MAX_REMOTE = 64 << 30
"""Bytes of a tar on S3, which is copied to the temporary folder."""
_SHOWN, _CUT = 5, 80
"""Names in a message, and characters of each."""


@dataclass
class _Sample:
    """Members of one key. ``media``: by name, in the order of the tar; ``sidecars``: by name, the extension in lower case;
    ``others``: extensions of the rest."""

    media: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    sidecars: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    others: set[str] = field(default_factory=set)
    errors: dict[str, list[InputError]] = field(default_factory=dict)
    """Of the sidecars that belong to a media member, why they cannot be used."""

    def add(self, name: str, ext: str, entry: Entry) -> None:
        last = ext.rpartition(".")[2].lower()
        if last in _SIDECARS:
            self.sidecars[f"{name[: -len(last)]}{last}"].append(entry)
        elif last in _VIDEO or f".{last}" in Image.registered_extensions():
            self.media[name].append(entry)
        else:
            self.others.add(ext)

    def sidecar(self, media: str, key: str, suffix: str, file: IO[bytes]) -> tuple[str, bytes | None]:
        """Name and bytes of a media member's sidecar: ``a.b.txt`` or ``a.b.jpg.txt`` of ``a.b.jpg`` as in folders, or ``a.txt``
        by its key. No bytes where there is none that can be read."""
        stem = media.rpartition(".")[0]
        names = [f"{stem}.{suffix}", f"{media}.{suffix}", f"{stem}.info.{suffix}", f"{key}.{suffix}"]
        name = next((name for name in names if name in self.sidecars), "")
        if not name:
            return "", None
        *earlier, entry = self.sidecars[name]
        errors = self.errors[name] = []
        if earlier:
            message = f"{len(earlier) + 1:,} members of this name; the last one is used"
            errors.append(InputError("duplicate_member", message))
        if entry.refused or entry.size > SIZE:
            failure = "unreadable" if entry.refused else "too_many_bytes"
            errors.append(InputError(failure, entry.refused or f"{entry.size:,} bytes, limit {SIZE:,}"))
            return name, None
        return name, _bytes(file, entry)


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
            parts.append(Part(part_name(self.source.name, name), key, entry.key, float(entry.size)))
        return parts

    def occurrences(self, spec: str) -> Iterator[Occurrence]:
        seen: Counter[str] = Counter()
        for occurrence in self._occurrences(relative(self.source.path, spec), spec):
            seen[occurrence.uri] += 1
            count = seen[occurrence.uri]
            yield replace(occurrence, uri=f"{occurrence.uri}#{count}") if count > 1 else occurrence

    def _occurrences(self, tar: str, spec: str) -> Iterator[Occurrence]:
        with ExitStack() as stack:
            try:
                file = stack.enter_context(_local(spec))
            except InputError as error:
                yield Occurrence(f"{tar}#", error=error)
                return
            samples, damage = _samples(file)
            for key, sample in sorted(samples.items()):
                yield from self._sample(tar, file, key, sample)
                yield from _without_media(tar, key, sample)
            if damage:
                yield Occurrence(f"{tar}#", error=_explained(tar, damage))

    def _sample(self, tar: str, file: IO[bytes], key: str, sample: _Sample) -> Iterator[Occurrence]:
        for name in sorted(sample.media, key=lambda n: n[len(key) + 1 :]):
            (_, text), (json_name, facts) = (sample.sidecar(name, key, suffix, file) for suffix in _SIDECARS)
            side = read_sidecars(text, facts)
            if side.error:
                sample.errors[json_name].append(side.error)
            for entry in sample.media[name]:
                yield self._occurrence(f"{tar}#{name}", file, entry, side)

    def _occurrence(self, uri: str, file: IO[bytes], entry: Entry, side: Sidecar) -> Occurrence:
        if entry.refused:
            return Occurrence(uri, error=InputError("unreadable", f"the member cannot be read: {entry.refused}"))
        if entry.size > self.limits.bytes:
            message = f"{entry.size:,} bytes, limit {self.limits.bytes:,}"
            return Occurrence(uri, error=InputError("too_many_bytes", message))
        license_ = side.license or self.source.license
        return Occurrence(uri, "", side.captions, license_, side.meta, _bytes(file, entry))


def _without_media(tar: str, key: str, sample: _Sample) -> Iterator[Occurrence]:
    """Failures for what belongs to no image or video, or is hidden by a later member of its name."""
    if not sample.media:
        names = sorted([*(name[len(key) + 1 :] for name in sample.sidecars), *sample.others])
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        listed = ", ".join(name[:_CUT] for name in names[:_SHOWN])
        message = f"sample {key[:_CUT]} has no image or video, only {listed}{more}"
        yield Occurrence(f"{tar}#{key}", error=InputError("missing", message))
        return
    # With a member `key.jpg`, others such as `key.caption.txt` are further fields of that sample.
    dotted = all("." in name[len(key) + 1 :] for name in sample.media)
    orphan = [InputError("missing", "a sidecar without an image or video of the same name")] if dotted else []
    for name in sorted(sample.sidecars):
        for error in sample.errors.get(name, orphan):
            yield Occurrence(f"{tar}#{name}", error=error)


def _explained(tar: str, damage: InputError) -> InputError:
    if damage.failure == "compressed":
        return InputError("compressed", f"{tar} cannot be read: {damage.message}")
    return InputError(damage.failure, f"{tar} is damaged: {damage.message}; the samples before that are used")


def _samples(file: IO[bytes]) -> tuple[dict[str, _Sample], InputError | None]:
    """Samples by key, and why the tar cannot be read to its end, None where it can."""
    samples: dict[str, _Sample] = defaultdict(_Sample)
    try:
        for entry in tar_index.entries(file):
            path = PurePosixPath(entry.name)
            if not path.name and entry.size:
                place = f"(byte {entry.offset})"
                samples[place].media[place].append(replace(entry, refused=entry.refused or "it has no name"))
            elif path.name and not path.name.startswith("."):
                stem, _, ext = path.name.partition(".")
                samples[str(path.parent / stem)].add(str(path), ext, entry)
    except InputError as damage:
        return samples, damage
    return samples, None


def _local(path: str) -> IO[bytes]:
    """The open tar, copied to a temporary file from S3. Raises InputError."""
    if "://" not in path:
        try:
            return Path(path).open("rb")
        except OSError as error:
            raise InputError("unreadable", f"the tar cannot be opened: {error.strerror}") from None
    folder, _, name = path.rpartition("/")
    file = tempfile.TemporaryFile()  # noqa: SIM115  the caller's context
    try:
        _copy(Store(folder), name, file)
    except BaseException:
        file.close()
        raise
    return file


def _copy(store: Store, name: str, file: IO[bytes]) -> None:
    try:
        entry = store.head(name)
        if entry is None:
            raise InputError("missing", f"no such file: {name}; it was deleted after the source was listed")
        if entry.size > _MAX_REMOTE:
            raise InputError("too_many_bytes", f"the tar has {entry.size:,} bytes, limit {_MAX_REMOTE:,}: split it")
        for chunk in store.stream(name, entry.size):
            file.write(chunk)
    except RunError as error:
        raise PartitionError(str(error)) from None
    except OSError as error:
        raise RunError(
            f"{store.uri(name)} cannot be copied to {tempfile.gettempdir()}: {error.strerror}; set TMPDIR to a folder with "
            "enough space and rerun"
        ) from None


def _bytes(file: IO[bytes], entry: Entry) -> bytes:
    file.seek(entry.offset)
    return file.read(entry.size)
