"""Chooses distractors: captions of other samples as wrong options, and other videos as candidates.

Samples lie on a ring in the order of a hash of seed and id, so that the choice does not depend on the order of arrival and a new
sample changes only its neighbours' questions. Left out are clips of the same video, near-duplicates by any edge that dedup has,
and captions that share many words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from dataengine.cot.core.source_qa import Distractor

_MAX_OVERLAP = 0.5
"""Jaccard similarity of the words of two captions from which on one is no distractor of the other."""
_NEIGHBOURS = 64
"""Neighbours looked at for one sample."""
_MIN_WORDS = 3


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

    def __init__(self, samples: Sequence[Sample], seed: int, near_duplicates: Mapping[str, Collection[str]]) -> None:
        self._order = sorted(samples, key=lambda s: (_place(seed, s.id), s.id))
        self._at = {sample.id: place for place, sample in enumerate(self._order)}
        self._near_duplicates = near_duplicates

    def distractors(self, sample: Sample, count: int) -> list[Distractor]:
        """A caption each of ``count`` other samples, or of as many as there are."""
        chosen: list[Distractor] = []
        bags = [_words(c) for c in sample.captions]
        for other in self._others(sample) if count and sample.captions else ():
            caption = next((c for c in other.captions if len(c.split()) >= _MIN_WORDS), None)
            if caption is None:
                continue
            bag = _words(caption)
            if all(_jaccard(bag, known) < _MAX_OVERLAP for known in [*bags, *(_words(r.text) for r in chosen)]):
                chosen.append(Distractor(other.id, caption))
            if len(chosen) == count:
                break
        return chosen

    def partners(self, sample: Sample, count: int) -> list[str]:
        """Ids of ``count`` other samples; none where there are fewer."""
        ids = [other.id for other in islice(self._others(sample), count)]
        return ids if len(ids) == count else []

    def _others(self, sample: Sample) -> Iterator[Sample]:
        size, at = len(self._order), self._at[sample.id]
        near = self._near_duplicates.get(sample.id, ())
        for step in range(1, min(size, _NEIGHBOURS + 1)):
            other = self._order[(at + step) % size]
            if other.parent != sample.parent and other.id not in near:
                yield other


def _place(seed: int, id_: str) -> bytes:
    return hashlib.sha256(f"{seed}\0beside\0{id_}".encode()).digest()


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / max(len(a | b), 1)
