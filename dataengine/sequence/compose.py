"""Orders in which samples, captions, questions and records become documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dataengine.config.sequence import CotSource, LossConfig, PairsSource, SamplesSource
from dataengine.cot.core.formats import SWITCHES
from dataengine.cot.core.record import OBSERVATION, Record
from dataengine.index.codes import text as semantic
from dataengine.models.serving.messages import ImageBlock, TextBlock, VideoBlock
from dataengine.sequence.chat import ChatTemplate, Turn, end_of_text
from dataengine.sequence.corpus import checked_weight
from dataengine.sequence.draft import Draft, Run, Token, Visual, Words, clip
from dataengine.sequence.model import Role

#: The visual part of a sample by its id, and of a record's own picture by ``obs:N``. Raises InputError where there is none.
Visuals = Callable[[str], Visual]
_BREAK = "\n"


@dataclass(frozen=True)
class CaptionedSample:
    """A sample with its captions, the chosen one first; ``semantic_id``: its residual codes, level by level."""

    id: str
    visual: Visual
    captions: tuple[str, ...] = field(default=())
    semantic_id: tuple[int, ...] = ()

    @property
    def caption(self) -> str:
        return self.captions[0] if self.captions else ""


def sample_drafts(samples: Sequence[CaptionedSample], source: SamplesSource) -> Iterator[Draft]:
    """Documents of samples in the source's order. A sample without a caption is its picture alone."""
    if source.order == "interleaved":
        for at in range(0, len(samples), source.group):
            group = samples[at : at + source.group]
            runs = [run for one in group for run in _with_id(one, _pair(one.visual, one.caption, source.loss), source)]
            yield Draft(group[0].id, (*runs, end_of_text()))
        return
    for sample in samples:
        for number, caption in enumerate(sample.captions[: 1 if source.captions == "chosen" else None] or [""]):
            pair = _pair(sample.visual, caption, source.loss)
            runs = _with_id(sample, pair if source.order == "image_text" else pair[::-1], source)
            yield Draft(sample.id if not number else f"{sample.id}.{number}", (*runs, end_of_text()))


def pair_draft(record: Record, sample: CaptionedSample, source: PairsSource) -> Draft:
    """``<image, caption, [eos], question, answer>`` or its reverse (Keye-VL-1.5, arXiv 2509.01563), one document."""
    question = "".join(b.text for b in record.messages[0].content if isinstance(b, TextBlock)).strip()
    question_answer: list[Run] = [
        Words(question + _BREAK, Role.USER, source.loss.user),
        Words(record.answer, Role.ASSISTANT, source.loss.assistant),
    ]
    caption: list[Run] = [Words(sample.caption, Role.TEXT, source.loss.text)] if sample.caption else []
    first, then = (caption, question_answer) if source.order == "caption_first" else (question_answer, caption)
    middle = [end_of_text()] if first and then else []
    return Draft(record.id, (sample.visual, *first, *middle, *then, end_of_text()))


def cot_draft(record: Record, visuals: Visuals, template: ChatTemplate, system: str | None, source: CotSource) -> Draft:
    """A conversation, as often as the record's scores say. Raises InputError for a picture that the layout cannot hold."""
    turns = [Turn("system", (system,))] if system else []
    for message in record.messages:
        content: list[str | Visual] = []
        for block in message.content:
            if isinstance(block, TextBlock):
                content.append(block.text)
            elif isinstance(block, ImageBlock):
                content.append(visuals(block.image))
            elif isinstance(block, VideoBlock):
                own = [visuals(f"{OBSERVATION}{number}") for number in block.pictures]
                content.append(clip(own, block.times) if own else visuals(block.video))
        if message.role == "user" and source.switches != "none":
            switch = SWITCHES[source.switches][record.style]
            content += [switch] if switch else []
        turns.append(Turn(message.role, tuple(content)))
    runs = template.runs(turns, source.loss)
    return Draft(record.id, (*runs, end_of_text()), weight=_weight(record, source))


def text_draft(id_: str, text: str, weight: float, loss: LossConfig) -> Draft:
    """Plain text."""
    return Draft(id_, (Words(text, Role.TEXT, loss.text), end_of_text()), weight=weight)


def _pair(visual: Visual, caption: str, loss: LossConfig) -> list[Run]:
    return [visual, Words(caption, Role.TEXT, loss.text)] if caption else [visual]


def _with_id(sample: CaptionedSample, runs: list[Run], source: SamplesSource) -> list[Run]:
    """With the sample's semantic id before or after them, as the source says: targets where its text is."""
    if source.semantic_ids == "none":
        return runs
    codes = [semantic.token(level, code) for level, code in enumerate(sample.semantic_id)]
    own: list[Run] = [Token(one, source.loss.text) for one in (semantic.BEGIN, *codes, semantic.END)]
    return [*own, *runs] if source.semantic_ids == "before" else [*runs, *own]


def _weight(record: Record, source: CotSource) -> float:
    if source.repeat == "once":
        return 1.0
    scores = {score.name: score.value for score in record.scores}
    return checked_weight(scores.get(source.repeat, 1.0))
