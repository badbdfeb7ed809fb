"""What the decode child needs to compose the questions of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dataengine.cot.core.frame_sampling import KEYE
from dataengine.cot.core.proposals import Proposal
from dataengine.cot.core.source_qa import Distractor, Pair
from dataengine.cot.tasks.mix_shares import resolve
from dataengine.cot.tasks.registry import DEFAULT_SHARES
from dataengine.media.limits import Limits
from dataengine.plugins.offers import Plugin


@dataclass(frozen=True)
class Context:
    """``per_sample``: how many questions a sample may give; ``samplings``: of a video's frames; ``models``: are there
    teachers that answer what a program cannot? ``switches``: name of the mode switches; ``shares``: of the task families;
    ``mix``: of the modes."""

    limits: Limits
    seed: int
    per_sample: int
    samplings: tuple[str, ...] = KEYE
    models: bool = False
    switches: str = "card"
    shares: Mapping[str, float] = field(default_factory=lambda: DEFAULT_SHARES)
    mix: Mapping[str, float] = field(default_factory=lambda: resolve("even"))
    plugins: tuple[Plugin, ...] = ()
    """Those with task families."""


@dataclass(frozen=True)
class EncodedSample:
    """A sample: its bytes, what its source says (facts: ``duration`` in seconds, if known), captions of other samples, and other
    samples of its kind with their bytes and facts."""

    id: str
    kind: str
    data: bytes
    captions: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()
    distractors: tuple[Distractor, ...] = ()
    partners: tuple[tuple[str, bytes, Mapping[str, Any]], ...] = ()
    proposals: tuple[Proposal, ...] = ()
