"""A question about a sample, with its answer and the facts that both rest on: what the steps of CoT construction work on.

It has no reply yet. A ``Record`` is written from it in the end, when a path of reasoning has been chosen.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dataengine.cot.core import formats
from dataengine.cot.core.record import (
    OBSERVATION,
    AnswerType,
    Basis,
    Difficulty,
    Family,
    Mode,
    Observation,
    Record,
    Style,
)
from dataengine.models.serving.messages import Block, ImageBlock, StrictModel, VideoBlock

SWITCHES = "switches"
"""Parameter that names the mode switches where they are not the model card's."""


class Question(StrictModel):
    """``content`` is the user's message, mode switch included; ``parameters`` say what is asked, for a program; ``facts`` are the
    numbers that were measured. The other fields are those of the record that is made of it."""

    id: str
    mode: Mode
    task: str
    style: Style
    family: Family
    difficulty: Difficulty
    seed: int
    parents: tuple[str, ...]
    content: Annotated[tuple[Block, ...], Field(min_length=1)]
    answer: Annotated[str, Field(min_length=1)]
    answer_type: AnswerType
    basis: Basis = "measured"
    parameters: Annotated[dict[str, str], Field(min_length=1)]
    facts: Annotated[dict[str, float], Field(min_length=1)]
    observations: tuple[Observation, ...] = ()

    @property
    def free(self) -> bool:
        """Whether a judge may find an answer to mean the same in other words."""
        return self.answer_type == "text" or (self.answer_type == "word" and self.basis == "given")

    @property
    def text(self) -> str:
        """The user's message with a mark where each picture goes."""
        return formats.to_text(self.content)[0]

    @property
    def shown(self) -> int:
        """Number of pictures of its own that the user's message shows, those of clips included."""
        own = sum(isinstance(b, ImageBlock) and b.image.startswith(OBSERVATION) for b in self.content)
        return own + sum(len(b.pictures) for b in self.content if isinstance(b, VideoBlock))

    @property
    def switches(self) -> str:
        """Name of the set of mode switches, of which the user's message has one."""
        return self.parameters.get(SWITCHES, "card")

    def to_json(self) -> str:
        """Keeps the order of parameters and facts, which is that of the record."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, data: str) -> Question:
        return cls.model_validate_json(data)

    @classmethod
    def of(cls, record: Record) -> Question:
        """The question that a record answers. Raises ValueError."""
        same = ("id", "mode", "task", "style", "difficulty", "seed", "parents", "answer", "answer_type", "basis")
        return cls.model_validate(
            {
                **{name: getattr(record, name) for name in (*same, "family", "observations")},
                "content": record.messages[0].content,
                "parameters": record.parameters,
                "facts": record.facts,
            }
        )
