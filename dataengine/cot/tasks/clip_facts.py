"""Video tasks: when the first cut comes, as far as the frames tell, and what has changed from the first frame to the last."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from dataengine.cot.core import frame_sampling
from dataengine.cot.core.formats import Plain, Thinking, box
from dataengine.cot.core.measure import QUALITIES, mean
from dataengine.cot.core.record import Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks import wording_video as w
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, PixelTask
from dataengine.cot.tasks.video import CountShots, around

_FRAMES, _SIDE = 32, 168
_MARGIN = 2.0
"""In margins of the quality: two frames are a narrower look than two parts."""
_LATE = 0.1
"""Seconds by which a cut may be rounded."""

_CHANGE_QUESTIONS = (
    "Is the last frame of this video {more} than its first one, on average?",
    "Taken as a whole, is the picture at the end of this clip {more} than at its start?",
    "Compare the first frame of the video with the last one: is the last one {more} on average?",
)
_CHANGE_THINKS = (
    "I compare the {noun} of the two frames, where {scale}: {first} in the first, {last} in the last.",
    "What counts is {noun} ({scale}). The first frame has {first} and the last {last}.",
)
_CHANGE_FINALS = {
    "yes": ("Yes, it is {more} at the end: {box}", "The last frame is indeed {more}: {box}"),
    "no": ("No, it is not {more} at the end: {box}", "The last frame is not {more}: {box}"),
}
_CHANGE_ANSWERS = {"yes": ("Yes.", "Yes, it is."), "no": ("No.", "No, it is not.")}


class CutTime(CountShots):
    """When the first cut comes."""

    capability = "temporal grounding"
    wordings = w.CUT_QUESTIONS

    def __init__(self) -> None:
        super().__init__("")
        self.name = "cut_time"

    def _samplings(self, source: CotInput) -> list[str]:
        return list(source.samplings)

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        return [
            frame_sampling.parameters_of(one, source.sampled(one)) for one in draw.shuffled(self._samplings(source))
        ]

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        if "cut 1" not in facts:
            return Abstain("no cut")
        if strict and not facts["clear"]:
            return Abstain("unclear cut")
        before, after = (float(time) for time in around(params, facts["cut 1"]))
        margin = 0.1 if strict else 0.0
        whole = int(before)
        clear = before < facts["cut 1"] + _LATE and whole + margin <= before and after <= whole + 1 - margin
        return str(whole) if clear else Abstain("between two seconds")

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        video = (frame_sampling.video_block(source_id, params),)
        before, after = around(params, facts["cut 1"])
        seconds = "second" if answer == "1" else "seconds"
        slots = {"n": answer, "seconds": seconds, "before": before, "after": after, "box": box(answer)}
        question = draw.choice(w.CUT_QUESTIONS)
        if style == "non_thinking":
            return Exchange(question, Plain(draw.choice(w.CUT_ANSWERS).format(**slots)), video)
        reply = Thinking(draw.choice(w.CUT_THINKS).format(**slots), draw.choice(w.CUT_FINALS).format(**slots))
        return Exchange(question, reply, video)


class Change(PixelTask):
    """Means over the first and the last of evenly spaced frames."""

    name = "change"
    mode = "video"
    kind = "video"
    styles = ("thinking", "non_thinking")
    family = "clip"
    answer_type = "word"
    tolerances = MappingProxyType({"first": 3.0, "last": 3.0})

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        if len(source.frames(_FRAMES, _SIDE)[0]) < 2:
            return Abstain("too few frames")
        sampling = draw.choice(source.samplings)
        shown = frame_sampling.parameters_of(sampling, source.sampled(sampling))
        return [{"quality": quality} | shown for quality in draw.shuffled(sorted(QUALITIES))]

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        if not frame_sampling.same_frames(params, source.sampled(params["sampling"])):
            return Abstain("other frames")
        frames, _ = source.frames(_FRAMES, _SIDE)
        return {name: mean(params["quality"], frames[at]) for name, at in (("first", 0), ("last", -1))}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        gap = facts["last"] - facts["first"]
        if abs(gap) < QUALITIES[params["quality"]].margin * (_MARGIN if strict else 0.5 * _MARGIN):
            return Abstain("too close")
        return "yes" if gap > 0 else "no"

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        quality, video = QUALITIES[params["quality"]], (frame_sampling.video_block(source_id, params),)
        slots = {"noun": quality.noun, "scale": quality.scale, "more": quality.more, "box": box(answer)}
        slots |= {name: str(round(value)) for name, value in facts.items()}
        question = draw.choice(_CHANGE_QUESTIONS).format(**slots)
        if style == "non_thinking":
            return Exchange(question, Plain(draw.choice(_CHANGE_ANSWERS[answer])), video)
        reply = Thinking(
            draw.choice(_CHANGE_THINKS).format(**slots), draw.choice(_CHANGE_FINALS[answer]).format(**slots)
        )
        return Exchange(question, reply, video)
