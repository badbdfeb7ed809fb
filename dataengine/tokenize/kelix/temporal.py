"""The video variant: consecutive frames of one kind share their tokens, by an average before the codebooks."""

from __future__ import annotations

from collections.abc import Sequence

from dataengine.tokenize.base import Timeline


def groups(kinds: Sequence[int], most: int) -> list[list[int]]:
    """Indices of frames that are merged: consecutive ones of one kind, at most ``most`` together."""
    merged: list[list[int]] = []
    for i, kind in enumerate(kinds):
        if not merged or len(merged[-1]) == most or kinds[merged[-1][0]] != kind:
            merged.append([])
        merged[-1].append(i)
    return merged


def timeline_of(timeline: Timeline, most: int) -> Timeline:
    """Kinds and times of merged frames: those of the first of each group."""
    first = [group[0] for group in groups(timeline.kinds, most)]
    return Timeline(tuple(timeline.kinds[i] for i in first), tuple(timeline.times[i] for i in first), timeline.fast)
