"""Base of a CoT task, in four steps: propose questions, measure facts, decide the answer, write question and reply.

The steps are apart so that a check can repeat them without trusting the record: the answer follows from ``measure`` and
``decide`` alone, the text from the facts and the seed alone.
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
from dataengine.cot.tasks.tree import Capability, Need
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import Block, ImageBlock, Message

Params = dict[str, str]
Facts = dict[str, float]

LETTERS = source_qa.LETTERS
SEPARATOR = "|"
"""Between the names in a parameter that is a list."""


@dataclass(frozen=True)
class Abstain:
    """A task abstains: there is no answer that everybody would give. ``reason`` is short and stable, for counting."""

    reason: str


@dataclass(frozen=True)
class Exchange:
    """A question and its reply (the bare answer where only a model can write one). ``shown``: the user's blocks before the
    question."""

    question: str
    reply: Reply
    shown: tuple[Block, ...] = ()
    images: tuple[str, ...] = ()
    """References for the places of pictures in the reply."""


class Task(ABC):
    """``tolerances``: how far facts may differ when they are measured again with another decoder; 2 for others. ``capability``,
    ``needs`` and ``share`` are its place in the tree of tasks (``tasks.tree``)."""

    name: str
    mode: ClassVar[Mode]
    kind: ClassVar[str] = "image"
    styles: ClassVar[tuple[Style, ...]]
    family: ClassVar[Family] = "picture"
    answer_type: ClassVar[AnswerType]
    basis: ClassVar[Basis] = "measured"
    tolerances: ClassVar[Mapping[str, float]] = MappingProxyType({})
    capability: ClassVar[Capability]
    needs: ClassVar[tuple[Need, ...]] = ()
    share: ClassVar[float] = 1.0
    wordings: tuple[str, ...] = ()
    """Templates of its questions; empty where the source or a model words them."""

    def takes(self, source: CotInput) -> bool:
        """Whether a sample has what the task asks about."""
        return source.kind == self.kind

    def variants(self, source: CotInput) -> Sequence[str]:
        """Names of questions that may all be asked about one sample; a task without variants asks one."""
        return ("",)

    def programs(self, style: Style) -> bool:
        """Whether a program can write the reply; others need a model."""
        return True

    def type_of(self, params: Params) -> AnswerType:
        return self.answer_type

    def parents(self, source_id: str, params: Params) -> tuple[str, ...]:
        """Ids of the sample asked about, then of others that are shown or quoted."""
        return (source_id, *names(params, "others")) if "others" in params else (source_id,)

    @abstractmethod
    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        """Questions to try, in drawn order; the first on which the task does not abstain is asked. A task with variants gives
        those of all, each with its ``variant``."""

    @abstractmethod
    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        """The facts, from the media alone. Raises InputError where they cannot be decoded."""

    @abstractmethod
    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        """The answer. ``strict``: by the full margin, when a question is composed; half of it will do when one is verified, where
        another decoder may differ a little."""

    def reasons(self, params: Params, facts: Facts) -> bool:
        """Whether a program has something to reason with that can be seen; where not, only the short reply is written."""
        return True

    @abstractmethod
    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        """Question and reply. Depends on nothing but its arguments."""

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        """Pictures that the record keeps, ``(H, W, 3) uint8`` each."""
        return []

    def canvas(self, params: Params, source: CotInput) -> Pixels:
        """The picture that the tools of an agentic reply work on, ``(H, W, 3) uint8``."""
        return source.picture()

    def tolerance(self, fact: str) -> float:
        """Tolerance of a fact when it is measured again."""
        return self.tolerances.get(fact, 2.0)


class PixelTask(Task):
    """A task about means over pixels, which a program measures but no model sees: a test set of the record format, asked only
    where the recipe names it."""

    capability = "pixel measurements"
    share = 0.0


def words(seed: int, path: int) -> Draw:
    """The random stream that chooses the wording of a path."""
    return Draw(seed).fork(f"words {path}" if path else "words")


def messages(exchange: Exchange, style: Style, switches: str = "card") -> tuple[Message, Message]:
    """The exchange as messages, the mode switch on the question. Raises FormatError."""
    content = (*exchange.shown, *to_blocks(with_switch(exchange.question, style, switches)))
    reply = to_blocks(exchange.reply.render(), exchange.images)
    return Message(role="user", content=content), Message(role="assistant", content=reply)


def picture(source_id: str) -> tuple[Block, ...]:
    """The sample's picture as the first block of the question."""
    return (ImageBlock(image=SAMPLE + source_id),)


def names(params: Params, key: str) -> list[str]:
    """The names in a parameter that is a list."""
    return params[key].split(SEPARATOR)


def listed(options: Sequence[str]) -> str:
    """Options of a multiple-choice question, one a line."""
    return "\n".join(f"{letter}. the {option}" for letter, option in zip(LETTERS, options, strict=False))


def ranked(facts: Facts, options: Sequence[str], margin: float) -> list[str] | Abstain:
    """``options`` from the lowest fact to the highest, each at least ``margin`` above the one before."""
    order = sorted(options, key=lambda name: (facts[name], name))
    gaps = [facts[b] - facts[a] for a, b in pairwise(order)]
    return Abstain("too close") if min(gaps) < margin else order
