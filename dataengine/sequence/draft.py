"""A document before it is tokenized: runs of text, ids and visual parts, each with its role and whether it is a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from dataengine.errors import InputError
from dataengine.media.video.sampling import SLOW
from dataengine.sequence.model import Role
from dataengine.tokenize.base import Codes, Grid, Timeline


@dataclass(frozen=True)
class Words:
    """Text. ``special``: names of special tokens in it are tokens (of a chat template), not plain text."""

    text: str
    role: Role = Role.TEXT
    loss: bool = True
    special: bool = False


@dataclass(frozen=True)
class Token:
    """One special token by what it is for, as ``end_of_text``."""

    purpose: str
    loss: bool = False


@dataclass(frozen=True)
class Visual:
    """A picture or video: its codes, or for continuous layouts its grid (t, h, w) in merged patches and the frames' timeline;
    ``member`` is the file in a shard that a vision encoder reads."""

    sample: str
    member: str
    codes: Codes | None
    grid: Grid
    timeline: Timeline | None = None
    video: bool = False
    loss: bool = True
    frames: tuple[str, ...] = ()
    """Members of the frames of a clip, of which each is a file of its own."""


def clip(frames: Sequence[Visual], times: Sequence[float]) -> Visual:
    """Pictures of one size as the frames of a video, shown at ``times``. Raises InputError for pictures of several sizes."""
    first, kinds, seconds = frames[0], (SLOW,) * len(frames), tuple(times)
    grids = {frame.codes.grid if frame.codes is not None else frame.grid for frame in frames}
    if len(grids) > 1 or len(frames) != len(seconds):
        raise InputError(
            "clip", f"the frames of a clip of {first.sample} are not of one size, or not as many as its times"
        )
    [(_, h, w)] = grids
    line, grid = Timeline(kinds, seconds, (h, w)), (len(frames), h, w)
    codes = None
    if first.codes is not None:
        codes = Codes(np.concatenate([f.codes.tokens for f in frames if f.codes is not None]), grid, line)
    members = tuple(frame.member for frame in frames)
    shown = (1, 1, 1) if codes is not None else grid
    timeline = None if codes is not None else line
    return replace(first, codes=codes, grid=shown, timeline=timeline, video=True, frames=members)


Run: TypeAlias = Words | Token | Visual


@dataclass(frozen=True)
class Draft:
    """A document: ``id`` of the sample, record or text, its runs, and how often it is to be used."""

    id: str
    runs: tuple[Run, ...]
    weight: float = 1.0

    @property
    def modality(self) -> str:
        """``video`` where there is any, else ``image`` where there is any, else ``text``."""
        kind = "text"
        for run in self.runs:
            if isinstance(run, Visual):
                if run.video:
                    return "video"
                kind = "image"
        return kind

    @property
    def empty(self) -> bool:
        """Whether nothing but special tokens is in it."""
        for run in self.runs:  # a loop: a generator would take longer than tokenizing some captions
            if isinstance(run, Words):
                if run.text and not run.text.isspace():
                    return False
            elif isinstance(run, Visual):
                return False
        return True
