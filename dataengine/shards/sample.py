"""The members of a sample in a shard. Why the media is always called ``.jpg`` or ``.mp4``: docs/adr/0003-shard-layout.md.

Hugging Face infers types from the first five samples, so in the JSON nothing is null, no list is empty and a number
keeps its type: unknown text is ``""``, unknown fps and duration are ``0.0``, and one empty entry stands for none. Videos
also tell which ``parent`` they are a clip of, and from when to when: ``""`` and ``0.0`` where they are whole. Where a release
does not keep metadata, ``media_sha256`` and ``bytes`` are of what it holds, ``id`` and ``sha256`` of the original.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dataengine.errors import RunError
from dataengine.storage.tar import member_size
from dataengine.tokenize.codec import row_to_npy

#: Families of shards by kind of media, with the one extension that all media of a family have there.
FAMILIES = {"image": "jpg", "video": "mp4"}

_TEXT = ("id", "sha256", "kind", "format", "ext", "mode", "codec", "license")
_WHOLE = ("bytes", "width", "height", "orientation", "frames", "mentions")
_REAL = ("fps", "duration")

Members = list[tuple[str, bytes]]


def sample_members(
    row: Mapping[str, Any],
    media: bytes,
    *,
    best: int = 0,
    scores: Mapping[str, float | None] | None = None,
    codes: Mapping[str, Any] | None = None,
) -> Members:
    """Members of one sample: ``<id>.jpg|mp4`` (the original bytes, whatever their format), ``.txt``, ``.json`` and, where
    the release has codes, ``.codes.npy``.

    ``row`` has the columns of contracts.UNIQUE, ``best`` is the caption that ``.txt`` holds, ``scores`` are by name
    (None and non-finite values are left out), ``codes`` is a row of contracts.CODES.
    """
    return [(f"{row['id']}.{FAMILIES[row['kind']]}", media), *_described(row, best, scores, codes)]


def sample_size(
    row: Mapping[str, Any],
    *,
    best: int = 0,
    scores: Mapping[str, float | None] | None = None,
    codes: Mapping[str, Any] | None = None,
) -> int:
    """Bytes that ``sample_members`` takes in a shard, headers and padding included; needs no media."""
    described = _described(row, best, scores, codes)
    return member_size(row["bytes"]) + sum(member_size(len(data)) for _, data in described)


def flatten(samples: Iterable[Members]) -> Iterator[tuple[str, bytes]]:
    """Members of all samples in order. Raises RunError where one has other fields than the first: Hugging Face's reader
    would refuse the shard, or drop what the first five samples do not have."""
    expected: list[str] = []
    for members in samples:
        keys, fields = zip(*(name.split(".", 1) for name, _ in members), strict=True)
        expected = expected or list(fields)
        if len(set(keys)) != 1 or list(fields) != expected:
            raise RunError(f"sample {keys[0]} has the fields {', '.join(fields)}, others {', '.join(expected)}")
        yield from members


def longest(captions: Sequence[Mapping[str, Any]]) -> int:
    """Index of the caption with most characters, the first of equals; 0 where there is none."""
    return max(range(len(captions)), key=lambda i: (len(captions[i]["text"]), -i), default=0)


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8. Raises ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _described(
    row: Mapping[str, Any], best: int, scores: Mapping[str, float | None] | None, codes: Mapping[str, Any] | None
) -> Members:
    captions = _captions(row["captions"], best)
    told: dict[str, Any] = {name: row[name] or "" for name in _TEXT}
    told |= {name: int(row[name]) for name in _WHOLE}
    told |= {name: _finite(row[name]) or 0.0 for name in _REAL}
    told |= {"audio": bool(row["audio"]), "phash": _hex(row["phash"]), "captions": captions, "scores": _scores(scores)}
    if row["kind"] == "video":
        told |= {"parent": row.get("parent") or ""}
        told |= {name: _finite(row.get(name)) or 0.0 for name in ("clip_start", "clip_end")}
    if row.get("media_sha256"):
        told["media_sha256"] = row["media_sha256"]
    if row.get("faces") is not None:
        told["faces"] = int(row["faces"])
    members = [("txt", captions[0]["text"].encode())]
    if codes is not None:
        told["codes"] = _codes(codes)
    members.append(("json", canonical(told)))
    if codes is not None:
        members.append(("codes.npy", row_to_npy(codes)))
    return [(f"{row['id']}.{ext}", data) for ext, data in members]


def _codes(codes: Mapping[str, Any]) -> dict[str, Any]:
    """What ``.codes.npy`` does not tell of codes; of a video also its frames."""
    told = {"tokenizer": codes["tokenizer"], "grid": [codes[f"grid_{axis}"] for axis in "thw"]}
    if codes["frame_kinds"] is None:
        return told
    fast = [codes["fast_h"], codes["fast_w"]]
    times = [float(t) for t in codes["frame_times"]]
    return told | {"frame_kinds": list(codes["frame_kinds"]), "frame_times": times, "fast_grid": fast}


def _captions(captions: Sequence[Mapping[str, Any]], best: int) -> list[dict[str, str]]:
    """The chosen caption first, then the others in their order."""
    order = [best, *(i for i in range(len(captions)) if i != best)] if captions else []
    found = [{"text": captions[i]["text"] or "", "source": captions[i]["source"] or ""} for i in order]
    return found or [{"text": "", "source": ""}]


def _scores(scores: Mapping[str, float | None] | None) -> list[dict[str, Any]]:
    given = {name: _finite(value) for name, value in sorted((scores or {}).items())}
    found = [{"name": name, "value": value} for name, value in given.items() if value is not None]
    return found or [{"name": "", "value": 0.0}]


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _hex(bits: int | None) -> str:
    return "" if bits is None else f"{bits % 2**64:016x}"
