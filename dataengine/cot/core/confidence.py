"""Step confidence: token log-probabilities by sentence of the reasoning (Keye-VL-1.5, arXiv 2509.01563, step 2)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from dataengine.models.serving.completion import TokenLogprob

SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?=\d)[^.!?\n]*)*[.!?]?")
_PLACES = 4


@dataclass(frozen=True)
class Confidence:
    """Mean and lowest (``lowest``) log-probability of all tokens, and of each sentence (a step). Rounded to four places, so
    that equal completions give equal bytes."""

    mean: float | None = None
    lowest: float | None = None
    step_means: tuple[float, ...] = ()
    step_lowest: tuple[float, ...] = ()


def confidence_of(text: str, tokens: Sequence[TokenLogprob]) -> Confidence:
    """Confidence of a completion from its tokens; without steps where they do not spell the text."""
    if not tokens:
        return Confidence()
    values = [t.logprob for t in tokens]
    whole = (_mean(values), round(min(values), _PLACES))
    joined = "".join(t.token for t in tokens)
    shift = joined.find(text)
    if not text or shift < 0:
        return Confidence(*whole)
    starts, at = [], -shift
    for token in tokens:
        starts.append(at)
        at += len(token.token)
    steps, stops = [], [*starts[1:], at]
    for begin, end in _sentences(text):
        if inside := values[bisect_right(stops, begin) : bisect_left(starts, end)]:
            steps.append(inside)
    return Confidence(*whole, tuple(map(_mean, steps)), tuple(round(min(s), _PLACES) for s in steps))


def combined(parts: Sequence[tuple[Confidence, int]]) -> Confidence:
    """Confidence of a text that came in several completions, each with its number of tokens."""
    weighted = [(s, max(n, 1)) for s, n in parts if s.mean is not None]
    if not weighted:
        return Confidence()
    mean = round(sum((s.mean or 0.0) * n for s, n in weighted) / sum(n for _, n in weighted), _PLACES)
    lowest = min(s.lowest for s, _ in weighted if s.lowest is not None)
    means = tuple(v for s, _ in weighted for v in s.step_means)
    return Confidence(mean, lowest, means, tuple(v for s, _ in weighted for v in s.step_lowest))


def _sentences(text: str) -> list[tuple[int, int]]:
    """Offsets of the sentences within ``<think>``, or of all where there is none."""
    begin = text.find("<think>") + len("<think>") if "<think>" in text else 0
    end = text.find("</think>") if "</think>" in text else len(text)
    matches = SENTENCE.finditer(text, begin, max(begin, end))
    return [match.span() for match in matches if any(map(str.isalnum, match[0]))]


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), _PLACES)
