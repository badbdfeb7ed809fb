"""Samples of a release as rows of a table: captions, sizes, and where their codes lie in a tar. Read once, whoever needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from dataengine.config.sequence import VisionConfig
from dataengine.errors import InputError, RunError
from dataengine.media.image.resize import PATCH, smart_resize
from dataengine.media.video.sampling import FAST, SLOW
from dataengine.sequence.draft import Visual
from dataengine.shards.read import read_members
from dataengine.shards.sample import FAMILIES, SampleMetadata
from dataengine.storage.tar import BLOCK, member_size
from dataengine.tokenize.base import Codes, Timeline
from dataengine.tokenize.codec import from_npy

_METADATA = msgspec.json.Decoder(SampleMetadata)
_FIELDS: list[pa.Field[Any]] = [
    pa.field("id", pa.string(), False),
    pa.field("kind", pa.string(), False),
    pa.field("captions", pa.list_(pa.string()), False),
    pa.field("width", pa.int32(), False),
    pa.field("height", pa.int32(), False),
    pa.field("duration", pa.float64(), False),
    pa.field("rq", pa.list_(pa.int32())),
    pa.field("codes_offset", pa.int64()),
    pa.field("codes_size", pa.int64()),
    pa.field("grid", pa.list_(pa.int32())),
    pa.field("frame_kinds", pa.list_(pa.int8())),
    pa.field("frame_times", pa.list_(pa.float64())),
    pa.field("fast_grid", pa.list_(pa.int32())),
]
#: One row a sample of a tar, in its order. Places of codes are those of the ``.npy`` in the tar; null without codes.
MATERIAL = pa.schema(_FIELDS)


def material(path: Path) -> pa.Table:
    """MATERIAL of a tar of samples. Raises RunError for a sample whose ``.json`` is not as this version writes it."""
    rows = []
    for key, places, described in _samples(path):
        try:
            rows.append(_row(_METADATA.decode(described), places.get("codes.npy")))
        except (ValueError, RecursionError) as error:
            raise RunError(f"{path.name}: {key}.json: {error}") from None
    return pa.Table.from_pylist(rows, MATERIAL)


def _samples(path: Path) -> Iterator[tuple[str, dict[str, tuple[int, int]], bytes]]:
    """Key, ``(offset, bytes)`` by extension and ``.json`` of each sample."""
    key, places, described, offset = "", dict[str, tuple[int, int]](), b"", 0
    for name, data in read_members(path):
        stem, _, ext = name.partition(".")
        if stem != key and key:
            yield key, places, described
            places, described = {}, b""
        key, places[ext] = stem, (offset + BLOCK, len(data))
        described = data if ext == "json" else described
        offset += member_size(len(data))
    if key:
        yield key, places, described


def _row(m: SampleMetadata, codes: tuple[int, int] | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": m.id,
        "kind": m.kind,
        "captions": [caption.text for caption in m.captions if caption.text],
        "width": m.width,
        "height": m.height,
        "duration": m.duration,
        "rq": None if isinstance(m.rq, msgspec.UnsetType) or -1 in m.rq else m.rq,
    }
    if codes is None or isinstance(m.codes, msgspec.UnsetType):
        return row
    line = msgspec.to_builtins(m.codes)
    frames = {name: line.get(name) for name in ("frame_kinds", "frame_times", "fast_grid")}
    return {**row, "codes_offset": codes[0], "codes_size": codes[1], "grid": list(m.codes.grid), **frames}


def codes_of(row: Mapping[str, Any], data: bytes) -> Codes:
    """Codes of a row from the bytes of their ``.npy``. Raises RunError for damaged ones."""
    t, h, w = row["grid"]
    return from_npy(data, (t, h, w), _timeline(row))


def discrete(row: Mapping[str, Any], codes: Codes | None, loss: bool) -> Visual:
    """The visual part of a sample for discrete layouts."""
    return Visual(row["id"], _member(row), codes, (1, 1, 1), video=row["kind"] == "video", loss=loss)


def continuous(row: Mapping[str, Any], layout: str, how: VisionConfig) -> Visual:
    """Placeholders of a sample. A video has frames at ``fps`` for ``qwen-vl``, two of which are one position in time (its patches
    take two), and for ``keye`` the frames of its codes, slow and fast, or all slow ones at ``fps`` where it has no codes."""
    try:
        if row["kind"] != "video":
            return Visual(row["id"], _member(row), None, (1, *_grid(row, how.image_tokens)))
        times, kinds = _frames(row, layout, how)
        h, w = _grid(row, how.frame_tokens)
        low = how.frame_tokens[0]
        fast = _grid(row, (low, max(low, int(h * w * 0.3)))) if FAST in kinds else (h, w)
    except InputError as error:
        raise InputError(error.failure, f"sample {row['id']}: {error.message}") from None
    return Visual(row["id"], _member(row), None, (len(times), h, w), Timeline(kinds, times, fast), video=True)


def _frames(row: Mapping[str, Any], layout: str, how: VisionConfig) -> tuple[tuple[float, ...], tuple[int, ...]]:
    line = _timeline(row)
    if layout == "keye" and line is not None:
        return line.times, line.kinds
    count = max(1, min(how.max_frames, round(row["duration"] * how.fps)))
    times = [round(n * row["duration"] / count, 3) for n in range(count)]
    if layout == "qwen-vl":
        times = times[::2]
    return tuple(times), (SLOW,) * len(times)


def _grid(row: Mapping[str, Any], tokens: tuple[int, int]) -> tuple[int, int]:
    """(h, w) in merged patches of 28 x 28 pixels."""
    height, width = smart_resize(row["height"], row["width"], min_tokens=tokens[0], max_tokens=tokens[1])
    return height // PATCH, width // PATCH


def _timeline(row: Mapping[str, Any]) -> Timeline | None:
    if row["frame_kinds"] is None:
        return None
    h, w = row["fast_grid"]
    return Timeline(tuple(row["frame_kinds"]), tuple(row["frame_times"]), (h, w))


def _member(row: Mapping[str, Any]) -> str:
    return f"{row['id']}.{FAMILIES[row['kind']]}"
