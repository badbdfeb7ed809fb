"""A sample as tasks see it: pixels of a fixed working size and the metadata of its source. ``decoded.py`` makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dataengine.cot.core.frame_sampling import KEYE, SampledFrames
from dataengine.cot.core.proposals import Proposal
from dataengine.cot.core.source_qa import Distractor, Pair
from dataengine.errors import InputError
from dataengine.media.image.pixels import Pixels

Frames = tuple[Pixels, list[float]]
"""``(F, H, W, 3) uint8`` and the seconds when each begins to be shown."""


def _no_video(*_: Any) -> Any:
    raise InputError("wrong_kind", "a task for videos got a sample of another kind")


@dataclass(frozen=True)
class CotInput:
    """One sample. ``picture()`` is ``(H, W, 3) uint8`` at working size; ``frames(count, short_side)`` are the frames from
    the middles of ``count`` equal spans, ``frames_near(times, short_side)`` those nearest to these seconds; ``sampled(sampling)``
    are the frames that a record shows, ``samplings`` those that the recipe wants. ``facts`` of a video hold its ``duration`` in
    seconds.

    ``pairs`` are the source's questions about it, ``distractors`` captions of other samples, ``proposals`` questions that a
    model asks about it, ``partners`` others of its kind by id.
    """

    id: str
    kind: str
    picture: Callable[[], Pixels] = field(repr=False)
    frames: Callable[[int, int], Frames] = field(repr=False)
    captions: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    sampled: Callable[[str], SampledFrames] = field(repr=False, default=_no_video)
    samplings: tuple[str, ...] = KEYE
    frames_near: Callable[[tuple[float, ...], int], Frames] = field(repr=False, default=_no_video)
    pairs: tuple[Pair, ...] = ()
    distractors: tuple[Distractor, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    partners: Mapping[str, CotInput] = field(repr=False, default_factory=dict)

    def with_partners(self, partners: Mapping[str, CotInput]) -> CotInput:
        """The same sample with these others beside it."""
        return replace(self, partners=partners)


NO_SAMPLE = CotInput("", "text", _no_video, _no_video)
"""What a record without pictures is about."""
