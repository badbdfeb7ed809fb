"""Video matching task: which candidate clip comes from the same video as two others (Keye-VL, arXiv 2507.01949).

A clip is the beginning of a third of a video, shown as a video of its own: some frames, which the record keeps. All clips of a
question have frames at the same times and of one size, so neither tells which belong together. The source is known by
construction; it is asked only where colours tell it too, frame by frame, so that the reasoning can say that they do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from dataengine.cot.core import frame_sampling
from dataengine.cot.core.formats import Plain, Thinking, box
from dataengine.cot.core.record import OBSERVATION, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks import wording_video as w
from dataengine.cot.tasks.base import LETTERS, SEPARATOR, Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.colours import leading, measured, reduced, shares, told_apart
from dataengine.cot.tasks.one_size import SIDE, fits, one_size, size_for
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import Block, TextBlock, VideoBlock

DISTRACTORS = 3
"""Other videos that candidates are cut from."""
_THIRDS, _SHOWN, _DRAWS = 3, 4, 2
_STEPS = (0.5, 0.4, 0.3, 0.25, 0.2)
"""Seconds from one frame of a clip to the next; the longest that fits into a third of each video is taken."""
_FRAME = 0.04
"""Seconds that are left at the end of a third, so that its last frame is not the first of the next."""
_CANDIDATES = LETTERS[: DISTRACTORS + 1]
_NAMES = ("Clip 1", "Clip 2", *(f"Candidate {letter}" for letter in _CANDIDATES))
_NEAR, _FAR, _FACTOR, _LEAD = 25.0, 30.0, 2.0, 15.0
"""The farthest frame of the right clip differs by so much at most; the nearest frame of another video by so much at least, by so
many times as much, and by so many points more."""
_BOTH = 12.0
"""The nearest frames of clip 1 and the right clip, and of clip 2 and the right clip, differ by so much at most."""
_REFERENCE = ("clip 1", "clip 2")
_TIMES = "clip_times"
"""Parameter with the times of the frames of each clip, from its first."""
_Colours = Mapping[str, int]


class MatchClips(Task):
    """Facts, by candidate, are shares of the area, in per cent, whose colour name differs from that of a frame of clips 1 and 2,
    always the nearest: of another video's clip, for its nearest frame; of the right clip, for its farthest. ``clip 1`` and
    ``clip 2``: the same for the frame of each that is nearest to a frame of the right clip. The others are the colours of each
    clip, which the reasoning names (``colours.measured``)."""

    name = "match_clips"
    mode = "video"
    kind = "video"
    styles = ("thinking", "non_thinking")
    family = "clips"
    answer_type = "choice"
    capability = "relations"
    needs = ("other samples",)
    wordings = w.MATCH_QUESTIONS

    def takes(self, source: CotInput) -> bool:
        return super().takes(source) and len(source.partners) >= DISTRACTORS

    def tolerance(self, fact: str) -> float:
        return 5.0 if fact in (*_CANDIDATES, *_REFERENCE) else 2.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        others = list(source.partners)[:DISTRACTORS]
        grid = _grid(_videos(others, source))
        if not grid:
            return Abstain("too short")
        named = {"others": SEPARATOR.join(others), _TIMES: " ".join(f"{time:g}" for time in grid)}
        thirds = [own for _ in range(_DRAWS) for own in draw.shuffled(range(_THIRDS))]
        spans = ([(source.id, own), *((other, draw.below(_THIRDS)) for other in others)] for own in thirds)
        return [{"candidates": json.dumps(draw.shuffled(some))} | named for some in spans]

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        videos = _videos(params["others"].split(SEPARATOR), source)
        grid = _times(params)
        if grid != _grid(videos):
            return Abstain("other frames")
        if not all(_true(video, grid) for video in videos):
            return Abstain("too few frames")
        size = size_for(_frames(source, grid)[0])
        if not all(fits(_frames(video, grid)[0], size) for video in videos):
            return Abstain("too small")
        reference, candidates = _clips(params, source)
        known = [_colours(frame) for clip in reference for frame in clip]
        own = _right(params)
        apart = {letter: _apart(known, map(_colours, clip), letter == own) for letter, clip in candidates.items()}
        right = [_colours(frame) for frame in candidates[own]]
        named = dict(zip(_REFERENCE, reference, strict=True))
        both = {name: _apart(right, map(_colours, clip), False) for name, clip in named.items()}
        return apart | both | measured(named | candidates)

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        own = _right(params)
        nearest = min(facts[letter] for letter in _CANDIDATES if letter != own)
        slack, factor, lead = (0.0, _FACTOR, _LEAD) if strict else (self.tolerance(own), 1.0, 0.0)
        near = facts[own] <= _NEAR + slack and all(facts[name] <= _BOTH + slack for name in _REFERENCE)
        clear = near and nearest >= _FAR - slack and nearest >= factor * facts[own] and nearest > facts[own] + lead
        return own if clear else Abstain("colours do not tell the clips apart")

    def reasons(self, params: Params, facts: Facts) -> bool:
        own = _right(params)
        others = [letter for letter in _CANDIDATES if letter != own]
        return all(told_apart(facts, [*_REFERENCE, own], other) for other in others)

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        slots = {"letter": answer, "box": box(answer)}
        question, shown = "\n" + draw.choice(w.MATCH_QUESTIONS), _shown_clips(params)
        if style == "non_thinking":
            return Exchange(question, Plain(draw.choice(w.MATCH_SHORT).format(**slots)), shown)
        colours = {letter: leading(facts, [letter]) for letter in _CANDIDATES if letter != answer}
        think = w.matched(answer, leading(facts, [*_REFERENCE, answer]), colours, draw)
        return Exchange(question, Thinking(think, draw.choice(w.MATCH_FINALS).format(**slots)), shown)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        reference, candidates = _clips(params, source)
        return [frame for clip in (*reference, *candidates.values()) for frame in clip]


def _shown_clips(params: Params) -> tuple[Block, ...]:
    """Each clip after its name, as a video whose frames are pictures of the record."""
    blocks: list[Block] = []
    for number, name in enumerate(_NAMES):
        first = f"{OBSERVATION}{number * _SHOWN}"
        video = VideoBlock(video=first, nframes=_SHOWN, times=_times(params), kinds=(0,) * _SHOWN)
        blocks += [TextBlock(text=f"{'' if not number else chr(10)}{name}: "), video]
    return tuple(blocks)


def _times(params: Params) -> tuple[float, ...]:
    """Raises ValueError."""
    return tuple(map(float, params[_TIMES].split()))


def _grid(videos: Sequence[CotInput]) -> tuple[float, ...]:
    """Times of the frames of each clip, in seconds; none where a third of the shortest video is too short."""
    shortest = min(float(video.facts["duration"]) for video in videos) / _THIRDS
    step = next((step for step in _STEPS if (_SHOWN - 1) * step <= shortest - _FRAME), None)
    return tuple(round(n * step, 2) for n in range(_SHOWN)) if step else ()


def _true(video: CotInput, grid: tuple[float, ...]) -> bool:
    """Whether a video has frames at these times of each third, each time another one."""
    times = _frames(video, grid)[1]
    clips = [times[third * _SHOWN : (third + 1) * _SHOWN] for third in range(_THIRDS)]
    rising = all(a < b for a, b in pairwise(times))
    return rising and all(frame_sampling.close(grid, [time - clip[0] for time in clip]) for clip in clips)


def _named(params: Params) -> dict[str, tuple[str, int]]:
    """Video and third of each candidate."""
    spans = json.loads(params["candidates"])
    return {letter: (str(id_), int(third)) for letter, (id_, third) in zip(_CANDIDATES, spans, strict=True)}


def _right(params: Params) -> str:
    others = params["others"].split(SEPARATOR)
    [own] = [letter for letter, (id_, _) in _named(params).items() if id_ not in others]
    return own


def _videos(others: Iterable[str], source: CotInput) -> list[CotInput]:
    return [source, *(source.partners[other] for other in others)]


def _clips(params: Params, source: CotInput) -> tuple[list[list[Pixels]], dict[str, list[Pixels]]]:
    """The frames of the two reference clips, and of the candidates, all of one size."""
    grid, candidates = _times(params), _named(params)
    size = size_for(_frames(source, grid)[0])
    shown = candidates[_right(params)][1]
    videos = {source.id: source} | dict(source.partners)

    def clip(video: CotInput, third: int) -> list[Pixels]:
        frames, _ = _frames(video, grid)
        return [one_size(frame, size) for frame in frames[third * _SHOWN : (third + 1) * _SHOWN]]

    reference = [clip(source, third) for third in range(_THIRDS) if third != shown]
    return reference, {letter: clip(videos[id_], third) for letter, (id_, third) in candidates.items()}


def _frames(video: CotInput, grid: tuple[float, ...]) -> tuple[Pixels, list[float]]:
    """Those nearest to the times of each third, one third after the other, and their own times."""
    starts = [third * float(video.facts["duration"]) / _THIRDS for third in range(_THIRDS)]
    return video.frames_near(tuple(round(start + time, 3) for start in starts for time in grid), SIDE)


def _colours(frame: Pixels) -> _Colours:
    return shares(reduced(frame))


def _apart(known: Sequence[_Colours], clip: Iterator[_Colours], farthest: bool) -> float:
    """How far the nearest of the frames of a clip, or the ``farthest``, is from the nearest known one."""
    apart = [min(sum(abs(a[name] - b[name]) for name in a) / 2 for b in known) for a in clip]
    return round((max if farthest else min)(apart), 1)
