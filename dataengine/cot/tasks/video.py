"""Video tasks: counting shots, and re-ordering six shuffled frames (Keye-VL, arXiv 2507.01949).

Shots are counted on all frames, but only asked where each shot shows in the frames that a trainer samples. Frames carry no
arrow of time, so the first one is given and the rest must follow from likeness: each next frame is by far the nearest. There is
reasoning where most steps change the picture in one part of it, which can then be named.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from dataengine.cot.core import frame_sampling
from dataengine.cot.core.formats import IMAGE_MARK, Plain, Thinking, box, to_blocks
from dataengine.cot.core.record import OBSERVATION, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks import wording_video as w
from dataengine.cot.tasks.base import LETTERS, Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.frame_order import changes, differences, follows, nearest, shuffles, where
from dataengine.cot.tasks.shots import EDGE, LENIENT, STRICT, find_cuts, shots_seen
from dataengine.cot.tasks.tree import Capability
from dataengine.media.image.pixels import Pixels

_ALL, _TINY_SIDE, _MOST_SECONDS = 1800, 36, 120.0
_SINGLE = 6
"""One in so many videos of a single shot is asked about, so that the answer is not 1 nearly always."""
_SAMPLED, _SHOWN, _FRAME_SIDE, _TRIES = 32, 6, 168, 24
_FRAMES = "\n".join(f"Frame {letter}: {IMAGE_MARK}" for letter in LETTERS[:_SHOWN])
_IMAGES = [f"{OBSERVATION}{i}" for i in range(_SHOWN)]


class CountShots(Task):
    """``frames``: which a trainer samples, so many evenly spaced ones or those of Slow-Fast; the report uses every video at 16
    and at 32."""

    mode = "video"
    kind = "video"
    styles = ("thinking", "non_thinking")
    family = "clip"
    answer_type = "number"
    capability: ClassVar[Capability] = "video events"
    wordings = w.SHOT_QUESTIONS
    tolerances = MappingProxyType({"cuts": 0.0, "seen": 0.0, "clear": 1.0})

    def __init__(self, frames: int | str) -> None:
        self.name = f"count_shots_{frames}".replace("-", "_")
        self._sampling = frames if isinstance(frames, str) else f"even {frames}"

    def takes(self, source: CotInput) -> bool:
        cut_at_shots = bool(source.facts.get("clip"))
        return super().takes(source) and not cut_at_shots and any(self._samplings(source))

    def _samplings(self, source: CotInput) -> list[str]:
        return [sampling for sampling in source.samplings if f"{sampling} ".startswith(f"{self._sampling} ")]

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        some = {"shots": "several"} if draw.below(_SINGLE) else {}
        return [some | frame_sampling.parameters_of(one, source.sampled(one)) for one in self._samplings(source)]

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        duration = float(source.facts["duration"])
        if duration > _MOST_SECONDS:
            return Abstain("too long")
        frames, times = source.frames(_ALL, _TINY_SIDE)
        name, _, count = params["sampling"].partition(" ")
        if name == frame_sampling.EVEN and len(frames) < int(count):
            return Abstain("too few frames")
        if not frame_sampling.same_frames(params, source.sampled(params["sampling"])):
            return Abstain("other frames")
        cuts, clear = find_cuts(frames, STRICT), 1.0
        if isinstance(cuts, Abstain):
            cuts, clear = find_cuts(frames, LENIENT), 0.0
        if isinstance(cuts, Abstain):
            return cuts
        at = [times[i] for i in cuts]
        seen = shots_seen(at, duration, _sampled(params, duration))
        known = {"cuts": len(cuts), "seen": seen, "clear": clear, "duration": round(duration, 1)}
        return known | {f"cut {i}": round(t, 1) for i, t in enumerate(at, 1)}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        if strict and not facts["clear"]:
            return Abstain("unclear cut")
        count = round(facts["cuts"]) + 1
        if count == 1 and params.get("shots") == "several":
            return Abstain("one shot, as most videos have")
        return str(count) if round(facts["seen"]) == count else Abstain("a shot between the frames")

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        gaps = [around(params, facts[f"cut {i}"]) for i in range(1, round(facts["cuts"]) + 1)]
        video = frame_sampling.video_block(source_id, params)
        question = draw.choice(w.SHOT_QUESTIONS)
        if style == "non_thinking":
            template = draw.choice(w.SHOTS if gaps else w.ONE_SHOT)
            return Exchange(question, Plain(template.format(n=answer)), (video,))
        last = params["times"].split()[-1]
        think = f"{draw.choice(w.SHOT_OPENINGS)} {w.cuts(gaps, last, draw)}"
        final = draw.choice(w.SHOT_FINALS[not gaps]).format(box=box(answer))
        return Exchange(question, Thinking(think, final), (video,))


def around(params: Params, time: float) -> tuple[str, str]:
    """Times of the last frame shown before a cut and of the first one after it, as they stand in the parameters."""
    shown = params["times"].split()
    after = next((n for n, one in enumerate(shown) if float(one) > time - EDGE), len(shown) - 1)
    return shown[max(after - 1, 0)], shown[after]


def _sampled(params: Params, duration: float) -> npt.NDArray[np.float64]:
    """Seconds at which frames are sampled; those of Slow-Fast a little after they begin to be shown."""
    name, _, count = params["sampling"].partition(" ")
    if name == frame_sampling.EVEN:
        return (np.arange(int(count)) + 0.5) * duration / int(count)
    return np.array(frame_sampling.frames_of(params).times) + EDGE


class OrderFrames(Task):
    """Facts are mean absolute differences between frames (0 to 255), ``"A-B"`` and so on by the letters shown, and where each
    step in time changes the picture (``frame_order.changes``)."""

    name = "order_frames"
    mode = "video"
    kind = "video"
    styles = ("thinking", "non_thinking")
    family = "frames"
    answer_type = "order"
    capability = "order"
    wordings = w.ORDER_QUESTIONS

    def tolerance(self, fact: str) -> float:
        return 8.0 if " " in fact else 1.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        frames = source.frames(_SAMPLED, _FRAME_SIDE)[0]
        if len(frames) < 2 * _SHOWN:
            return Abstain("too few frames")
        chosen = shuffles(frames, _SHOWN, draw)
        if not chosen:
            return Abstain("order not visible")
        return [{"nframes": str(_SAMPLED), "frames": ",".join(map(str, places))} for places in chosen[:_TRIES]]

    def measure(self, params: Params, source: CotInput) -> Facts:
        frames = self.observe(params, source)
        return differences(frames) | changes(frames, _order(params))

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        order = [LETTERS[i] for i in _order(params)]
        return ", ".join(order) if follows(facts, order, strict) else Abstain("order not visible")

    def reasons(self, params: Params, facts: Facts) -> bool:
        steps = list(pairwise(LETTERS[i] for i in _order(params)))[:-1]
        return sum(bool(where(facts, a, b)) for a, b in steps) >= len(steps) / 2

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        order = answer.split(", ")
        question = "\n" + draw.choice(w.ORDER_QUESTIONS).format(first=order[0])
        if style == "non_thinking":
            return Exchange(question, Plain(draw.choice(w.ORDERS).format(order=answer)), to_blocks(_FRAMES, _IMAGES))
        think = f"{draw.choice(w.ORDER_OPENINGS).format(first=order[0])} {_chain(facts, order, draw)}"
        final = draw.choice(w.ORDER_FINALS).format(box=box(answer))
        return Exchange(question, Thinking(think, final), to_blocks(_FRAMES, _IMAGES))

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        frames, _ = source.frames(int(params["nframes"]), _FRAME_SIDE)
        return [frames[int(i)] for i in params["frames"].split(",")]


def _order(params: Params) -> list[int]:
    """Places of the letters shown, in the order of time."""
    return [int(i) for i in np.argsort([int(i) for i in params["frames"].split(",")])]


def _chain(facts: Facts, order: list[str], draw: Draw) -> str:
    links = [
        (here, order[at + 1], nearest(facts, here, order[at + 1 :])[1][1], where(facts, here, order[at + 1]))
        for at, here in enumerate(order[:-2])
    ]
    return w.chain(links, order[-1], draw)
