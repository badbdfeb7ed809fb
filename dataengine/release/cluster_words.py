"""Names clusters by words that their captions have more often than those of the other clusters."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files

_WORD = re.compile(r"[^\W\d_]{3,30}")
_MOST = 4


def cluster_words(captions: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, list[str]]:
    """At most four words for each cluster, from the captions of some samples of each; none where they have no words. A word
    scores by its share among the cluster's samples times the logarithm of how much larger that is than among all clusters'."""
    common = frozenset(files("dataengine.release").joinpath("common_words.txt").read_text().split())
    words = {name: [_words(texts) - common for texts in samples] for name, samples in captions.items()}
    shares = {name: _shares(samples) for name, samples in words.items()}
    every = _shares([some for samples in words.values() for some in samples])
    named = {}
    for name, share in shares.items():
        scored = {word: part * math.log(1 + part / every[word]) for word, part in share.items()}
        named[name] = sorted(scored, key=lambda word: (-scored[word], word))[:_MOST]
    return named


def _words(texts: Sequence[str]) -> set[str]:
    return {word for text in texts for word in _WORD.findall(text.lower())}


def _shares(samples: Sequence[set[str]]) -> dict[str, float]:
    counts = Counter(word for words in samples for word in sorted(words))
    return {word: n / len(samples) for word, n in counts.items()}
