"""Chooses what a question may show or quote beside its own sample: captions of others as distractors, other videos as candidates.

Samples of one split and kind lie on a ring in the order of a hash of seed and id; a sample's candidates are the next ones on it,
so the choice does not depend on the order of arrival and a new sample changes only its neighbours' questions. Never chosen:
another cut of the same video, a video that may be a piece of the same one (``origins``), a near-duplicate by any edge, a caption
that shares many words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dataengine.cot.core.source_qa import Distractor
from dataengine.cot.tasks.composed.beside import DOZENS
from dataengine.cot.tasks.match_clips import DISTRACTORS

REACH = 64
"""Samples looked at after one."""
SHEET_EVERY = 8
_SIMILAR = 0.5
"""Captions that share so many of their words (Jaccard) say much the same."""
_MIN_WORDS = 3


@dataclass(frozen=True)
class Sample:
    """A sample as those before it on the ring see it. ``parent``: the video that a clip is cut from, else its own id; ``near``:
    its near-duplicates; ``origins``: signs of what a video is a piece of."""

    id: str
    parent: str
    captions: tuple[str, ...]
    near: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Arc:
    """Samples in the order of the ring. ``closed``: it is the whole ring, so that the first follows the last; else the last
    REACH samples are there to be seen only."""

    samples: Sequence[Sample]
    closed: bool = True

    def distractors(self, at: int, count: int) -> list[Distractor]:
        """A caption each of ``count`` samples after the one at ``at``, or of as many as there are."""
        sample = self.samples[at]
        chosen: list[Distractor] = []
        word_sets = [_words(c) for c in sample.captions]
        for other in self._after(at) if count and sample.captions else ():
            caption = next((c for c in other.captions if len(c.split()) >= _MIN_WORDS), None)
            if caption is None:
                continue
            words = _words(caption)
            if all(_jaccard(words, known) < _SIMILAR for known in word_sets):
                chosen.append(Distractor(other.id, caption))
                word_sets.append(words)
            if len(chosen) == count:
                break
        return chosen

    def partners(self, at: int, count: int) -> list[str]:
        """Ids of ``count`` samples after the one at ``at``; none where there are fewer."""
        ids = [other.id for other in islice(self._after(at), count)]
        return ids if len(ids) == count else []

    def _after(self, at: int) -> Iterator[Sample]:
        sample, size = self.samples[at], len(self.samples)
        last = size - 1 if self.closed else size - 1 - at
        for step in range(1, min(last, REACH) + 1):
            other = self.samples[(at + step) % size]
            if other.parent != sample.parent and other.id not in sample.near and not other.origins & sample.origins:
                yield other


def ring_position(seed: int, id_: str) -> str:
    """Where a sample lies on its ring: hex digits, uniform whatever the samples are."""
    return hashlib.sha256(f"{seed}\0beside\0{id_}".encode()).hexdigest()


def partner_count(kind: str, position: str) -> int:
    """How many others a sample at this place of its ring gets: a video always those that its clips are matched with, a picture in
    one of ``SHEET_EVERY`` cases those of a sheet."""
    if kind == "video":
        return DISTRACTORS
    return DOZENS if int(position[-8:], 16) % SHEET_EVERY == 0 else 0


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / max(len(a | b), 1)
