"""What a take-down is asked to remove: ids, digests, uris, paths and URLs of a file, a line each, and pictures by their
hashes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from dataengine.contracts import sample_id
from dataengine.errors import InputError, UsageError
from dataengine.ingest.reading import opened
from dataengine.ingest.tombstones import RADIUS
from dataengine.media.facts import Facts
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Sandbox
from dataengine.text.uris import without_secrets

pc: Any = pyarrow.compute  # whose stubs admit less than its functions do

_ID, _SHA256 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
_LARGEST = 1 << 28
#: Before the time span of a clip in the uri of its video.
SPAN = "#t="
_LISTED = 5
Bits = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Picture:
    """A file that was given: its digest, and the hashes that its near-duplicates are near to."""

    path: str
    sha256: str
    hashes: tuple[int, ...]


@dataclass
class Asked:
    """``lines`` as they were written, none twice. ``near``: near-duplicates of what they name go as well."""

    lines: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    near: bool = False
    digests: frozenset[str] = field(init=False)
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        by_content = {line for line in self.lines if _ID.fullmatch(line) or _SHA256.fullmatch(line)}
        self.digests = frozenset({line[:32] for line in by_content} | {p.sha256[:32] for p in self.pictures})
        self.names = frozenset(without_secrets(line) for line in self.lines if line not in by_content)

    @property
    def sha256s(self) -> frozenset[str]:
        """Whole digests, which become tombstones even where nothing has them."""
        return frozenset({line for line in self.lines if _SHA256.fullmatch(line)} | {p.sha256 for p in self.pictures})

    @property
    def pictured(self) -> frozenset[str]:
        """Ids of the pictures."""
        return frozenset(picture.sha256[:32] for picture in self.pictures)

    @property
    def hashes(self) -> tuple[int, ...]:
        """Perceptual hashes of the pictures."""
        return tuple(value for picture in self.pictures for value in picture.hashes)

    def named(self, uris: Any) -> Any:
        """Of each uri whether a line names it: as it is, or as the end of an absolute path; and a video by any clip of it."""
        if not self.names or not len(uris):
            return pa.chunked_array([pa.array(np.zeros(len(uris), bool))])
        whole = pc.replace_substring_regex(uris, pattern=r"#t=[0-9.]+,[0-9.]+$", replacement="")
        known = pa.array(sorted(self.names), pa.string())
        exact = pc.or_(pc.is_in(uris, value_set=known), pc.is_in(whole, value_set=known))
        longer = pa.array(sorted({end for name in self.names for end in _ends(name)}), pa.string())
        return pc.or_(exact, pc.is_in(whole, value_set=longer))

    def unnamed(self, uris: Iterable[str], ids: Iterable[str]) -> list[str]:
        """Lines that none of these uris and ids answer to."""
        known, ends = set(ids), set[str]()
        for uri in uris:
            whole = uri.partition(SPAN)[0]
            ends |= {uri, whole}
        missing = []
        for line in self.lines:
            name = without_secrets(line)
            by_name = name in ends or any(end in ends for end in _ends(name))
            if line[:32] not in known and not by_name:
                missing.append(line)
        return missing


class InputsByPath:
    """Inputs that absolute paths name by their ends, each path with the ids of each input's contents."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, list[str]] = {}
        for name in names:
            for end in _ends(name):
                self._names.setdefault(end, []).append(name)
        self._inputs: dict[str, dict[tuple[str, str], set[str]]] = {}

    def add(self, source: str, uri: str, id_: str) -> None:
        whole = uri.partition(SPAN)[0]
        for name in self._names.get(whole, []):
            self._inputs.setdefault(name, {}).setdefault((source, whole), set()).add(id_)

    def require_one_each(self) -> None:
        """Raises UsageError for a path by whose end several inputs of different content are named."""
        for name, inputs in sorted(self._inputs.items()):
            if len({frozenset(ids) for ids in inputs.values()}) > 1:
                each = (f"{source}: {uri} (id {min(ids)})" for (source, uri), ids in sorted(inputs.items()))
                raise UsageError(f"{name} could be any of {len(inputs):,} inputs: {listed(each)}. Name it by its id")


def _ends(name: str) -> Iterator[str]:
    """Ends of an absolute path or s3:// object after each slash: a uri is relative to its source's folder. None of other
    names."""
    if not name.startswith(("/", "s3://")):
        return
    parts = name.removeprefix("s3://").split("/")
    yield from filter(None, ("/".join(parts[start:]) for start in range(1, len(parts))))


def read(ids: str | None, images: Sequence[str], near: bool) -> Asked:
    """What the file ``ids`` (a path or s3:// object) and the pictures ask for. Raises UsageError for what cannot be read, and
    where nothing is asked for."""
    lines = dict.fromkeys(_lines(ids)) if ids else {}
    if not lines and not images:
        raise UsageError(
            "name what is to be taken down: --ids FILE (an id, SHA-256, uri, path or URL a line), or --image FILE"
        )
    return Asked(tuple(lines), tuple(_pictures(images)) if images else (), near)


def _lines(path: str) -> Iterator[str]:
    for line in _bytes(path).decode("utf-8-sig", "replace").splitlines():
        text = line.strip()
        if text and not text.startswith("#"):
            lower = text.lower()
            yield lower if _ID.fullmatch(lower) or _SHA256.fullmatch(lower) else text


def _pictures(paths: Sequence[str]) -> Iterator[Picture]:
    """Decoded in the child, as any input."""
    limits = Limits()
    contents = [_bytes(path) for path in paths]
    with Sandbox("dataengine.media.inspect:inspect", limits, workers=1, limits=limits, answer=Facts) as sandbox:
        for path, data, outcome in zip(paths, contents, sandbox.map(contents), strict=True):
            if isinstance(outcome, Failed):
                raise UsageError(f"--image {path}: {outcome.failure}: {outcome.message}")
            facts: Facts = outcome.value
            hashes = tuple(v for v in (facts["phash"], *facts["frame_hashes"]) if v is not None)
            yield Picture(path, sample_id(data)[1], hashes)


def _bytes(path: str) -> bytes:
    try:
        with opened(path) as file:
            data: bytes = file.read(_LARGEST + 1)
    except InputError as error:
        raise UsageError(f"{path}: {'no such file' if error.failure == 'missing' else error.message}") from None
    if len(data) > _LARGEST:
        raise UsageError(f"{path}: more than {_LARGEST:,} bytes")
    return data


def near(values: Bits, known: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Of each 64-bit hash whether it is within RADIUS of a known one; memory grows with ``values`` alone."""
    result = np.zeros(len(values), bool)
    for one in known:
        result |= np.bitwise_count(values ^ np.uint64(one & (1 << 64) - 1)) <= RADIUS
    return result


def listed(values: Iterable[str]) -> str:
    """The first of some values, in words."""
    whole = list(values)
    return ", ".join(whole[:_LISTED]) + (f" and {len(whole) - _LISTED:,} more" if len(whole) > _LISTED else "")
