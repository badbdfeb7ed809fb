"""Exports CoT records as JSONL chats with their media files, as LLaMA-Factory and TRL load them.

A line has ``messages`` (role and content, with ``<image>`` and ``<video>`` in the places of media), ``images`` and ``videos``
(paths, in the order of these marks) and the fields to mix by: id, mode, task, difficulty, quality, weight, repeat. A clip whose
frames the record keeps is written as a video of these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine.cot.core.record import OBSERVATION, SAMPLE, Record
from dataengine.errors import UsageError
from dataengine.models.serving.messages import ImageBlock, TextBlock, VideoBlock
from dataengine.release.reader import Place, Published, open_release
from dataengine.shards.sample import FAMILIES

DATASET_INFO = "dataset_info.json"


@dataclass(frozen=True)
class Written:
    """Number of records and of media files."""

    records: int
    media: int


def export(
    release: str, out: str, split: str = "train", progress: Callable[[int, int], None] = lambda *_: None
) -> Written:
    """Write ``OUT/SPLIT.jsonl``, ``OUT/media`` and LLaMA-Factory's ``dataset_info.json``. Raises UsageError."""
    published, folder = open_release(release), Path(out)
    tars = published.cot(split)
    if not tars:
        raise UsageError(f"{release} has no chain-of-thought records in the split {split}")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{out} is not empty; choose a new folder")
    (folder / "media").mkdir(parents=True)
    places = published.cot_places([split], lambda data: Record.from_bytes(data).parents)
    done, written, total = 0, set[str](), sum(tar.entries for tar in tars)
    with (folder / f"{split}.jsonl").open("wb") as lines:
        for record, images in _records(published, split):
            chat = _chat(record)
            lines.write(json.dumps(chat, sort_keys=True, ensure_ascii=False).encode() + b"\n")
            for reference in _references(record):
                path = folder / _name(record, reference)
                if path.name not in written:
                    written.add(path.name)
                    path.write_bytes(_data(published, path.name, reference, images, places))
            done += 1
            progress(done, total)
    (folder / DATASET_INFO).write_text(json.dumps(_info(published.manifest.name, split), indent=2) + "\n")
    return Written(done, len(written))


def _records(published: Published, split: str) -> Iterator[tuple[Record, dict[str, bytes]]]:
    for tar in published.cot(split):
        for _, members in published.read(tar):
            yield Record.from_bytes(members.pop("json")), members


def _chat(record: Record) -> dict[str, Any]:
    scores = {fact.name: fact.value for fact in record.scores}
    fields = {"id": record.id, "mode": record.mode, "task": record.task, "difficulty": record.difficulty}
    references = _references(record)
    return {
        **fields,
        **{name: scores.get(name, 0.0) for name in ("quality", "weight", "repeat")},
        "messages": [{"role": m.role, "content": "".join(map(_marked, m.content))} for m in record.messages],
        "images": [_name(record, r) for r in references if isinstance(r, ImageBlock)],
        "videos": [_name(record, r) for r in references if isinstance(r, VideoBlock)],
    }


Reference = ImageBlock | VideoBlock


def _references(record: Record) -> list[Reference]:
    return [block for message in record.messages for block in message.content if not isinstance(block, TextBlock)]


def _marked(block: Any) -> str:
    if isinstance(block, TextBlock):
        return block.text
    return "<image>" if isinstance(block, ImageBlock) else "<video>"


def _name(record: Record, reference: Reference) -> str:
    target = _target(reference)
    if target.startswith(SAMPLE):
        return f"media/{target.removeprefix(SAMPLE)}.{FAMILIES[reference.type]}"
    ending = "png" if isinstance(reference, ImageBlock) else FAMILIES["video"]
    return f"media/{record.id}.obs{target.removeprefix(OBSERVATION)}.{ending}"


def _target(reference: Reference) -> str:
    return reference.image if isinstance(reference, ImageBlock) else reference.video


def _data(
    published: Published, name: str, reference: Reference, images: dict[str, bytes], places: dict[str, Place]
) -> bytes:
    target = _target(reference)
    if target.startswith(SAMPLE):
        return published.member(places[target.removeprefix(SAMPLE)], FAMILIES[reference.type])
    if isinstance(reference, VideoBlock):
        from dataengine.cot.core.shard_files import decode_png
        from dataengine.media.video.from_frames import video_of

        frames = [decode_png(images[f"obs{number}.png"]) for number in reference.pictures]
        return video_of(frames, reference.times)
    return images[name.partition(".")[2]]


def _info(name: str, split: str) -> dict[str, Any]:
    """LLaMA-Factory's entry for chats in the OpenAI format."""
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    columns = {"messages": "messages", "images": "images", "videos": "videos"}
    entry = {"file_name": f"{split}.jsonl", "formatting": "sharegpt", "columns": columns, "tags": tags}
    return {f"{name}_{split}": entry}
