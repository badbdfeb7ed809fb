"""On-disk layout of the demo corpus: two folders with sidecars, a table, and tars in img2dataset's layout.

Bytes and modification times are fixed, so that two builds are identical trees.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from dataengine.demo.plan import uri

MTIME = 1_700_000_000
"""Modification time of every file and folder, seconds since 1970."""

_CUT_LINE = '{"path": "images/cut-off-row.jpg", "caption": "A row that ends in the mid'


@dataclass(frozen=True)
class Entry:
    """One input: ``to`` is ``source/path``; ``data`` is None if the media file is to be missing."""

    to: str
    data: bytes | None
    captions: tuple[str, ...] = ()
    license: str | None = None
    sidecar: str = "txt"

    @property
    def source(self) -> str:
        return self.to.partition("/")[0]

    @property
    def path(self) -> PurePosixPath:
        return PurePosixPath(self.to)


def write(root: Path, entries: Iterable[Entry]) -> dict[str, str]:
    """Write all sources below ``root``. Returns the uri of each entry, by its ``to``."""
    placed = sorted(entries, key=lambda e: e.to)
    table = [e for e in placed if e.source == "table"]
    files = {k: v for e in placed if e.source in ("photos", "videos") for k, v in _in_folder(e)}
    files |= {e.to: e.data for e in table if e.data is not None}
    files["table/captions.jsonl"], uris = _rows(table)
    web = [e for e in placed if e.source == "web"]
    for tar, members in groupby(web, key=lambda e: str(e.path.parent)):
        files[f"{tar}.tar"] = _tar(members)
    for name, data in files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return {e.to: uri(e.to) for e in placed} | uris


def freeze(root: Path) -> None:
    """Set the fixed modification time on everything below ``root``, and on itself."""
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, (MTIME, MTIME))
    os.utime(root, (MTIME, MTIME))


def _in_folder(entry: Entry) -> Iterator[tuple[str, bytes]]:
    if entry.data is not None:
        yield entry.to, entry.data
    if not entry.captions:
        return
    if entry.sidecar == "json":
        yield str(entry.path.with_suffix(".json")), _json(_facts(entry))
    else:
        yield str(entry.path.with_suffix(".txt")), "".join(f"{c}\n" for c in entry.captions).encode()


def _facts(entry: Entry) -> dict[str, Any]:
    captions: Any = list(entry.captions) if len(entry.captions) > 1 else next(iter(entry.captions), None)
    return {"caption": captions, "license": entry.license}


def _rows(table: list[Entry]) -> tuple[bytes, dict[str, str]]:
    """The JSONL, and the uris of rows without a path: they are named by their number."""
    lines, uris = [], {}
    for number, entry in enumerate(sorted(table, key=lambda e: (e.to == "table", e.to)), 1):
        if entry.to == "table":
            lines.append(_CUT_LINE)
            uris[entry.to] = f"captions.jsonl#row {number}"
        else:
            lines.append(json.dumps({"path": entry.to.removeprefix("table/"), **_facts(entry)}))
    return "".join(f"{line}\n" for line in lines).encode(), uris


def _tar(entries: Iterable[Entry]) -> bytes:
    """img2dataset's layout: KEY.jpg, KEY.json, KEY.txt, side by side."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for entry in entries:
            key, data = entry.path.stem, entry.data or b""
            _add(tar, entry.path.name, data)
            _add(tar, f"{key}.json", _json(_crawled(entry, key, data)))
            if entry.captions:
                _add(tar, f"{key}.txt", "\n".join(entry.captions).encode())
    return out.getvalue()


def _crawled(entry: Entry, key: str, data: bytes) -> dict[str, Any]:
    return _facts(entry) | {
        "key": key,
        "url": f"https://example.com/pictures/{entry.path.name}",
        "status": "success",
        "error_message": None,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), MTIME
    tar.addfile(info, io.BytesIO(data))


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
