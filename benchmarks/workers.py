"""Workers of model stages over media in a workspace, as an actor runs them: shared by benchmarks that need no Ray."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dataengine.samples.locate import Located
from dataengine.stage import Part
from dataengine.storage.workspace import Workspace

_MADE = ("annotations/", "codes/")


def media(workspace: Workspace, parts: int, pictures: Sequence[bytes]) -> list[Part]:
    """Write the pictures, JPEG, into so many media files; the parts of a stage over them. The last pictures are left out where
    they do not come out even."""
    size = len(pictures) // parts
    made = []
    for part in range(parts):
        key, rows, offset = f"media/{part:04d}.tar", list[Located](), 0
        some = pictures[part * size : (part + 1) * size]
        for n, data in enumerate(some):
            rows.append(Located(f"{part:04d}{n:06d}", "image", "jpg", len(data), (), key, offset, {}))
            offset += len(data)
        workspace.store.put(key, b"".join(some))
        made.append(Part(f"{part:04d}", f"{part:016d}", rows))
    return made


def made(worker: Any, parts: Sequence[Part], at_once: int) -> int:
    """Make all parts, which were not made before as far as the worker knows; pictures made."""
    store = worker.workspace.store
    store.delete([entry.key for prefix in _MADE for entry in store.list(prefix)])
    with ThreadPoolExecutor(at_once) as threads:
        outputs = list(threads.map(worker.process, parts))
    return sum(output.counts["samples"] for output in outputs)
