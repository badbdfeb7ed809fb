"""The first bytes of an input that could not be read, in hex, from where it lies now. What the recipe does not let a row read is
not read here, and nothing is asked of the web."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO

from dataengine.browse.whereabouts import of_partition
from dataengine.config.recipe import Recipe
from dataengine.config.sources import FolderSource, PluginSource, RowsSource, Source, TableSource, WebDatasetSource
from dataengine.errors import DataEngineError, InputError
from dataengine.ingest import tar_index
from dataengine.ingest.listing import folder_of, is_pattern
from dataengine.ingest.reading import check_prefix, opened, scheme_of
from dataengine.ingest.table import TableReader

#: Bytes that are shown, and that a line of the dump has.
SHOWN, _LINE = 256, 16
_BUFFER = 16 << 10
"""Bytes of a request where a tar or table lies on S3."""
_MEMBERS, _SECONDS, _TABLE = 200_000, 10.0, 64 << 20
"""Members of a tar, seconds, and bytes of a table that are looked through."""
_ROW = re.compile(r"row ([0-9]{1,12})")
_AGAIN = re.compile(r"#[0-9]+$")
"""What a uri ends in where its source names the same thing several times."""
_FROM_WEB = "it comes from the web, and nothing was kept of it"


def first_bytes(recipe: Recipe, source: str, uri: str) -> bytes:
    """At most SHOWN bytes of an input, of a member in its tar, or of a row in its JSONL table. Raises InputError, which says why
    there are none."""
    config = next((one for one in recipe.sources if one.name == source), None)
    if config is None:
        raise InputError("missing", f"the recipe has no source {source}")
    config, whole = of_partition(config, uri.partition("#t=")[0])
    try:
        return _read(config, whole)
    except InputError as error:
        if error.failure == "missing" and _AGAIN.search(whole):
            return _read(config, _AGAIN.sub("", whole))
        raise
    except OSError as error:
        raise InputError("unreadable", error.strerror or type(error).__name__) from None


def dump(data: bytes) -> list[str]:
    """Lines of offset, bytes in hex and what of them is printable ASCII, as ``hexdump -C`` writes them."""
    lines = []
    for at in range(0, len(data), _LINE):
        line = data[at : at + _LINE]
        printable = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        lines.append(f"{at:08x}  {line.hex(' '):<{3 * _LINE - 1}}  |{printable}|")
    return lines


def _read(config: Source, uri: str) -> bytes:
    if isinstance(config, FolderSource):
        folder = config.path.rstrip("/")
        return _start(f"{folder}/{uri}", (config.path, *config.roots))
    if isinstance(config, PluginSource):
        raise InputError("not_kept", "what a plugin has read, only the plugin can read again")
    container, _, inside = uri.partition("#")
    if ".." in PurePosixPath(container).parts:
        raise InputError("not_allowed", f"{container} leads outside the folder of its source")
    location = f"{folder_of(config.path).rstrip('/')}/{container}"
    if not inside:
        return _start(location, (folder_of(config.path),))
    if isinstance(config, WebDatasetSource):
        return _member(location, inside)
    assert isinstance(config, RowsSource)
    if row := _ROW.fullmatch(inside):
        return _row(location, int(row[1]), (folder_of(config.path),) if is_pattern(config.path) else ())
    if not isinstance(config, TableSource) or scheme_of(inside) in ("http", "https"):
        raise InputError("not_kept", _FROM_WEB)
    place = TableReader(config).place(location, inside)
    return _start(place.location, place.within)


@contextmanager
def _opened(location: str, within: tuple[str, ...]) -> Iterator[BinaryIO]:
    """A file on disk or S3. Raises InputError."""
    if scheme_of(location) in ("http", "https"):
        raise InputError("not_kept", _FROM_WEB)
    if scheme_of(location):
        check_prefix(location, within)
    with opened(location, within, _BUFFER) as file:
        yield file


def _start(location: str, within: tuple[str, ...]) -> bytes:
    with _opened(location, within) as file:
        return file.read(SHOWN)


def _member(location: str, name: str) -> bytes:
    """Of the last member of that name, as ingest takes it. Only headers are read on the way."""
    until = time.monotonic() + _SECONDS
    with _opened(location, ()) as file:
        place = None
        try:
            for n, entry in enumerate(tar_index.entries(file)):
                if str(PurePosixPath(entry.name)) == name or f"(byte {entry.offset})" == name:
                    place = entry
                if n >= _MEMBERS or time.monotonic() > until:
                    break
        except InputError:
            pass  # damaged further on; what comes before was read
        if place is None:
            raise InputError("missing", f"{name} was not found in its tar")
        file.seek(place.offset)
        return file.read(min(SHOWN, place.size))


def _row(location: str, number: int, within: tuple[str, ...]) -> bytes:
    """Of a line of a JSONL table."""
    if PurePosixPath(location).suffix not in (".jsonl", ".ndjson"):
        raise InputError("not_shown", f"it is row {number:,} of a table")
    until = time.monotonic() + _SECONDS
    with _opened(location, within) as file:
        n = read = 0
        while n < number and (piece := file.readline(_BUFFER)):
            if n == number - 1:
                return piece.rstrip(b"\r\n")[:SHOWN]
            n, read = n + piece.endswith(b"\n"), read + len(piece)
            if read > _TABLE or time.monotonic() > until:
                raise InputError("missing", f"row {number:,} lies further on than is looked for it")
    raise InputError("missing", f"there is no row {number:,}")


def shown(recipe: Recipe, source: str, uri: str) -> dict[str, object]:
    """``lines`` of the dump of an input, or none and the ``note`` that says why."""
    try:
        data = first_bytes(recipe, source, uri)
    except DataEngineError as error:
        return {"lines": [], "note": str(error)}
    return {"lines": dump(data), "note": "" if data else "the file has no bytes"}
