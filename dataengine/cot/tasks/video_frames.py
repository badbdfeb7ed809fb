"""Video tasks about single frames: when a still is shown, and which of six frames comes from another video."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from dataengine.cot.core import frame_sampling
from dataengine.cot.core.formats import IMAGE_MARK, Plain, Thinking, box, to_blocks
from dataengine.cot.core.measure import thumbnail
from dataengine.cot.core.record import OBSERVATION, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks import wording_video as w
from dataengine.cot.tasks.base import LETTERS, Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.colours import leading, measured, reduced, shares, told_apart
from dataengine.cot.tasks.frame_order import changes, where
from dataengine.cot.tasks.one_size import SIDE, fits, one_size, size_for
from dataengine.cot.tasks.rendered.words import joined
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import ImageBlock, TextBlock

_SAMPLED, _SHOWN = 32, 6
_STILL = frame_sampling.KEYE[0]
_DIFFERENT = 8.0
"""Mean absolute difference, 0 to 255, of frames that are not taken for one another."""
_RUNS, _DRAWN = 3, 3
"""Runs of frames that are tried, and frames of each other video."""
_APART, _FACTOR, _LENIENT = 12.0, 2.0, 1.5
"""A stranger differs by at least so much, and by so many times what two of the others differ; when it is verified."""


class FindFrame(Task):
    """When a still is shown. Facts are the least difference of that frame from any other (``difference``) and from those before
    and after it (``neighbours``), and where it differs from these (``frame_order.changes``, A before, B itself, C after)."""

    name = "find_frame"
    mode = "video"
    kind = "video"
    styles = ("thinking", "non_thinking")
    family = "still"
    answer_type = "number"
    basis = "constructed"
    capability = "temporal grounding"
    wordings = w.FRAME_QUESTIONS

    def takes(self, source: CotInput) -> bool:
        return super().takes(source) and _STILL in source.samplings

    def tolerance(self, fact: str) -> float:
        return 8.0 if " " in fact else 3.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        shown = frame_sampling.parameters_of(_STILL, source.sampled(_STILL))
        count = len(shown["times"].split())
        if count < 8 or len(source.frames(count, SIDE)[0]) != count:
            return Abstain("too few frames")
        return [{"frame": str(at)} | shown for at in draw.shuffled(range(count))]

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        if not frame_sampling.same_frames(params, source.sampled(_STILL)):
            return Abstain("other frames")
        at, frames = int(params["frame"]), self._frames(params, source)
        small = [thumbnail(frame, 32, 18) for frame in frames]
        others = {n: _apart(small[at], one) for n, one in enumerate(small) if n != at}
        beside = [others[n] for n in (at - 1, at + 1) if n in others]
        known = {"difference": round(min(others.values()), 1), "neighbours": round(min(beside), 1)}
        places = range(max(at - 1, 0), min(at + 2, len(frames)))
        around = [frames[n % len(frames)] for n in (at - 1, at, at + 1)]
        return known | changes(around, [n - at + 1 for n in places])

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        times = [f"{float(time):.1f}" for time in params["times"].split()]
        answer = times[int(params["frame"])]
        if times.count(answer) > 1:
            return Abstain("two frames at one time")
        enough = facts["difference"] >= _DIFFERENT * (1.0 if strict else 0.6)
        return answer if enough else Abstain("frames look alike")

    def reasons(self, params: Params, facts: Facts) -> bool:
        return bool(_beside(params, facts))

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        slots = {"answer": answer, "box": box(answer)}
        video = frame_sampling.video_block(source_id, params)
        shown = (ImageBlock(image=f"{OBSERVATION}0"), TextBlock(text="\n"), video)
        question = "\n" + draw.choice(w.FRAME_QUESTIONS)
        if style == "non_thinking":
            return Exchange(question, Plain(draw.choice(w.FRAME_ANSWERS).format(**slots)), shown)
        think = draw.choice(w.FRAME_THINKS).format(beside=w.beside(_beside(params, facts), draw), **slots)
        reply = Thinking(think, draw.choice(w.FRAME_FINALS).format(**slots))
        return Exchange(question, reply, shown)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        return [self._frames(params, source)[int(params["frame"])]]

    def _frames(self, params: Params, source: CotInput) -> Pixels:
        return source.frames(len(params["times"].split()), SIDE)[0]


def _beside(params: Params, facts: Facts) -> list[tuple[str, str, str]]:
    """The frames before and after the one that is shown, with their times and where each differs most, if that is clear."""
    at, times = int(params["frame"]), [f"{float(time):.1f}" for time in params["times"].split()]
    sides = [("before", at - 1, "A", "B"), ("after", at + 1, "B", "C")]
    pairs = [one for one in sides if 0 <= one[1] < len(times)]
    return [(side, times[n], place) for side, n, a, b in pairs if (place := where(facts, a, b))]


class Stranger(Task):
    """Which of six frames is from another video, all cropped to one size. ``apart``: its least difference from the others;
    ``together``: the most that any two of the others differ; ``colours``: the least share of the area, in per cent, whose colour
    name differs from that of one of the others. The others are the colours of each frame, which the reasoning names
    (``colours.measured``)."""

    name = "odd_frame"
    mode = "video"
    kind = "video"
    styles = ("thinking", "non_thinking")
    family = "frames"
    answer_type = "choice"
    basis = "constructed"
    capability = "objects"
    needs = ("other samples",)
    wordings = w.STRANGER_QUESTIONS

    def takes(self, source: CotInput) -> bool:
        return super().takes(source) and bool(source.partners)

    def tolerance(self, fact: str) -> float:
        return 5.0 if fact == "colours" else 2.0 if " " in fact else 3.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        """Those with the stranger whose colours are nearest first."""
        own = source.frames(_SAMPLED, SIDE)[0]
        if len(own) < 2 * _SHOWN:
            return Abstain("too few frames")
        size = size_for(own)
        strangers = {
            (other, str(n)): _colours(one_size(frames[n], size))
            for other, video in source.partners.items()
            if fits(frames := video.frames(_SAMPLED, SIDE)[0], size)
            for n in draw.shuffled(range(len(frames)))[:_DRAWN]
        }
        if not strangers or not fits(own, size):
            return Abstain("too small")
        starts = [(first, step) for step in (1, 2) for first in range(len(own) - step * (_SHOWN - 2))]
        options: list[tuple[float, Params]] = []
        for first, step in draw.shuffled(starts)[:_RUNS]:
            run = [first + step * n for n in range(_SHOWN - 1)]
            known = [_colours(one_size(own[n], size)) for n in run]
            frames_shown = ",".join(map(str, run))
            for (other, theirs), colours in strangers.items():
                params = {
                    "answer": LETTERS[draw.below(_SHOWN)],
                    "frames": frames_shown,
                    "theirs": theirs,
                    "others": other,
                }
                options.append((_off(colours, known), params))
        return [params for _, params in sorted(options, key=itemgetter(0))]

    def measure(self, params: Params, source: CotInput) -> Facts:
        frames = self.observe(params, source)
        named = measured({letter: [frame] for letter, frame in zip(LETTERS, frames, strict=False)})
        odd = frames.pop(LETTERS.index(params["answer"]))
        small = [thumbnail(frame, 32, 18) for frame in frames]
        return named | {
            "apart": round(min(_apart(thumbnail(odd, 32, 18), one) for one in small), 1),
            "together": round(max(_apart(a, b) for a, b in combinations(small, 2)), 1),
            "colours": round(_off(_colours(odd), [_colours(frame) for frame in frames]), 1),
        }

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        least, factor = (_APART, _FACTOR) if strict else (_DIFFERENT, _LENIENT)
        clear = facts["apart"] >= least and facts["apart"] >= factor * facts["together"]
        return params["answer"] if clear else Abstain("not clearly another video")

    def reasons(self, params: Params, facts: Facts) -> bool:
        return told_apart(facts, _others(params["answer"]), params["answer"])

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        letters = LETTERS[:_SHOWN]
        slots = {"answer": answer, "box": box(answer)}
        shown = to_blocks(
            "\n".join(f"Frame {letter}: {IMAGE_MARK}" for letter in letters),
            [f"{OBSERVATION}{n}" for n in range(_SHOWN)],
        )
        question = "\n" + draw.choice(w.STRANGER_QUESTIONS)
        if style == "non_thinking":
            return Exchange(question, Plain(draw.choice(w.STRANGER_ANSWERS).format(**slots)), shown)
        rest = _others(answer)
        colours = {"own": joined(leading(facts, rest)), "theirs": joined(leading(facts, [answer]))}
        think = draw.choice(w.STRANGER_THINKS).format(others=w.named("frame", rest), **colours, **slots)
        think = w.sentences(think)
        return Exchange(question, Thinking(think, draw.choice(w.STRANGER_FINALS).format(**slots)), shown)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        own = source.frames(_SAMPLED, SIDE)[0]
        frames = [own[int(n)] for n in params["frames"].split(",")]
        theirs = source.partners[params["others"]].frames(_SAMPLED, SIDE)[0][int(params["theirs"])]
        frames.insert(LETTERS.index(params["answer"]), theirs)
        return [one_size(frame, size_for(own)) for frame in frames]


def _others(answer: str) -> list[str]:
    return [letter for letter in LETTERS[:_SHOWN] if letter != answer]


def _colours(frame: Pixels) -> Mapping[str, int]:
    return shares(reduced(frame))


def _off(colours: Mapping[str, int], known: Iterable[Mapping[str, int]]) -> float:
    """From the nearest known ones, in per cent of the area."""
    return min(sum(abs(colours[name] - one[name]) for name in one) / 2 for one in known)


def _apart(a: npt.NDArray[np.int32], b: npt.NDArray[np.int32]) -> float:
    return float(np.abs(a - b).mean())
