"""The report's training in three stages (arXiv 2602.09843), as configuration: codebook alignment with tower and language model
frozen, multi-task pre-training of everything, annealing on instruction data.

The report gives the order, the data and what is frozen. Steps, rates and batch sizes of the preset are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
LAYOUT = 32
"""Tokens of a short conversation's layout beside those of its texts."""

#: Parts of a model that a stage freezes, or gives a learning rate of their own.
Portion = Literal["tower", "projector", "quantiser", "adapter", "lm"]
PORTIONS: tuple[Portion, ...] = ("tower", "projector", "quantiser", "adapter", "lm")


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    later: ClassVar[frozenset[str]] = frozenset()
    """Fields younger than the first tokenizers. At their defaults they are left out of what a tokenizer's id is a digest of."""

    @model_serializer(mode="wrap")
    def _dumped(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        plain = {name for name in self.later if getattr(self, name) == fields[name].get_default()}
        return {name: value for name, value in dump(self).items() if name not in plain}


class Mixture(Model):
    """One kind of text in a stage's mix, from all sources of the recipe or those named."""

    text: Literal["captions", "instructions"] = "captions"
    weight: Positive = 1.0
    sources: tuple[str, ...] = ()


class Phase(Model):
    """One stage. A step is ``accumulate`` packs of at most ``tokens`` tokens, pictures and text together."""

    steps: Count
    freeze: tuple[Portion, ...] = ()
    rate: Positive = 1e-4
    rates: dict[Portion, Positive] = {}
    """Peak learning rates of single parts, where they differ from ``rate``."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warm_up: Annotated[int, Field(ge=0)] = 0
    """Steps until the peak."""
    floor: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the peak that the schedule ends at."""
    weight_decay: Share = 0.01
    clip: Positive = 1.0
    """Largest norm of the gradient."""
    tokens: Count = 8192
    accumulate: Count = 1
    buffer: Count = 1000
    """Samples among which order is shuffled; whole media tars are shuffled as well."""
    mix: tuple[Mixture, ...] = (Mixture(),)

    @model_validator(mode="after")
    def _trains(self) -> Phase:
        if not set(PORTIONS) - set(self.freeze):
            raise ValueError("everything is frozen: nothing would be trained")
        both = sorted(set(self.freeze) & set(self.rates))
        if both:
            raise ValueError(f"{', '.join(both)}: frozen, so it has no learning rate")
        if self.warm_up >= self.steps:
            raise ValueError(f"warm_up {self.warm_up:,} leaves nothing of {self.steps:,} steps")
        if not self.mix:
            raise ValueError("mix names no text to train on")
        return self

    def peak(self, portion: Portion) -> float:
        return self.rates.get(portion, self.rate)


class Curriculum(Model):
    """The three stages, how numbers are computed, and on how many processes. ``accumulate`` of each stage must be a multiple of
    ``processes``: how many there are changes no batch."""

    align: Phase
    pretrain: Phase
    anneal: Phase
    processes: Count = 1
    """One a GPU (or, on CPUs, a share of a node)."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """Each process has a copy of the model (DDP), or a share of its weights, gradients and moments (FSDP)."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of autocast; weights and moments are float32."""
    checkpointing: bool = False
    """Compute activations of the blocks again in the backward pass instead of keeping them."""
    later: ClassVar[frozenset[str]] = frozenset({"parallel"})
    instructions: str = "conversations"
    """Field of a sample's metadata with its conversation: LLaVA's ``conversations`` or chat ``messages``."""

    @model_validator(mode="after")
    def _divides(self) -> Curriculum:
        for name, phase in self.phases():
            if phase.accumulate % self.processes:
                raise ValueError(
                    f"{name}.accumulate {phase.accumulate} is no multiple of {self.processes} processes: each takes as many packs"
                )
        return self

    def phases(self) -> Iterator[tuple[str, Phase]]:
        yield from (("align", self.align), ("pretrain", self.pretrain), ("anneal", self.anneal))

    def published(self) -> Curriculum:
        """Without the names of the recipe's sources, and of how many processes there were."""

        def plain(phase: Phase) -> Phase:
            return phase.model_copy(update={"mix": tuple(m.model_copy(update={"sources": ()}) for m in phase.mix)})

        return self.model_copy(
            update={"processes": 1, "parallel": "ddp", **{name: plain(phase) for name, phase in self.phases()}}
        )


_INSTRUCTIONS = {"text": "instructions"}
#: Of the preset ``kelix``.
KELIX_CURRICULUM: dict[str, Any] = {
    "align": {
        "steps": 20_000,
        "freeze": ["tower", "lm"],
        "rate": 1e-3,
        "warm_up": 500,
        "tokens": 24_576,
        "accumulate": 8,
    },
    "pretrain": {
        "steps": 100_000,
        "rate": 1e-4,
        "rates": {"tower": 2e-5, "lm": 5e-5},
        "warm_up": 1000,
        "tokens": 24_576,
        "accumulate": 8,
        "mix": [{"text": "captions"}, _INSTRUCTIONS],
    },
    "anneal": {
        "steps": 10_000,
        "rate": 2e-5,
        "rates": {"tower": 5e-6},
        "schedule": "linear",
        "floor": 0.0,
        "tokens": 24_576,
        "accumulate": 8,
        "mix": [_INSTRUCTIONS],
    },
    "precision": "bfloat16",
    "checkpointing": True,
}
