"""Builds rows in the Parquet layout of the released Kelix trainer from samples and CoT records of a release.

All columns but ``uuid`` and ``source`` are strings of JSON. The layout and its checks are those of the reader in the trainer's
code (arXiv 2602.09843), which takes any row with ``messages`` for a chat, so a file has either those or ``segments``.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from dataengine.export.kelix_items import Item, clip_item
from dataengine.export.kelix_scores import image_scores
from dataengine.export.options import Form, ToolsAs
from dataengine.shards.json_types import plain
from dataengine.shards.sample import FAMILIES, SampleMetadata, canonical, known_scores

Blocks = list[dict[str, Any]]
SAMPLE = msgspec.json.Decoder(SampleMetadata)
#: Images to be generated need more than this as shorter over longer side.
ASPECT = 0.75

PROMPTS = {
    Form.messages: "Describe this {kind}.",
    Form.t2i: "Generate an image based on the description: {caption}.",
}


@dataclass(frozen=True)
class LeftOut:
    """The reason why a sample or record has no row."""

    reason: str


@dataclass(frozen=True)
class Draft:
    """A row before its media are written: ``body`` is its segments or messages."""

    uuid: str
    body: Blocks
    items: list[Item]
    metadata: dict[str, Any]


def item_of(metadata: SampleMetadata, data: Callable[[str], bytes], codes: bool) -> Item:
    """The media of a sample; ``data`` reads a member by extension. Raises ValueError for codes that the sample lacks."""
    coded = None
    if codes:
        if metadata.codes is UNSET:
            raise ValueError("its .json lacks codes")
        coded = plain(metadata.codes) | {"npy": base64.b64encode(data("codes.npy")).decode()}
    media, size = FAMILIES[metadata.kind], (metadata.width, metadata.height)
    scores = image_scores(known_scores(metadata)) if metadata.kind == "image" else {}
    return Item(metadata.id, metadata.kind, metadata.ext, size, lambda: data(media), coded, scores=scores)


def captioned(form: Form, sample: SampleMetadata, item: Item, prompt: str) -> Draft | LeftOut:
    """The row of a sample and its chosen caption."""
    caption = sample.captions[0].text.strip()
    if not caption:
        return LeftOut("no caption")
    if form is Form.t2i and item.kind != "image":
        return LeftOut("a video")
    if form is Form.t2i and not min(item.size) / max(item.size) > ASPECT:
        return LeftOut("aspect ratio")
    bodies = {Form.segments: _segments, Form.messages: _messages, Form.t2i: _t2i}
    metadata = {"license": sample.license, "caption_source": sample.captions[0].source}
    return Draft(sample.id, bodies[form](item, caption, prompt), [item], metadata)


def _segments(item: Item, caption: str, prompt: str) -> Blocks:
    return [_media(item, 0), {"type": "text", "text": caption}]


def _messages(item: Item, caption: str, prompt: str) -> Blocks:
    user = {"type": "text", "text": prompt.replace("{kind}", item.kind)}
    return [_turn("user", [_media(item, 0), user]), _turn("assistant", [{"type": "text", "text": caption}])]


def _t2i(item: Item, caption: str, prompt: str) -> Blocks:
    ended = caption.rstrip(".") if "{caption}." in prompt else caption
    user = {"type": "text", "text": prompt.replace("{caption}", ended)}
    return [_turn("user", [user]), _turn("assistant", [_media(item, 0)])]


_FRAMES = ("nframes", "sampling", "times", "kinds")


def reasoned(
    record: Mapping[str, Any], find: Callable[[str], Item], pictures: Mapping[str, bytes], tools: ToolsAs, codes: bool
) -> Draft | LeftOut:
    """The row of a CoT record; ``find`` gives a sample by id, ``pictures`` are the record's own by extension, and their codes."""
    if tools is ToolsAs.none and record["style"] == "agentic":
        return LeftOut("a tool's output in the reply")
    items: dict[str, Item] = {}
    turns = []
    for turn in _turns(record["messages"]) if tools is ToolsAs.turns else record["messages"]:
        content = []
        for block in turn["content"]:
            if block["type"] == "text":
                content.append({"type": "text", "text": block["text"]})
                continue
            reference = f"{block['type']} {block[block['type']]}"
            if reference not in items:
                items[reference] = _shown(record, block, find, pictures, codes)
                items[reference].frames |= {k: block[k] for k in _FRAMES if k in block}
            content.append(_media(items[reference], list(items).index(reference)))
        turns.append(_turn(turn["role"], content))
    kept = ("mode", "style", "task", "family", "teacher", "answer", "answer_type", "parents")
    metadata = {name: record[name] for name in kept}
    metadata |= {one["name"]: one["value"] for one in record["scores"] if one["name"] in _WEIGHTS}
    return Draft(record["id"], turns, list(items.values()), metadata)


_WEIGHTS = ("quality", "weight", "repeat")
_OUTPUT = re.compile(r"(<sandbox_output>|</sandbox_output>)")


def _turns(messages: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Messages with the outputs of tools as turns of the user, tags included; what the assistant wrote stays letter by letter."""
    for message in messages:
        if message["role"] != "assistant":
            yield dict(message)
            continue
        role, content = "assistant", list[dict[str, Any]]()
        for block in message["content"]:
            if block["type"] != "text":
                content.append(block)
                continue
            for piece in filter(None, _OUTPUT.split(block["text"])):
                if piece == "<sandbox_output>":
                    if content:
                        yield {"role": role, "content": content}
                    role, content = "user", []
                content.append({"type": "text", "text": piece})
                if piece == "</sandbox_output>":
                    yield {"role": role, "content": content}
                    role, content = "assistant", []
        if content:
            yield {"role": role, "content": content}


def _shown(
    record: Mapping[str, Any],
    block: Mapping[str, Any],
    find: Callable[[str], Item],
    pictures: Mapping[str, bytes],
    codes: bool,
) -> Item:
    """What a block shows: a sample, a picture of the record's own, or a clip whose frames are such pictures."""
    reference = block[block["type"]]
    if block["type"] == "image" or reference.startswith("sample:"):
        return _referred(record, reference, find, pictures, codes)
    first = int(reference.partition(":")[2])
    frames = [_referred(record, f"obs:{n}", find, pictures, codes) for n in range(first, first + len(block["times"]))]
    return clip_item(frames, f"{record['id']}-clip{first}", block)


def _referred(
    record: Mapping[str, Any], reference: str, find: Callable[[str], Item], pictures: Mapping[str, bytes], codes: bool
) -> Item:
    kind, _, name = reference.partition(":")
    if kind == "sample":
        return find(name)
    data = pictures[f"obs{name}.png"]
    item = Item(f"{record['id']}-obs{name}", "image", "png", struct.unpack(">II", data[16:24]), lambda: data)
    grid = next((one.get("grid") for one in record["observations"] if one["name"] == f"obs{name}.png"), None)
    if codes and grid is not None:
        npy = pictures[f"obs{name}.codes.npy"]
        item.codes = {"grid": grid, "npy": base64.b64encode(npy).decode()}
    return item


def row_of(draft: Draft, form: Form, source: str, paths: Sequence[str | None], inline: bool) -> dict[str, str]:
    """The row, with the path of each medium that is a file, and the bytes of the others where ``inline``."""
    images: dict[str, str] = {}
    videos: dict[str, str] = {}
    for number, (item, path) in enumerate(zip(draft.items, paths, strict=True)):
        places = images if item.kind == "image" else videos
        if path is not None:
            places[item.name(number)] = path
        elif inline:
            places[item.name(number)] = base64.b64encode(item.data()).decode()
    named = [(item.name(n), item) for n, item in enumerate(draft.items)]
    metadata = draft.metadata | {
        f"{kind}s_info": {name: _info(item) for name, item in named if item.kind == kind} for kind in FAMILIES
    }
    columns = {"metadata": metadata, "images": images, "videos": videos, body_of(form): draft.body}
    columns["codes"] = {name: item.codes for name, item in named if item.codes is not None}
    return {"uuid": draft.uuid, "source": source} | {name: canonical(value).decode() for name, value in columns.items()}


def body_of(form: Form) -> str:
    """Name of the column with the text."""
    return "segments" if form is Form.segments else "messages"


def parse_record(fields: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A CoT record and its images from the members of a shard."""
    rest = dict(fields)
    record: dict[str, Any] = json.loads(rest.pop("json"))
    return record, rest


def _info(item: Item) -> dict[str, Any]:
    return {"width": item.size[0], "height": item.size[1], "id": item.id, **item.frames}


def _media(item: Item, number: int) -> dict[str, Any]:
    return {"type": item.kind, item.kind: item.name(number)}


def _turn(role: str, content: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"role": role, "content": list(content)}
