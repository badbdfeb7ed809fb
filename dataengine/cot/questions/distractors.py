"""Which samples a question may show or quote beside its own: captions of others as wrong options, other videos as candidates.

Neighbours on a ring in the order of a hash of seed and id, so that who is chosen does not depend on the order of arrival and a
new sample changes only its neighbours' questions. Never one that is alike: another cut of the same video, a near-duplicate by
any edge that was found, or a caption that shares many words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from dataengine.cot.core.source_qa import Distractor

_ALIKE = 0.5
"""Captions that share so many of their words say much the same."""
_REACH = 64
"""Neighbours looked at for one sample."""
_LEAST_WORDS = 3


@dataclass(frozen=True)
class Sample:
    """A sample as its neighbours see it; ``parent`` is the video that a clip is cut from, else its own id."""

    id: str
    kind: str
    split: str
    parent: str
    captions: tuple[str, ...]


class Ring:
    """All samples of one split and kind."""

    def __init__(self, samples: Sequence[Sample], seed: int, alike: Mapping[str, Collection[str]]) -> None:
        self._order = sorted(samples, key=lambda s: (_place(seed, s.id), s.id))
        self._at = {sample.id: place for place, sample in enumerate(self._order)}
        self._alike = alike

    def distractors(self, sample: Sample, count: int) -> list[Distractor]:
        """A caption each of ``count`` other samples, or of as many as there are; none alike."""
        found: list[Distractor] = []
        bags = [_words(c) for c in sample.captions]
        for other in self._others(sample) if count and sample.captions else ():
            caption = next((c for c in other.captions if len(c.split()) >= _LEAST_WORDS), None)
            if caption is None:
                continue
            bag = _words(caption)
            if all(_shared(bag, known) < _ALIKE for known in [*bags, *(_words(r.text) for r in found)]):
                found.append(Distractor(other.id, caption))
            if len(found) == count:
                break
        return found

    def partners(self, sample: Sample, count: int) -> list[str]:
        """Ids of ``count`` other samples; none where there are fewer."""
        found = [other.id for other in islice(self._others(sample), count)]
        return found if len(found) == count else []

    def _others(self, sample: Sample) -> Iterator[Sample]:
        size, at = len(self._order), self._at[sample.id]
        near = self._alike.get(sample.id, ())
        for step in range(1, min(size, _REACH + 1)):
            other = self._order[(at + step) % size]
            if other.parent != sample.parent and other.id not in near:
                yield other


def _place(seed: int, id_: str) -> bytes:
    return hashlib.sha256(f"{seed}\0beside\0{id_}".encode()).digest()


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def _shared(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / max(len(a | b), 1)
