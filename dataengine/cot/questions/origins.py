"""Finds signs that two videos may be pieces of one: a folder, a host and path, or the beginning of a name or title in common.

A sign may be wrong: two films in one folder are then never shown side by side. The root of a source, or of a host, is no sign.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pyarrow as pa

from dataengine.contracts import columns

#: The signs of each video, of all its occurrences.
ORIGINS = columns(id=pa.string(), origins=pa.list_(pa.string()))
_SPAN = re.compile(r"#t=[\d.]+,[\d.]+(?:#\d+)?$")
_TABLE = re.compile(r"^.*?\.(?:jsonl|json|csv|tsv|parquet)#")
_TAR = re.compile(r"^.*?\.tar[#/]")
_NUMBERED = re.compile(
    r"(?:[\W_]+(?:part|clip|scene|shot|take|segment|seg|episode|ep)?[\W_]*\d+|[\W_]+(?:part|clip|scene|shot|take))+$"
)
_GENERAL = frozenset(
    {"video", "clip", "movie", "file", "sample", "scene", "shot", "part", "vid", "mov", "img", "frame", "row"}
)
"""Names that files of any origin have."""
_LEAST = 3
"""Letters of a beginning that says something."""


def origins(source: str, uri: str, meta: str | None) -> list[str]:
    """The signs of one occurrence of a video."""
    known = json.loads(meta) if meta else {}
    signs = set[str]()
    for place in (_TAR.sub("", _TABLE.sub("", _SPAN.sub("", uri))), known.get("url")):
        if isinstance(place, str):
            signs |= _of_place(source, place)
    title = known.get("title")
    return sorted(signs | (_beginning(re.split(r" [-–—|] |: ", title)[0]) if isinstance(title, str) else set()))


def origin_lists(occurrences: pa.Table) -> pa.Table:
    """ORIGINS of (id, source, uri, meta)."""
    by_id: dict[str, set[str]] = {}
    for row in occurrences.to_pylist():
        by_id.setdefault(row["id"], set()).update(origins(row["source"], row["uri"], row["meta"]))
    return pa.table({"id": list(by_id), "origins": [sorted(signs) for signs in by_id.values()]}, schema=ORIGINS)


def _of_place(source: str, place: str) -> set[str]:
    url = urlsplit(place) if "://" in place else None
    path = PurePosixPath((url.path if url else place).lstrip("/"))
    folder = str(path.parent)
    within = url.netloc.lower() if url else source
    return ({f"in {within}/{folder}"} if folder != "." else set()) | _beginning(path.stem)


def _beginning(name: str) -> set[str]:
    """What is left of a name without the numbers of its parts; nothing where that is short or general, or is all numbers."""
    rest = _NUMBERED.sub("", name.strip().lower())
    letters = sum(c.isalpha() for c in rest)
    return {f"named {rest}"} if letters >= _LEAST and rest not in _GENERAL else set()
