"""Video: how many shots a clip has, and the order of six shuffled frames (Keye-VL, arXiv 2507.01949, on frame re-ordering).

Shots are counted on all frames, but only asked where each shot shows in the frames that a trainer samples. Frames carry no
arrow of time, so the first one is given and the rest must follow from likeness: each next frame is by far the nearest.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, pairwise
from types import MappingProxyType

import numpy as np

from dataengine.cot.draw import Draw
from dataengine.cot.formats import Plain, Reply, Thinking, box
from dataengine.cot.measure import thumbnail
from dataengine.cot.modes import wording_video as w
from dataengine.cot.record import OBSERVATION, SAMPLE, Block, ImageBlock, Style, TextBlock, VideoBlock
from dataengine.cot.shots import LENIENT, STRICT, find_cuts
from dataengine.cot.source import CotInput
from dataengine.cot.task import LETTERS, Exchange, Facts, Params, Task, Unsure
from dataengine.media.pixels import Pixels

_ALL, _TINY_SIDE, _MOST_SECONDS = 1800, 36, 120.0
_SHOWN, _FRAME_SIDE, _TRIES = 6, 168, 24
_EDGE = 0.04


class CountShots(Task):
    """``nframes``: how many frames the trainer samples; the report uses every video at 16 and at 32."""

    mode = "video"
    kind = "video"
    styles = ("thinking", "non_thinking")
    family = "clip"
    answer_type = "number"
    tolerances = MappingProxyType({"cuts": 0.0, "seen": 0.0, "clear": 1.0})

    def __init__(self, nframes: int) -> None:
        self.name = f"count_shots_{nframes}"
        self._nframes = nframes

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        return [{"nframes": str(self._nframes)}]

    def measure(self, params: Params, source: CotInput) -> Facts | Unsure:
        duration = float(source.facts["duration"])
        if duration > _MOST_SECONDS:
            return Unsure("too long")
        frames, times = source.frames(_ALL, _TINY_SIDE)
        if len(frames) < int(params["nframes"]):
            return Unsure("too few frames")
        cuts = find_cuts(frames, STRICT)
        clear = not isinstance(cuts, Unsure)
        cuts = find_cuts(frames, LENIENT) if isinstance(cuts, Unsure) else cuts
        if isinstance(cuts, Unsure):
            return cuts
        at = [times[i] for i in cuts]
        sampled = (np.arange(int(params["nframes"])) + 0.5) * duration / int(params["nframes"])
        edges = [0.0, *at, duration]
        seen = [bool(np.any((sampled >= a + _EDGE) & (sampled <= b - _EDGE))) for a, b in pairwise(edges)]
        known = {"cuts": len(cuts), "seen": sum(seen), "clear": float(clear), "duration": round(duration, 1)}
        return known | {f"cut {i}": round(t, 1) for i, t in enumerate(at, 1)}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Unsure:
        if strict and not facts["clear"]:
            return Unsure("unclear cut")
        count = round(facts["cuts"]) + 1
        return str(count) if round(facts["seen"]) == count else Unsure("a shot between the frames")

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        times = [f"{facts[f'cut {i}']:.1f} s" for i in range(1, round(facts["cuts"]) + 1)]
        video = VideoBlock(video=SAMPLE + source_id, nframes=int(params["nframes"]))
        question = draw.choice(w.SHOT_QUESTIONS)
        said = draw.choice(w.ONE_SHOT if not times else w.SHOTS)
        if style == "non_thinking":
            return Exchange(question, Plain(said.format(n=answer)), (video,))
        think = " ".join([draw.choice(w.SHOT_OPENINGS), w.cuts(times, f"{facts['duration']:.1f} s", draw)])
        return Exchange(question, Thinking(think, w.final(said.format(n=answer), box(answer))), (video,))


class OrderFrames(Task):
    """Facts are mean absolute differences between frames (0 to 255), ``"A-B"`` and so on by the letters shown."""

    name = "order_frames"
    mode = "video"
    kind = "video"
    styles = ("thinking", "non_thinking")
    family = "frames"
    answer_type = "order"

    def tolerance(self, fact: str) -> float:
        return 1.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Unsure:
        count = len(source.frames(32, _FRAME_SIDE)[0])
        reach = (count - 1) // (_SHOWN - 1)
        spans = [(first, step) for step in range(1, reach + 1) for first in range(count - step * (_SHOWN - 1))]
        if not spans:
            return Unsure("too few frames")
        chosen = [
            draw.shuffled(range(first, first + step * _SHOWN, step)) for first, step in draw.shuffled(spans)[:_TRIES]
        ]
        return [{"nframes": "32", "frames": ",".join(map(str, places))} for places in chosen]

    def measure(self, params: Params, source: CotInput) -> Facts:
        small = [thumbnail(frame, 32, 18) for frame in self.observe(params, source)]
        pairs = combinations(range(_SHOWN), 2)
        return {f"{LETTERS[a]}-{LETTERS[b]}": round(float(np.abs(small[a] - small[b]).mean()), 1) for a, b in pairs}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Unsure:
        places = [int(i) for i in params["frames"].split(",")]
        order = [LETTERS[i] for i in np.argsort(places)]
        least, ratio, lead = (3.0, 1.2, 0.8) if strict else (2.0, 1.05, 0.2)
        for place, letter in enumerate(order[:-2]):
            (near, next_), (far, _) = w.nearest(facts, letter, order[place + 1 :])[:2]
            if next_ != order[place + 1] or near < least or far < max(ratio * near, near + lead):
                return Unsure("order not visible")
        return Unsure("order not visible") if w.between(facts, order[-2], order[-1]) < least else ", ".join(order)

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        order = answer.split(", ")
        question = draw.choice(w.ORDER_QUESTIONS).format(first=order[0])
        said = draw.choice(w.ORDERS)
        thought = f"{draw.choice(w.ORDER_OPENINGS).format(first=order[0])} {w.chain(facts, order, draw)}"
        reply: Reply = Plain(said.format(order=answer))
        if style == "thinking":
            reply = Thinking(thought, w.final(said.format(order=answer), box(answer)))
        return Exchange(question, reply, _frames())

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        frames, _ = source.frames(int(params["nframes"]), _FRAME_SIDE)
        return [frames[int(i)] for i in params["frames"].split(",")]


def _frames() -> tuple[Block, ...]:
    blocks: list[Block] = []
    for i in range(_SHOWN):
        blocks += [TextBlock(text=f"Frame {LETTERS[i]}:"), ImageBlock(image=f"{OBSERVATION}{i}")]
    return tuple(blocks)
