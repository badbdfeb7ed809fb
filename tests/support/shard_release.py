"""A small release of real pictures and clips in many formats, with captions, scores and real codes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from dataengine.contracts import sample_id
from dataengine.samples.locate import longest
from dataengine.shards.assign import assign
from dataengine.shards.manifest import Shard, split_and_family
from dataengine.shards.sample import Members, flatten, sample_members, sample_size
from dataengine.storage.tar import write_tar
from dataengine.tokenize.base import FAST, SLOW, Timeline
from dataengine.tokenize.codec import to_row
from dataengine.tokenize.factory import configure
from dataengine.tokenize.patches import Patcher, Patches
from dataengine.tokenize.product import ProductTokenizer

TARGET = 700_000
_PICTURES = (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif"), ("BMP", "bmp"), ("TIFF", "tif"))
_CLIPS = (
    *(("mp4", "libx264", "mp4"), ("matroska", "libx264", "mkv"), ("webm", "libvpx", "webm")),
    *(("avi", "mpeg4", "avi"), ("mpeg", "mpeg2video", "mpg"), ("mov", "mpeg4", "mov"), ("flv", "flv", "flv")),
)
Array = NDArray[np.uint8]


@dataclass(frozen=True)
class Source:
    """A sample before it is sharded: its row of contracts.UNIQUE, media bytes, frames, scores and codes."""

    row: dict[str, Any]
    media: bytes
    frames: list[Array]
    scores: dict[str, float | None]

    def described(self, codes: dict[str, dict[str, Any]]) -> dict[str, Any]:
        best = longest([caption["text"] for caption in self.row["captions"]])
        return {"best": best, "scores": self.scores, "codes": codes[self.row["id"]]}


@dataclass(frozen=True)
class Release:
    folder: Path
    shards: list[Shard]
    sources: dict[str, Source]
    members: dict[str, Members]
    split: dict[str, str]

    def paths(self, split: str, family: str) -> list[str]:
        return sorted(str(p) for p in self.folder.glob(f"{split}-{family}-*.tar"))

    def keys(self, split: str, family: str) -> set[str]:
        return {s for s in self.sources if self.sources[s].row["kind"] == family and self.split[s] == split}


def _row(media: bytes, kind: str, format_: str, ext: str, frames: list[Array], n: int) -> dict[str, Any]:
    id_, sha256 = sample_id(media)
    texts = [["a temple", "a temple by a lake, seen from the shore"], ["花 – “red”"], []][n % 3]
    return {
        "id": id_,
        "sha256": sha256,
        "bytes": len(media),
        "kind": kind,
        "format": format_,
        "ext": ext,
        "width": frames[0].shape[1],
        "height": frames[0].shape[0],
        "orientation": 1,
        "mode": "RGB",
        "frames": len(frames),
        "fps": 12.5 if kind == "video" else None,
        "audio": False,
        "codec": None,
        "duration": len(frames) / 12.5 if kind == "video" else None,
        "hash_version": "1",
        "phash": None if n < 8 else -n,
        "frame_hashes": [],
        "license": None if n % 2 else "cc-by-4.0",
        "captions": [{"text": t, "source": "web", "uri": f"https://example.org/{n}"} for t in texts],
        "media": "media/x.tar",
        "offset": 512,
        "mentions": 1 + n % 2,
    }


def clip(frames: list[Array], format_: str, codec: str) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=format_) as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))
    return out.getvalue()


def _pictures(photos: list[Array]) -> Iterator[Source]:
    for n in range(36):
        format_, ext = _PICTURES[n % len(_PICTURES)]
        top, left = 5 * n, 8 * n
        frame = np.ascontiguousarray(photos[n % 2][top : top + 180, left : left + 240])
        out = io.BytesIO()
        Image.fromarray(frame).save(out, format_)
        media = out.getvalue()
        scores = {"blur": float(n), "nsfw": None if n < 20 else 0.25, "match": float("nan") if n % 2 else 1}
        yield Source(_row(media, "image", format_.lower(), ext, [frame], n), media, [frame], scores)


def _clips(photos: list[Array]) -> Iterator[Source]:
    for n, (format_, codec, ext) in enumerate(_CLIPS * 2):
        frames = [np.ascontiguousarray(photos[n // 7][20:140, i * 9 + n : i * 9 + n + 160]) for i in range(12)]
        media = clip(frames, format_, codec)
        yield Source(_row(media, "video", format_, ext, frames, n), media, frames, {"blur": 1.5, "match": None})


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    """36 pictures in six formats and 14 clips in seven containers, in no particular order."""
    photos = load_sample_images().images
    return [*_clips(photos), *_pictures(photos)]


def _prepared(prepare: Patcher, source: Source) -> Patches:
    """A picture as it is; of a clip three frames of half a token's side more or less, the first of them slow."""
    if source.row["kind"] == "image":
        return prepare(source.frames)
    sizes = [(56, 84), (28, 28), (28, 28)]
    frames = [f[:h, :w] for f, (h, w) in zip(source.frames, sizes, strict=False)]
    kinds = (SLOW, FAST, FAST)[: len(frames)]
    return prepare(frames, Timeline(kinds, (0.0, 0.5, 1.0)[: len(frames)], (1, 1)))


@pytest.fixture(scope="session")
def codes(sources: list[Source]) -> dict[str, dict[str, Any]]:
    """Rows of contracts.CODES by sample, from a tokenizer fitted on the sources."""
    config = configure({"name": "product", "entries": 64})
    prepare = ProductTokenizer.preparer(config)
    prepared = [(s.row["id"], _prepared(prepare, s)) for s in sources]
    tokenizer = ProductTokenizer.fit(config, iter(prepared))
    encoded = tokenizer.encode([p for _, p in prepared])
    return {id_: to_row(id_, tokenizer.id, c) for (id_, _), c in zip(prepared, encoded, strict=True)}


@pytest.fixture(scope="session")
def release(
    sources: list[Source], codes: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Release:
    """The sources as shards on disk."""
    folder = tmp_path_factory.mktemp("shards")
    described = {s.row["id"]: s.described(codes) for s in sources}
    kept = [
        {"id": s.row["id"], "kind": s.row["kind"], "bytes": sample_size(s.row, **described[s.row["id"]])}
        for s in sources
    ]
    table = assign(pa.Table.from_pylist(kept), target_bytes=TARGET, seed=7, splits={"train": 0.75, "validation": 0.25})
    members = {s.row["id"]: sample_members(s.row, s.media, **described[s.row["id"]]) for s in sources}
    shards, rows = [], table.to_pylist()
    for name in sorted({r["shard"] for r in rows}):
        ids = [r["id"] for r in rows if r["shard"] == name]
        with (folder / f"{name}.tar").open("wb") as out:
            info = write_tar(out, flatten(members[i] for i in ids))
        shards.append(Shard(name, *split_and_family(name), info.sha256, info.bytes, len(ids)))
    split = {r["id"]: r["split"] for r in rows}
    return Release(folder, shards, {s.row["id"]: s for s in sources}, members, split)
