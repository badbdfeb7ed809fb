"""What a model is asked: prompt templates from ``prompts/``, pictures by digest, and the same question without them.

A template's file name holds its version; its digest is told in every record that it led to. Code for think-with-image is not
asked for: its replies come from the programmatic teacher.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from PIL import Image

from dataengine.cot import formats
from dataengine.cot.record import Block, ImageBlock, Message, Record, TextBlock, VideoBlock
from dataengine.cot.teachers.base import Ask
from dataengine.cot_config import CotConfig
from dataengine.media.image import decode_rgb
from dataengine.media.limits import Limits
from dataengine.media.video import frames_even
from dataengine.workspace import digest

VERSION = "1"
_SIDE, _FRAME_SIDE = 768, 252
"""Pixels of the shorter side of a picture and of a frame that a model is shown."""
_COUNTS = (16, 32)
_JUDGED = {
    "type": "object",
    "properties": {
        "process": {"type": "boolean"},
        "reason": {"type": "string"},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["process", "reason", "score"],
    "additionalProperties": False,
}


@cache
def template(name: str) -> str:
    return files("dataengine.cot").joinpath(f"prompts/{name}.v{VERSION}.txt").read_text("utf-8").strip()


def prompt_of(name: str) -> str:
    """Digest of a template."""
    return digest(template(name))


def answerable(record: Record) -> bool:
    """Can a model be asked this in one turn?"""
    return record.style != "agentic"


def path(record: Record, pictures: Sequence[str], seed: int, config: CotConfig) -> Ask:
    """One path of reasoning. ``pictures`` are references, in the order in which they are shown."""
    head = template(record.style)
    if config.show_answer:
        head = f"{head}\n{template('shown_answer').format(answer=record.answer)}"
    return Ask((_message(record, pictures, head),), seed, config.temperature, config.max_tokens, logprobs=True)


def blind(record: Record, seed: int) -> Ask:
    """The question alone, answered in a few words."""
    text = f"{template('blind')}\n\n{_question(record)}"
    return Ask((Message(role="user", content=(TextBlock(text=text),)),), seed, 0.0, 64)


def judge(record: Record, pictures: Sequence[str], reply: str) -> Ask:
    """What a judge makes of a reply: process (bool), reason, score (1 to 5), as JSON."""
    text = template("judge").format(answer=record.answer, question=_question(record), reply=reply)
    content: tuple[Block, ...] = (*(ImageBlock(image=name) for name in pictures), TextBlock(text=text))
    return Ask((Message(role="user", content=content),), record.seed, 0.0, 512, json_schema=_JUDGED)


def register(views: Sequence[bytes], pictures: dict[str, bytes]) -> list[str]:
    """References to pictures, named by their bytes so that the same question has the same name in any batch."""
    names = [f"obs:{int.from_bytes(hashlib.sha256(data).digest()[:6], 'big')}" for data in views]
    pictures.update(zip(names, views, strict=True))
    return names


def shown(limits: Limits, item: tuple[str, bytes]) -> dict[int, list[bytes]]:
    """JPEGs of a sample by the number of frames; a picture is one. Runs in the decode child. Raises InputError."""
    kind, data = item
    if kind == "image":
        return {1: [_jpeg(Image.fromarray(decode_rgb(data, limits, _SIDE)), _SIDE)]}
    taken = {count: frames_even(data, count, limits, _FRAME_SIDE)[0] for count in _COUNTS}
    return {count: [_jpeg(Image.fromarray(one), _FRAME_SIDE) for one in frames] for count, frames in taken.items()}


def views(record: Record, of_sample: dict[int, list[bytes]], own: Sequence[bytes]) -> list[bytes]:
    """What is shown with a question, in its order: the sample, its frames, or the question's own pictures."""
    blocks = record.messages[0].content
    if any(isinstance(b, VideoBlock) for b in blocks):
        return of_sample.get(next(b.nframes for b in blocks if isinstance(b, VideoBlock)), [])
    return list(own) if record.family in ("frames", "made") else of_sample.get(1, [])


def _message(record: Record, pictures: Sequence[str], head: str) -> Message:
    names, content = iter(pictures), list[Block]()
    for block in record.messages[0].content:
        if isinstance(block, TextBlock):
            content.append(block)
        else:
            count = block.nframes if isinstance(block, VideoBlock) else 1
            content += [ImageBlock(image=name) for _, name in zip(range(count), names, strict=False)]
    text = f"{head}\n\nThe question:"
    return Message(role="user", content=(TextBlock(text=text), *_bare(content, record)))


def _bare(content: Sequence[Block], record: Record) -> list[Block]:
    """Without the mode switch, which is for the model that will be trained."""
    switch = formats.SWITCHES["card"][record.style]
    *front, last = content
    if isinstance(last, TextBlock) and switch:
        return [*front, TextBlock(text=last.text.removesuffix(switch))]
    return list(content)


def _question(record: Record) -> str:
    text = formats.to_text(record.messages[0].content)[0].removesuffix(formats.SWITCHES["card"][record.style])
    return text.replace(formats.IMAGE_MARK, "").strip()


def _jpeg(picture: Image.Image, side: int) -> bytes:
    scale = side / min(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()
