"""Video matching task: which candidate clip comes from the same video as two others (Keye-VL, arXiv 2507.01949).

Clips are spans of a third of a video. Each is shown as a video of its own: some of its frames, which the record keeps, with their
times from the clip's start. Where in its video a clip lies, or in which, is not told. The source is known by construction; it is
asked only where colours tell it too, so that the reasoning can say that they do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from dataengine.cot.core import frame_sampling
from dataengine.cot.core.formats import Plain, Thinking, box
from dataengine.cot.core.record import OBSERVATION, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks import wording_video as w
from dataengine.cot.tasks.base import LETTERS, SEPARATOR, Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.colours import reduced, shares
from dataengine.cot.tasks.rendered.words import joined
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import Block, TextBlock, VideoBlock

DISTRACTORS = 3
"""Other videos that candidates are cut from."""
_THIRDS, _SAMPLED, _SHOWN, _SIDE = 3, 32, 4, 96
_CANDIDATES = LETTERS[: DISTRACTORS + 1]
_NAMES = ("Clip 1", "Clip 2", *(f"Candidate {letter}" for letter in _CANDIDATES))
_FACTOR, _LEAD = 1.3, 4.0
"""The next best differs by so many times as much as the right one, and so many points more."""
_TIMES = "clip_times"
"""Parameter with the times of each clip's frames, in the order in which clips are shown."""


@dataclass(frozen=True)
class _Clip:
    """``frames`` (F, H, W, 3) with their ``times`` in seconds from the first."""

    frames: Pixels
    times: tuple[float, ...]

    @property
    def shown(self) -> list[int]:
        """Places of the frames that a question shows, the first and the last among them."""
        return [n * (len(self.times) - 1) // (_SHOWN - 1) for n in range(_SHOWN)]

    @property
    def shown_times(self) -> tuple[float, ...]:
        return tuple(self.times[n] for n in self.shown)


class MatchClips(Task):
    """Facts are shares of the area, in per cent, whose colour name differs from the two clips', by candidate."""

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
        return 5.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        others = list(source.partners)[:DISTRACTORS]
        if any(len(one.frames(_SAMPLED, _SIDE)[0]) < _THIRDS * _SHOWN for one in _videos(others, source)):
            return Abstain("too few frames")
        return [self._option(source, others, own, draw) for own in draw.shuffled(range(_THIRDS))]

    def _option(self, source: CotInput, others: list[str], own: int, draw: Draw) -> Params:
        spans = [(source.id, own), *((other, draw.below(_THIRDS)) for other in others)]
        params = {"candidates": json.dumps(draw.shuffled(spans)), "others": SEPARATOR.join(others)}
        reference, candidates = _clips(params, source)
        times = [" ".join(f"{t:g}" for t in clip.shown_times) for clip in (*reference, *candidates.values())]
        return params | {_TIMES: SEPARATOR.join(times)}

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        reference, candidates = _clips(params, source)
        shown = (*reference, *candidates.values())
        if any(len(clip.times) < _SHOWN for clip in shown):
            return Abstain("too few frames")
        if any(b <= a for times in _times(params) for a, b in pairwise(times)):
            return Abstain("frames too close")
        if not all(
            frame_sampling.close(*times) for times in zip(_times(params), map(_shown_times, shown), strict=True)
        ):
            return Abstain("other frames")
        group = [_colours(clip.frames) for clip in reference]
        mean = {name: (group[0][name] + group[1][name]) / 2 for name in group[0]}
        return {letter: _apart(mean, _colours(clip.frames)) for letter, clip in candidates.items()}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        others = params["others"].split(SEPARATOR)
        [own] = [letter for letter, (id_, _) in _named(params).items() if id_ not in others]
        nearest = min(value for letter, value in facts.items() if letter != own)
        factor, lead = (_FACTOR, _LEAD) if strict else (1.0, 0.0)
        enough = nearest >= factor * facts[own] and nearest > facts[own] + lead
        return own if enough else Abstain("colours do not tell the clips apart")

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        others = joined([f"candidate {letter}" for letter in sorted(facts) if letter != answer])
        slots = {"letter": answer, "others": others, "box": box(answer)}
        question, shown = "\n" + draw.choice(w.MATCH_QUESTIONS), _shown_clips(params)
        if style == "non_thinking":
            return Exchange(question, Plain(draw.choice(w.MATCH_SHORT).format(**slots)), shown)
        reply = Thinking(draw.choice(w.MATCH_THINKS).format(**slots), draw.choice(w.MATCH_FINALS).format(**slots))
        return Exchange(question, reply, shown)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        reference, candidates = _clips(params, source)
        return [clip.frames[n] for clip in (*reference, *candidates.values()) for n in clip.shown]


def _shown_clips(params: Params) -> tuple[Block, ...]:
    """Each clip after its name, as a video whose frames are pictures of the record."""
    blocks: list[Block] = []
    for number, (name, times) in enumerate(zip(_NAMES, _times(params), strict=True)):
        first = f"{OBSERVATION}{number * _SHOWN}"
        video = VideoBlock(video=first, nframes=_SHOWN, times=times, kinds=(0,) * _SHOWN)
        blocks += [TextBlock(text=f"{'' if not number else chr(10)}{name}: "), video]
    return tuple(blocks)


def _times(params: Params) -> list[tuple[float, ...]]:
    """Of each clip. Raises ValueError."""
    return [tuple(map(float, times.split())) for times in params[_TIMES].split(SEPARATOR)]


def _shown_times(clip: _Clip) -> tuple[float, ...]:
    return clip.shown_times


def _named(params: Params) -> dict[str, tuple[str, int]]:
    """Video and third of each candidate."""
    spans = json.loads(params["candidates"])
    return {letter: (str(id_), int(third)) for letter, (id_, third) in zip(_CANDIDATES, spans, strict=True)}


def _videos(others: Iterable[str], source: CotInput) -> list[CotInput]:
    return [source, *(source.partners[other] for other in others)]


def _clips(params: Params, source: CotInput) -> tuple[list[_Clip], dict[str, _Clip]]:
    """The two reference clips, and the candidates."""
    named = _named(params)
    [own] = [third for id_, third in named.values() if id_ == source.id]
    videos = {source.id: source} | dict(source.partners)
    reference = [_third(source, third) for third in range(_THIRDS) if third != own]
    return reference, {letter: _third(videos[id_], third) for letter, (id_, third) in named.items()}


def _third(source: CotInput, third: int) -> _Clip:
    frames, times = source.frames(_SAMPLED, _SIDE)
    part = slice(third * len(frames) // _THIRDS, (third + 1) * len(frames) // _THIRDS)
    begun = times[part][0] if times[part] else 0.0
    return _Clip(frames[part], tuple(round(time - begun, 2) for time in times[part]))


def _colours(span: Pixels) -> Mapping[str, float]:
    """Mean shares of colours over three frames, in per cent."""
    frames = [shares(reduced(frame)) for frame in span[[0, len(span) // 2, -1]]]
    return {name: sum(one[name] for one in frames) / len(frames) for name in frames[0]}


def _apart(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    return round(sum(abs(a[name] - b[name]) for name in a) / 2, 1)
