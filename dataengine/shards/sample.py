"""Writes the members of a sample in a shard; the JSON Schema of its ``.json`` is made from ``SampleMetadata``.

Why the media is always called ``.jpg`` or ``.mp4``: docs/adr/0003-shard-layout.md. Hugging Face infers types from the first
five samples, so in the JSON nothing is null, no list is empty and a number keeps its type: unknown text is ``""``, unknown
fps and duration are ``0.0``, and one empty entry stands for none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dataengine.errors import RunError
from dataengine.shards.json_types import Closed, Count, Id, Sha256, known, plain
from dataengine.storage.tar import member_size
from dataengine.text.uris import without_places
from dataengine.tokenize.codec import row_to_npy

#: Families of shards by kind of media, with the one extension that all media of a family have there.
FAMILIES = {"image": "jpg", "video": "mp4"}

Members = list[tuple[str, bytes]]
T = TypeVar("T")
Scores = Mapping[str, float | str | list[Any] | None] | None

_TEXT = ("id", "sha256", "kind", "format", "ext", "mode", "codec", "license")
_WHOLE = ("bytes", "width", "height", "orientation", "frames", "mentions")


class Caption(Closed, gc=False):
    """Of one text its source; both are empty where the sample has no caption. Where models have written captions, also what made
    it (empty, and 0, for a source's), and of a part of a video its span."""

    text: str
    source: str
    style: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    prompt: Annotated[str, Meta(description="digest of the prompt's templates")] | UnsetType = UNSET
    seed: Count | UnsetType = UNSET
    start: Annotated[float, Meta(description="seconds")] | UnsetType = UNSET
    end: Annotated[float, Meta(description="seconds; 0 where the caption is of the whole")] | UnsetType = UNSET


class Label(Closed, gc=False):
    """An annotation column that is a string, such as a hash; empty where the sample has none."""

    name: str
    value: str


class TextLine(Closed, gc=False):
    """A line of text that was read in the picture, or in a frame of the video; its text is empty where there is none."""

    text: str
    confidence: float
    time: Annotated[float, Meta(description="seconds of the frame; 0 in pictures")]
    box: Annotated[
        list[float],
        Meta(min_length=8, max_length=8, description="x, y of four corners, clockwise from the top left, as shares"),
    ]


class SpeechSegment(Closed, gc=False):
    """What is said in a video from ``start`` to ``end``; its text is empty where nothing is said."""

    start: Annotated[float, Meta(description="seconds")]
    end: Annotated[float, Meta(description="seconds")]
    text: str
    language: str
    no_speech: Annotated[float, Meta(description="probability that nothing is said")]
    logprob: Annotated[float, Meta(description="mean log-probability of the tokens")]
    compression: Annotated[float, Meta(description="above 2.4 the text repeats itself")]


class CodesLayout(Closed, gc=False):
    """What ``.codes.npy`` does not tell of its codes: patches in time, height and width; of a video also its frames."""

    tokenizer: str
    grid: Annotated[list[Count], Meta(min_length=3, max_length=3)]
    frame_kinds: list[Annotated[Literal[0, 1], Meta(description="0: slow, 1: fast")]] | UnsetType = UNSET
    frame_times: Annotated[list[float], Meta(description="seconds")] | UnsetType = UNSET
    fast_grid: Annotated[list[Count], Meta(min_length=2, max_length=2)] | UnsetType = UNSET


class SampleMetadata(Closed, kw_only=True, gc=False):
    """The .json member of a sample in a shard. Unknown text is empty, unknown numbers are 0.

    ``id`` and ``sha256`` are of the original media, ``bytes`` of the media in the shard. A video has ``parent``, ``clip_start``
    and ``clip_end`` (seconds): the video that it was cut out of; empty and 0 where it was not."""

    id: Id
    sha256: Sha256
    media_sha256: (
        Annotated[Sha256, Meta(description="of the media in the shard, where they differ from the original")]
        | UnsetType
    ) = UNSET
    kind: Literal["image", "video"]
    format: str
    ext: str
    mode: str
    codec: str
    license: str
    bytes: Count
    width: Annotated[Count, Meta(description="pixels")]
    height: Annotated[Count, Meta(description="pixels")]
    orientation: Annotated[Count, Meta(description="EXIF orientation, 0 or 1 to 8")]
    frames: Count
    mentions: Annotated[Count, Meta(description="inputs with these bytes")]
    faces: Annotated[Count, Meta(description="faces that were blurred")] | UnsetType = UNSET
    fps: float
    duration: Annotated[float, Meta(description="seconds")]
    audio: bool
    phash: Annotated[str, Meta(pattern="^([0-9a-f]{16})?$", description="64-bit perceptual hash")]
    parent: Annotated[str, Meta(pattern="^([0-9a-f]{32})?$")] | UnsetType = UNSET
    clip_start: float | UnsetType = UNSET
    clip_end: float | UnsetType = UNSET
    source: Annotated[str, Meta(description="name of the source of its first occurrence")] | UnsetType = UNSET
    uri: (
        Annotated[str, Meta(description="of its first occurrence: a name within its source, or an address on the web")]
        | UnsetType
    ) = UNSET
    captions: Annotated[list[Caption], Meta(min_length=1, description="the chosen one, as in .txt, first")]
    scores: (
        Annotated[
            dict[str, float],
            Meta(
                description="annotation columns that are numbers, the same in all samples of a kind; 0 where unscored"
            ),
        ]
        | UnsetType
    ) = UNSET
    unscored: (
        Annotated[
            list[str],
            Meta(min_length=1, description="names of scores that the sample has not; one empty name for none"),
        ]
        | UnsetType
    ) = UNSET
    labels: Annotated[list[Label], Meta(min_length=1)] | UnsetType = UNSET
    ocr: Annotated[list[TextLine], Meta(min_length=1)] | UnsetType = UNSET
    speech: Annotated[list[SpeechSegment], Meta(min_length=1)] | UnsetType = UNSET
    codes: CodesLayout | UnsetType = UNSET
    rq: (
        Annotated[list[int], Meta(min_length=1, description="code of each level, from 0; -1 where it has none")]
        | UnsetType
    ) = UNSET
    vq: (
        Annotated[list[int], Meta(min_length=1, description="nearest items, from 1; -1 where it has none")] | UnsetType
    ) = UNSET


_NO_LINE = TextLine("", 0.0, 0.0, [0.0] * 8)
_NO_SPEECH = SpeechSegment(0.0, 0.0, "", "", 0.0, 0.0, 0.0)


def known_scores(metadata: SampleMetadata) -> dict[str, float]:
    """The scores that a sample has, by name."""
    unscored = known(metadata.unscored, [])
    return {name: value for name, value in known(metadata.scores, {}).items() if name not in unscored}


def sample_members(
    row: Mapping[str, Any],
    media: bytes,
    *,
    best: int = 0,
    scores: Scores = None,
    codes: Mapping[str, Any] | None = None,
) -> Members:
    """Members of one sample: ``<id>.jpg|mp4`` (the original bytes, whatever their format), ``.txt``, ``.json`` and, where
    the release has codes, ``.codes.npy``.

    ``row`` has the columns of contracts.UNIQUE and, where they are known, ``source`` and ``uri``; ``best`` is the caption that
    ``.txt`` holds, ``scores`` are by name, the same names for all samples of a kind (None and non-finite values are 0 and
    ``unscored``, strings go to ``labels``, the lists ``ocr``, ``speech``, ``rq`` and ``vq`` stand alone), ``codes`` is a row of
    contracts.CODES.
    """
    return [(f"{row['id']}.{FAMILIES[row['kind']]}", media), *_described(row, best, scores, codes)]


def sample_size(
    row: Mapping[str, Any],
    *,
    best: int = 0,
    scores: Scores = None,
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


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8. Raises ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _described(row: Mapping[str, Any], best: int, scores: Scores, codes: Mapping[str, Any] | None) -> Members:
    metadata = _metadata(row, best, scores, codes)
    members = [("txt", metadata.captions[0].text.encode()), ("json", canonical(plain(metadata)))]
    if codes is not None:
        members.append(("codes.npy", row_to_npy(codes)))
    return [(f"{row['id']}.{ext}", data) for ext, data in members]


def _metadata(row: Mapping[str, Any], best: int, scores: Scores, codes: Mapping[str, Any] | None) -> SampleMetadata:
    text: dict[str, Any] = {name: row[name] or "" for name in _TEXT}
    whole: dict[str, Any] = {name: int(row[name]) for name in _WHOLE}
    metadata = SampleMetadata(
        **text,
        **whole,
        fps=_finite(row["fps"]) or 0.0,
        duration=_finite(row["duration"]) or 0.0,
        audio=bool(row["audio"]),
        phash=_hex(row["phash"]),
        source=UNSET if row.get("source") is None else row["source"],
        uri=UNSET if row.get("uri") is None else without_places(row["uri"]),
        captions=_captions(row["captions"], best, row.get("makers")),
        labels=_labels(scores) or UNSET,
        ocr=_track(scores, "ocr", TextLine, _NO_LINE),
        rq=_track(scores, "rq", int, -1),
        vq=_track(scores, "vq", int, -1),
        media_sha256=row.get("media_sha256") or UNSET,
        faces=UNSET if row.get("faces") is None else int(row["faces"]),
        codes=UNSET if codes is None else _layout(codes),
    )
    numbers = {
        name: _finite(value) for name, value in sorted((scores or {}).items()) if not isinstance(value, str | list)
    }
    if numbers:
        metadata.scores = {name: value or 0.0 for name, value in numbers.items()}
        metadata.unscored = [name for name, value in numbers.items() if value is None] or [""]
    if metadata.kind == "video":
        metadata.speech = _track(scores, "speech", SpeechSegment, _NO_SPEECH)
        metadata.parent = row.get("parent") or ""
        metadata.clip_start = _finite(row.get("clip_start")) or 0.0
        metadata.clip_end = _finite(row.get("clip_end")) or 0.0
    return metadata


def _layout(codes: Mapping[str, Any]) -> CodesLayout:
    layout = CodesLayout(codes["tokenizer"], [codes[f"grid_{axis}"] for axis in "thw"])
    if codes["frame_kinds"] is not None:
        layout.frame_kinds = list(codes["frame_kinds"])
        layout.frame_times = [float(t) for t in codes["frame_times"]]
        layout.fast_grid = [codes["fast_h"], codes["fast_w"]]
    return layout


def _captions(captions: Sequence[Mapping[str, Any]], best: int, makers: str | None) -> list[Caption]:
    """The chosen caption first, then the others in their order. ``makers``: JSON of what made each, in their order, too."""
    order = [best, *(i for i in range(len(captions)) if i != best)] if captions else []
    listed = [Caption(captions[i]["text"] or "", captions[i]["source"] or "") for i in order] or [Caption("", "")]
    if makers is not None:
        made = json.loads(makers)
        for caption, fields in zip(listed, [made[i] for i in order] or [{}], strict=True):
            caption.style, caption.model, caption.prompt = (fields.get(n) or "" for n in ("style", "model", "prompt"))
            caption.seed = int(fields.get("seed") or 0)
            caption.start, caption.end = (float(fields.get(n) or 0.0) for n in ("start", "end"))
    return listed


def _track(scores: Scores, name: str, type_: type[T], none: T) -> list[T] | UnsetType:
    """Entries of a track that the release has; ``none`` stands for none."""
    entries = (scores or {}).get(name)
    return (msgspec.convert(entries, list[type_]) or [none]) if isinstance(entries, list) else UNSET  # type: ignore[valid-type]


def _labels(scores: Scores) -> list[Label]:
    return [Label(name, value) for name, value in sorted((scores or {}).items()) if isinstance(value, str)]


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _hex(bits: int | None) -> str:
    return "" if bits is None else f"{bits % 2**64:016x}"
