"""Arrow schemas of the tables that stages exchange; ``schemas/`` is their frozen export.

Hashes are 64-bit patterns stored as signed ``int64`` (Spark has no unsigned 64-bit type). Times are seconds.
``id`` names a sample by its content, ``input_id`` one occurrence of it in a source.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa

VERSION = "1"


def sample_id(data: bytes) -> tuple[str, str]:
    """``(id, sha256)`` of media bytes: the id is the first 128 bits of the SHA-256, in hex."""
    digest = hashlib.sha256(data).hexdigest()
    return digest[:32], digest


def input_id(source: str, uri: str) -> str:
    """Id of one occurrence of a sample: 128 bits of SHA-256 over source name and uri."""
    return hashlib.sha256(f"{source}\0{uri}".encode()).hexdigest()[:32]


def columns(**types: pa.DataType) -> pa.Schema:
    """A schema of nullable columns."""
    return pa.schema([pa.field(name, type_) for name, type_ in types.items()])


def _required_columns(**types: pa.DataType) -> pa.Schema:
    return pa.schema([_required(name, type_) for name, type_ in types.items()])


def _required(name: str, type_: pa.DataType) -> pa.Field[Any]:
    return pa.field(name, type_, nullable=False)


#: Facts of a media file that decoding finds; filled by ``dataengine.media``. ``width`` and ``height`` as displayed.
FACTS = [
    _required("kind", pa.string()),  # image | video
    _required("format", pa.string()),  # jpeg, png, webp, gif, … | mp4, matroska, webm, avi, …
    _required("ext", pa.string()),  # extension that fits the bytes, whatever the file was called
    _required("width", pa.int32()),
    _required("height", pa.int32()),
    _required("orientation", pa.int8()),  # EXIF 1..8; 1 where the file has none
    _required("mode", pa.string()),  # Pillow mode or pixel format
    _required("frames", pa.int32()),
    pa.field("fps", pa.float64()),
    pa.field("duration", pa.float64()),
    pa.field("codec", pa.string()),
    _required("audio", pa.bool_()),
    pa.field("phash", pa.int64()),  # null for flat pictures and videos
    _required("frame_hashes", pa.list_(pa.int64())),  # videos: every 1, 2, 4, … s, at most 64; twice in a letterbox
    _required("hash_version", pa.string()),
]

#: Where a clip was cut from: the id of the longer video's bytes, and the clip's start and end in it, in seconds from its
#: first frame. Null for whole inputs.
CLIP: list[pa.Field[Any]] = [
    pa.field("parent", pa.string()),
    pa.field("clip_start", pa.float64()),
    pa.field("clip_end", pa.float64()),
]

#: Where a recipe has faces blurred: their number (in a video, the most in one frame), and the SHA-256 of the bytes that are
#: kept, which are the original's where there are none. ``bytes`` and FACTS, except hashes, are of the kept bytes. Null elsewhere.
KEPT: list[pa.Field[Any]] = [
    pa.field("faces", pa.int32()),
    pa.field("media_sha256", pa.string()),
]

#: One row an input that could be read; a video that was cut is not one of them, its clips are.
SAMPLES = pa.schema(
    [
        _required("input_id", pa.string()),
        _required("source", pa.string()),
        _required("uri", pa.string()),
        _required("id", pa.string()),
        _required("sha256", pa.string()),
        _required("bytes", pa.int64()),
        *FACTS,
        *CLIP,
        *KEPT,
        _required("captions", pa.list_(pa.string())),
        pa.field("license", pa.string()),
        pa.field("meta", pa.string()),  # JSON of all other fields of the source
        _required("media", pa.string()),  # workspace key of the tar that holds the bytes
        _required("offset", pa.int64()),  # of the bytes inside that tar
    ]
)

#: One row an input that could not be read.
FAILURES = pa.schema(
    [
        _required("input_id", pa.string()),
        _required("source", pa.string()),
        _required("uri", pa.string()),
        _required("failure", pa.string()),
        _required("message", pa.string()),
        pa.field("bytes", pa.int64()),
    ]
)

CAPTION = pa.struct([("text", pa.string()), ("source", pa.string()), ("uri", pa.string())])

#: One row a distinct sample: facts of its first occurrence, captions of all.
UNIQUE = pa.schema(
    [
        _required("id", pa.string()),
        _required("sha256", pa.string()),
        _required("bytes", pa.int64()),
        *FACTS,
        *CLIP,
        *KEPT,
        _required("captions", pa.list_(CAPTION)),
        pa.field("license", pa.string()),
        _required("media", pa.string()),
        _required("offset", pa.int64()),
        _required("mentions", pa.int32()),
    ]
)

#: One row a view of a distinct sample, where the recipe compares embeddings. Vectors are float16, little-endian, of unit length;
#: null where the sample could not be decoded again.
EMBEDDINGS = pa.schema(
    [
        _required("id", pa.string()),
        _required(
            "view", pa.int8()
        ),  # 0 whole (of a video the mean of its frames), 1 what is inside a picture's margins
        pa.field("vector", pa.binary()),
        pa.field("failure", pa.string()),
        pa.field("message", pa.string()),
    ]
)

#: One row a caption of a distinct sample, where the recipe compares the embeddings of captions.
CAPTION_EMBEDDINGS = pa.schema(
    [
        _required("id", pa.string()),
        _required("caption", pa.int32()),  # place among the sample's captions
        _required("longest", pa.bool_()),  # the first of the longest ones
        _required("vector", pa.binary()),
    ]
)

#: One row a distinct picture, where the recipe compares pictures by more than hashes; all but the id is null where the picture
#: could not be decoded again.
FINGERPRINTS = pa.schema(
    [
        _required("id", pa.string()),
        pa.field("pixels", pa.string()),  # digest of size and pixels as RGB; null for animations, too
        pa.field(
            "thumbnail", pa.binary()
        ),  # gray, (2, 65, 64) uint8: whole and inner view (media/image/fingerprint.py)
    ]
)

#: One row a picture that has near-duplicates, where the recipe keeps the highest resolution: how finely it is resolved
#: (media/image/detail.py); null for small, flat or unreadable ones.
DETAIL = pa.schema([_required("id", pa.string()), pa.field("detail", pa.float64())])

#: Pairs of near-duplicates; ``a < b``. ``distance``: 0 for pixels, bits for perceptual and aligned, 1 - overlap for video,
#: 1 - cosine for semantic, 1 - Jaccard similarity for text. ``version``: of the measure.
EDGES = _required_columns(a=pa.string(), b=pa.string(), kind=pa.string(), distance=pa.float64(), version=pa.string())

#: One row a distinct sample: the representative of its group (itself if it is the best or alone).
GROUPS = pa.schema(
    [
        _required("id", pa.string()),
        _required("representative", pa.string()),
        _required("size", pa.int32()),
        pa.field("kind", pa.string()),  # null for representatives
        pa.field("distance", pa.float64()),  # to the representative itself
    ]
)

#: One row an item of a benchmark, readable or not; its texts, and the hashes of its picture or video.
BENCHMARK_ITEMS = pa.schema(
    [
        _required("benchmark", pa.string()),
        _required("item", pa.string()),
        pa.field("kind", pa.string()),  # image | video; null where it has none that could be read
        pa.field("phash", pa.int64()),
        _required("frame_hashes", pa.list_(pa.int64())),
        _required("questions", pa.list_(pa.string())),
        _required("answers", pa.list_(pa.string())),
    ]
)

#: A sample that matches a benchmark item under one preset, and the representative of its group.
CONTAMINATION = pa.schema(
    [
        _required("representative", pa.string()),
        _required("id", pa.string()),
        _required("preset", pa.string()),
        _required("benchmark", pa.string()),
        _required("item", pa.string()),
        _required("kind", pa.string()),  # image | frame | image+text | ngram
        _required("similarity", pa.float64()),
        pa.field("text_similarity", pa.float64()),
    ]
)

#: Counts of each preset in each benchmark; ``hits`` are samples.
CONTAMINATION_REPORT = pa.schema(
    [
        _required("preset", pa.string()),
        _required("benchmark", pa.string()),
        _required("items", pa.int64()),
        _required("not_compared", pa.int64()),  # items
        _required("hit_items", pa.int64()),
        _required("hits", pa.int64()),
    ]
)

#: One row a representative: kept, or dropped by the first rule it did not pass.
DECISIONS = pa.schema(
    [
        _required("id", pa.string()),
        _required("kept", pa.bool_()),
        pa.field("rule", pa.string()),
        pa.field("column", pa.string()),
        pa.field("value", pa.string()),  # of that column, as text; null where it was missing
    ]
)

#: Discrete visual codes, ``(tokens, codebooks)`` in C order, little-endian ``dtype``, frame by frame. The last four are
#: null for pictures; of a video ``grid_h`` and ``grid_w`` are those of its slow frames.
CODES = pa.schema(
    [
        _required("id", pa.string()),
        _required("tokenizer", pa.string()),
        _required("tokens", pa.int32()),
        _required("codebooks", pa.int32()),
        _required("grid_t", pa.int32()),
        _required("grid_h", pa.int32()),
        _required("grid_w", pa.int32()),
        pa.field("frame_kinds", pa.list_(pa.int8())),  # 0 slow, 1 fast
        pa.field("frame_times", pa.list_(pa.float64())),  # seconds from the first frame
        pa.field("fast_h", pa.int32()),
        pa.field("fast_w", pa.int32()),
        _required("dtype", pa.string()),
        _required("codes", pa.binary()),
    ]
)

#: Where codes are stored: as CODES, with the payload's place in a pack instead of the payload.
CODES_INDEX = pa.schema(
    [
        *(f for f in CODES if f.name != "codes"),
        _required("pack", pa.string()),
        _required("offset", pa.int64()),
        _required("size", pa.int64()),
    ]
)

#: Shard and position of each kept sample in the release.
ASSIGNMENT = _required_columns(id=pa.string(), split=pa.string(), shard=pa.string(), position=pa.int32())

#: Outcome of each input: exactly one of kept, duplicate, filtered, failed.
LEDGER = pa.schema(
    [
        _required("input_id", pa.string()),
        _required("source", pa.string()),
        _required("uri", pa.string()),
        pa.field("id", pa.string()),  # null for failed
        _required("outcome", pa.string()),
        pa.field("representative", pa.string()),  # duplicate: of which sample
        pa.field("kind", pa.string()),  # duplicate: exact | pixels | perceptual | aligned | video | semantic | text
        pa.field("distance", pa.float64()),
        pa.field("rule", pa.string()),  # filtered: by which rule
        pa.field("value", pa.string()),
        pa.field("failure", pa.string()),  # failed: class
        pa.field("message", pa.string()),
    ]
)

TABLES: dict[str, pa.Schema] = {
    "samples": SAMPLES,
    "failures": FAILURES,
    "unique": UNIQUE,
    "embeddings": EMBEDDINGS,
    "caption_embeddings": CAPTION_EMBEDDINGS,
    "fingerprints": FINGERPRINTS,
    "detail": DETAIL,
    "edges": EDGES,
    "groups": GROUPS,
    "benchmark_items": BENCHMARK_ITEMS,
    "contamination": CONTAMINATION,
    "contamination_report": CONTAMINATION_REPORT,
    "decisions": DECISIONS,
    "codes": CODES,
    "codes_index": CODES_INDEX,
    "assignment": ASSIGNMENT,
    "ledger": LEDGER,
}
