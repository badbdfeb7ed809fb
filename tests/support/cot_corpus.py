"""Real pictures and clips made of them, as samples for the CoT tests."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import av
import numpy as np
import sklearn.datasets
from PIL import Image

from dataengine.contracts import sample_id
from dataengine.cot.core.decoded import decoded
from dataengine.cot.core.frame_sampling import KEYE, sampling_of
from dataengine.cot.core.outcomes import Kept, Outcome
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import TEACHER, PathSummary, Record
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.source_qa import Pair
from dataengine.cot.core.tables import PlanRow
from dataengine.cot.mix.write_stage import record_of
from dataengine.cot.questions.build import candidates
from dataengine.cot.tasks.composed.beside import DOZENS
from dataengine.cot.tasks.programmatic import exchange
from dataengine.cot.tasks.registry import TASKS
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video.sampling import PRESETS

_IMAGES = Path(sklearn.datasets.__file__).parent / "images"
_RATE = 24
PAIRS = (
    Pair("What is shown here?", "B", "choice", ("a car", "a thing of beauty", "a cat"), "set/0.jpg"),
    Pair("How many suns are in the sky?", "1", "number", (), "set/0.jpg"),
)


ALL = dict.fromkeys(TASKS, 1.0)
"""Shares by which every task is asked."""
_PIXELS = {name: float(task.basis != "constructed") for name, task in TASKS.items()}


@cache
def original(name: str) -> bytes:
    """A JPEG that ships with scikit-learn (china.jpg, flower.jpg; 640 x 427)."""
    return (_IMAGES / name).read_bytes()


def pixels_of(name: str) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(original(name))).convert("RGB"))


def jpeg(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "JPEG", quality=90)
    return out.getvalue()


@cache
def pictures() -> dict[str, bytes]:
    """By id: both pictures, and overlapping parts of them, upright and turned."""
    found = [original("china.jpg"), original("flower.jpg")]
    for name, top, left in itertools.product(("china.jpg", "flower.jpg"), (0, 100, 200), (0, 160, 320)):
        part = pixels_of(name)[top : top + 227, left : left + 320]
        found += [jpeg(part), jpeg(np.rot90(part))]
    return {sample_id(data)[0]: data for data in found}


def pan(name: str, frames: int, step: int, top: int = 60) -> list[Pixels]:
    """A camera moving to the right over a picture, ``step`` pixels a frame; 320 x 240."""
    pixels = pixels_of(name)
    return [pixels[top : top + 240, i * step : i * step + 320] for i in range(frames)]


def dissolve(a: Pixels, b: Pixels, frames: int) -> list[Pixels]:
    weights = np.linspace(0, 1, frames)
    return [(a * (1 - w) + b * w).round().astype(np.uint8) for w in weights]


def encode(frames: Iterable[Pixels], codec: str = "libx264", container: str = "mp4") -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=_RATE, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.thread_count = 1
        for pixels in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        file.mux(stream.encode())
    return out.getvalue()


@cache
def three_shots() -> bytes:
    """Cuts after 36 and 76 frames."""
    return encode([*pan("china.jpg", 36, 1), *pan("flower.jpg", 40, 2), *pan("china.jpg", 48, 2, top=0)])


@cache
def one_shot() -> bytes:
    """A pan that shows the order of its frames."""
    return encode(pan("flower.jpg", 80, 4))


@cache
def dissolving() -> bytes:
    first, second = pan("china.jpg", 1, 1)[0], pan("flower.jpg", 1, 1)[0]
    return encode([first] * 30 + dissolve(first, second, 30) + [second] * 30)


@cache
def tinted() -> bytes:
    """One shot in other colours than all others have."""
    frames = pan("china.jpg", 60, 2, top=100)
    return encode([np.stack([f[..., 2] // 3, f[..., 0], f[..., 1] // 4], axis=-1) for f in frames])


@cache
def videos() -> dict[str, bytes]:
    return {sample_id(data)[0]: data for data in (three_shots(), one_shot(), dissolving(), tinted())}


@cache
def sample(id_: str) -> CotInput:
    """A sample of ``pictures`` or ``videos`` with questions of its source and with others beside it; Slow-Fast frames are wanted,
    too; decoded as the engine does."""
    told = replace(alone(id_), pairs=PAIRS, samplings=(*KEYE, sampling_of("slow-fast", PRESETS["released"])))
    if id_ in pictures():
        ring = [other for other in sorted(pictures()) if other != id_]
        return told.with_partners({other: alone(other) for other in ring[:DOZENS]})
    return told.with_partners({other: alone(other) for other in sorted(videos()) if other != id_})


@cache
def alone(id_: str) -> CotInput:
    kind = "image" if id_ in pictures() else "video"
    return decoded(id_, kind, (pictures() | videos())[id_], Limits())


def of(data: bytes, kind: str = "video") -> CotInput:
    return decoded(sample_id(data)[0], kind, data, Limits())


@cache
def outcomes(seed: int = 3) -> list[Outcome]:
    """All candidates of all samples."""
    return [o for id_ in sorted(pictures() | videos()) for o in candidates_of(id_, seed)]


def candidates_of(id_: str, seed: int = 3) -> list[Outcome]:
    """All candidates of a sample: of a video or one of three pictures by all tasks, of others by those without a picture of their
    own."""
    return candidates(
        sample(id_), seed, 99, shares=ALL if id_ in videos() or id_ in sorted(pictures())[:3] else _PIXELS
    )


@dataclass(frozen=True)
class Written:
    """A question, its record with the first programmatic path as the reply, and its pictures."""

    question: Question
    record: Record
    images: tuple[bytes, ...]


def written(kept: Kept) -> Written:
    question, text = kept.question, exchange(kept.question, 0).reply.render()
    path = PathSummary(
        index=0,
        teacher=TEACHER,
        seed=question.seed,
        prompt="",
        grade="A",
        answer=question.answer,
        confidence=0.0,
        reasons="",
    )
    row = PlanRow(
        rid=question.id,
        split="train",
        family=question.family,
        question=question,
        text=text,
        paths=(path,),
        chosen=0,
        pack="",
        members=(),
        review="",
        text_only="",
        equal=False,
        quality=3.0,
        agreement=1.0,
        prior=0.0,
        weight=1.0,
        repeat=1.0,
    )
    return Written(question, record_of(row, kept.images, show_answer=False), kept.images)


@cache
def records(seed: int = 3) -> list[Written]:
    """Records of all candidates that are kept. A test may loop over them: that there are many is asserted here."""
    kept = [written(o) for o in outcomes(seed) if isinstance(o, Kept)]
    assert len(kept) > 100
    return kept


def images_of(kept: Written | Kept) -> dict[str, bytes]:
    question = kept.question
    return {o.name: data for o, data in zip(question.observations, kept.images, strict=True)}
