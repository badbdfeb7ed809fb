"""Video tasks about single frames: when a still is shown, and which of six frames comes from another video."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from dataengine.cot.core import frame_sampling
from dataengine.cot.core.formats import IMAGE_MARK, Plain, Thinking, box, to_blocks
from dataengine.cot.core.measure import thumbnail
from dataengine.cot.core.record import OBSERVATION, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks import wording_video as w
from dataengine.cot.tasks.base import LETTERS, Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.rendered.words import joined
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import ImageBlock, TextBlock

_SAMPLED, _SIDE, _SHOWN = 32, 168, 6
_STILL = frame_sampling.KEYE[0]
_DIFFERENT = 8.0
"""Mean absolute difference, 0 to 255, of frames that are not taken for one another."""


class FindFrame(Task):
    """When a still is shown. Facts are the least difference of that frame from any other, and whether times are those shown."""

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
        return 3.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        shown = frame_sampling.parameters_of(_STILL, source.sampled(_STILL))
        count = len(shown["times"].split())
        if count < 8 or len(source.frames(count, _SIDE)[0]) != count:
            return Abstain("too few frames")
        return [{"frame": str(at)} | shown for at in draw.shuffled(range(count))[:4]]

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        if not frame_sampling.same_frames(params, source.sampled(_STILL)):
            return Abstain("other frames")
        at, frames = int(params["frame"]), self._frames(params, source)
        small = [thumbnail(frame, 32, 18) for frame in frames]
        others = [float(np.abs(small[at] - one).mean()) for n, one in enumerate(small) if n != at]
        return {"difference": round(min(others), 1)}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        enough = facts["difference"] >= _DIFFERENT * (1.0 if strict else 0.6)
        return f"{float(params['times'].split()[int(params['frame'])]):.1f}" if enough else Abstain("frames look alike")

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        slots = {"answer": answer, "box": box(answer)}
        video = frame_sampling.video_block(source_id, params)
        shown = (ImageBlock(image=f"{OBSERVATION}0"), TextBlock(text="\n"), video)
        question = "\n" + draw.choice(w.FRAME_QUESTIONS)
        if style == "non_thinking":
            return Exchange(question, Plain(draw.choice(w.FRAME_ANSWERS).format(**slots)), shown)
        reply = Thinking(draw.choice(w.FRAME_THINKS).format(**slots), draw.choice(w.FRAME_FINALS).format(**slots))
        return Exchange(question, reply, shown)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        return [self._frames(params, source)[int(params["frame"])]]

    def _frames(self, params: Params, source: CotInput) -> Pixels:
        return source.frames(len(params["times"].split()), _SIDE)[0]


class Stranger(Task):
    """Which of six frames is from another video. ``apart``: its least difference from the others; ``together``: the most that any
    two of the others differ."""

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
        return 3.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        count = len(source.frames(_SAMPLED, _SIDE)[0])
        if count < 2 * _SHOWN:
            return Abstain("too few frames")
        other = next(iter(source.partners))
        theirs = str(draw.below(len(source.partners[other].frames(_SAMPLED, _SIDE)[0])))
        return [
            {"answer": LETTERS[draw.below(_SHOWN)], "theirs": theirs, "others": other,
             "frames": ",".join(str(first + step * n) for n in range(_SHOWN - 1))}
            for step in (1, 2) for first in draw.shuffled(range(count - step * _SHOWN))[:3]
        ]  # fmt: skip

    def measure(self, params: Params, source: CotInput) -> Facts:
        small = [thumbnail(frame, 32, 18) for frame in self.observe(params, source)]
        odd = small.pop(LETTERS.index(params["answer"]))
        apart = min(float(np.abs(odd - one).mean()) for one in small)
        together = max(float(np.abs(a - b).mean()) for a, b in combinations(small, 2))
        return {"apart": round(apart, 1), "together": round(together, 1)}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        factor = 1.5 if strict else 1.2
        clear = facts["apart"] >= _DIFFERENT and facts["apart"] >= factor * facts["together"]
        return params["answer"] if clear else Abstain("not clearly another video")

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        letters = LETTERS[:_SHOWN]
        others = "Frames " + joined([letter for letter in letters if letter != answer])
        slots = {"answer": answer, "others": others, "box": box(answer)}
        shown = to_blocks(
            "\n".join(f"Frame {letter}: {IMAGE_MARK}" for letter in letters),
            [f"{OBSERVATION}{n}" for n in range(_SHOWN)],
        )
        question = "\n" + draw.choice(w.STRANGER_QUESTIONS)
        if style == "non_thinking":
            return Exchange(question, Plain(draw.choice(w.STRANGER_ANSWERS).format(**slots)), shown)
        reply = Thinking(draw.choice(w.STRANGER_THINKS).format(**slots), draw.choice(w.STRANGER_FINALS).format(**slots))
        return Exchange(question, reply, shown)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        own = source.frames(_SAMPLED, _SIDE)[0]
        frames = [own[int(n)] for n in params["frames"].split(",")]
        theirs = source.partners[params["others"]].frames(_SAMPLED, _SIDE)[0][int(params["theirs"])]
        frames.insert(LETTERS.index(params["answer"]), theirs)
        return frames
