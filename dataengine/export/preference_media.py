"""Pictures of the questions of a preference export: samples, pictures of the questions' own, and frames of videos.

A video is shown as its frames with their times, those that the question asks about and that the models have seen: no trainer of
preferences samples them in the same way. The frames of a clip are pictures of the question's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dataengine.cot.core.formats import IMAGE_MARK
from dataengine.cot.core.record import OBSERVATION, SAMPLE
from dataengine.cot.teachers.renderer import Renderer
from dataengine.errors import RunError
from dataengine.export.graded_paths import GradedQuestion
from dataengine.models.serving.messages import Block, ImageBlock, TextBlock, VideoBlock
from dataengine.samples.locate import Located
from dataengine.storage.store import Store


def content_of(graded: GradedQuestion) -> list[dict[str, Any]]:
    """The question as typed parts, a place for each picture and frame."""
    return [
        {"type": "text", "text": text} if text is not None else {"type": "image", "text": None}
        for block in graded.question.content
        for text in _places(block)
    ]


def text_of(graded: GradedQuestion) -> str:
    """The question as a text, with a mark for each picture and frame."""
    places = (text for block in graded.question.content for text in _places(block))
    return "".join(IMAGE_MARK if text is None else text for text in places)


def images_of(graded: GradedQuestion) -> list[str]:
    """Paths of the pictures of a question below OUT, in the order in which they are shown."""
    return [path for block in graded.question.content for path in _paths(graded, block)]


def save(store: Store, target: Store, graded: GradedQuestion, frames: list[bytes], media: dict[str, str]) -> None:
    """Write the pictures of a question that are not there yet. ``frames``: those of its video."""
    for block in graded.question.content:
        for number, path in enumerate(_paths(graded, block)):
            if path not in media:
                media[path] = target.put(path, _picture(store, graded, block, number, frames))


def frames_of(renderer: Renderer, graded: GradedQuestion) -> list[bytes] | None:
    """JPEGs of the frames of the question's video, none where it has none; None where they cannot be decoded."""
    blocks = [b for b in graded.question.content if isinstance(b, VideoBlock) and not b.pictures]
    if not blocks or graded.sample is None:
        return []
    rendered = renderer.samples([graded.question], {graded.sample.id: graded.sample})
    frames = rendered.get(graded.sample.id, {}).get(graded.question.parameters.get("sampling", ""), [])
    return frames if len(frames) == len(blocks[0].times) else None


def _places(block: Block) -> Iterator[str | None]:
    """Texts of a block, None for a picture; a frame comes after its time."""
    if isinstance(block, VideoBlock):
        for time in block.times:
            yield f"[{time:.1f} s]"
            yield None
    else:
        yield block.text if isinstance(block, TextBlock) else None


def _paths(graded: GradedQuestion, block: Block) -> list[str]:
    if isinstance(block, TextBlock):
        return []
    if isinstance(block, VideoBlock) and block.pictures:
        return [_own(graded, number) for number in block.pictures]
    if isinstance(block, VideoBlock):
        sample = _sample(graded, block.video)
        sampling = re.sub(r"[^a-z0-9]+", "-", graded.question.parameters.get("sampling", "").lower()).strip("-")
        return [f"media/{sample.id}.{sampling}.{number:03d}.jpg" for number in range(len(block.times))]
    if block.image.startswith(OBSERVATION):
        return [_own(graded, int(block.image.removeprefix(OBSERVATION)))]
    sample = _sample(graded, block.image)
    return [f"media/{sample.id}.{sample.ext}"]


def _sample(graded: GradedQuestion, reference: str) -> Located:
    """Where the bytes of a sample that a question shows lie. Raises RunError for one that is not the question's own."""
    sample = graded.sample
    if sample is None or reference != f"{SAMPLE}{sample.id}":
        raise RunError(f"question {graded.question.id} shows {reference}, which is not its sample")
    return sample


def _own(graded: GradedQuestion, number: int) -> str:
    return f"media/{graded.question.id}.obs{number}.png"


def _picture(store: Store, graded: GradedQuestion, block: Block, number: int, frames: list[bytes]) -> bytes:
    """The picture of a block, or of a video its frame ``number``."""
    if isinstance(block, VideoBlock) and not block.pictures:
        return frames[number]
    if isinstance(block, VideoBlock):
        return _member(store, graded, block.pictures[number])
    if isinstance(block, ImageBlock) and block.image.startswith(OBSERVATION):
        return _member(store, graded, int(block.image.removeprefix(OBSERVATION)))
    sample = _sample(graded, getattr(block, "image", ""))
    return store.get_range(sample.media, sample.offset, sample.bytes)


def _member(store: Store, graded: GradedQuestion, number: int) -> bytes:
    member = next(one for one in graded.members if one.name == f"obs{number}.png")
    return store.get_range(graded.pack, member.offset, member.size)
