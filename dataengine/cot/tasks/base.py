"""What a task is: it proposes questions, measures the facts, decides, and writes.

The four steps are apart so that a check can measure again and write again without trusting the record: the answer follows
from ``measure`` and ``decide`` alone, the text from the facts and the seed alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import ClassVar

from dataengine.cot.core import source_qa
from dataengine.cot.core.formats import Reply, to_blocks, with_switch
from dataengine.cot.core.record import SAMPLE, AnswerType, Basis, Family, Mode, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import Block, ImageBlock, Message

Params = dict[str, str]
Facts = dict[str, float]

LETTERS = source_qa.LETTERS
SEPARATOR = "|"
"""Between the names in a parameter that is a list."""


@dataclass(frozen=True)
class Unsure:
    """No answer that everybody would give; ``reason`` is short and stable, for counting."""

    reason: str


@dataclass(frozen=True)
class Exchange:
    """What a task writes: the user's blocks before the question, the question, the reply (the bare answer where only a model
    can write one)."""

    question: str
    reply: Reply
    shown: tuple[Block, ...] = ()
    images: tuple[str, ...] = ()
    """References for the places of pictures in the reply."""


class Task(ABC):
    """``tolerances``: how far facts may differ when they are measured again with another decoder; 2 for others."""

    name: str
    mode: ClassVar[Mode]
    kind: ClassVar[str] = "image"
    styles: ClassVar[tuple[Style, ...]]
    family: ClassVar[Family] = "picture"
    answer_type: ClassVar[AnswerType]
    basis: ClassVar[Basis] = "measured"
    tolerances: ClassVar[Mapping[str, float]] = MappingProxyType({})

    def takes(self, source: CotInput) -> bool:
        """Has such a sample what the task asks about?"""
        return source.kind == self.kind

    def variants(self, source: CotInput) -> Sequence[str]:
        """Names of the questions that may be asked side by side; a task asks one of a sample, where it has no others."""
        return ("",)

    def programs(self, style: Style) -> bool:
        """Can a program write the reply? Others are for models alone."""
        return True

    def type_of(self, params: Params) -> AnswerType:
        return self.answer_type

    def parents(self, source_id: str, params: Params) -> tuple[str, ...]:
        """The sample asked about, then others that are shown or quoted."""
        return (source_id, *names(params, "others")) if "others" in params else (source_id,)

    @abstractmethod
    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Unsure:
        """Questions to try, in drawn order; the first with a sure answer is asked. Of a task with variants: those of all, by
        ``variant``."""

    @abstractmethod
    def measure(self, params: Params, source: CotInput) -> Facts | Unsure:
        """The facts, from the media alone. Raises InputError where they cannot be decoded."""

    @abstractmethod
    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Unsure:
        """The answer. ``strict`` asks for the full margin, as records are made; without it half of it will do, so that
        another decoder's small differences do not unmake a record."""

    @abstractmethod
    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        """Question and reply. Depends on nothing but what is given."""

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        """Pictures that the record keeps, ``(H, W, 3) uint8`` each."""
        return []

    def tolerance(self, fact: str) -> float:
        """How far this fact may differ when it is measured again."""
        return self.tolerances.get(fact, 2.0)


def words(seed: int, path: int) -> Draw:
    """The stream that chooses the words of a path."""
    return Draw(seed).fork(f"words {path}" if path else "words")


def messages(exchange: Exchange, style: Style) -> tuple[Message, Message]:
    """The exchange as messages, the mode switch on the question. Raises FormatError."""
    content = (*exchange.shown, *to_blocks(with_switch(exchange.question, style)))
    reply = to_blocks(exchange.reply.render(), exchange.images)
    return Message(role="user", content=content), Message(role="assistant", content=reply)


def picture(source_id: str) -> tuple[Block, ...]:
    """The sample as the first block of the question."""
    return (ImageBlock(image=SAMPLE + source_id),)


def names(params: Params, key: str) -> list[str]:
    """The names in a parameter that is a list."""
    return params[key].split(SEPARATOR)


def listed(options: Sequence[str]) -> str:
    """Options of a multiple-choice question, one a line."""
    return "\n".join(f"{letter}. the {option}" for letter, option in zip(LETTERS, options, strict=False))


def ranked(facts: Facts, options: Sequence[str], margin: float) -> list[str] | Unsure:
    """``options`` from the lowest fact to the highest, each at least ``margin`` above the one before."""
    order = sorted(options, key=lambda name: (facts[name], name))
    gaps = [facts[b] - facts[a] for a, b in pairwise(order)]
    return Unsure("too close") if min(gaps) < margin else order
