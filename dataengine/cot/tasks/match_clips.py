"""Video matching task: which candidate clip comes from the same video as two others (Keye-VL, arXiv 2507.01949).

Clips are spans of a third of a video, each seen in three frames. The source is known by construction; it is asked only where
colours tell it too, so that the reasoning can say that they do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import numpy as np

from dataengine.cot.core.formats import IMAGE_MARK, Plain, Thinking, box, to_blocks
from dataengine.cot.core.record import OBSERVATION, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks import wording_video as w
from dataengine.cot.tasks.base import LETTERS, SEPARATOR, Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.colours import reduced, shares
from dataengine.cot.tasks.rendered.words import joined
from dataengine.media.image.pixels import Pixels

DISTRACTORS = 3
"""Other videos that candidates are cut from."""
_THIRDS, _FRAMES, _SIDE = 3, 32, 96
_CANDIDATES = LETTERS[: DISTRACTORS + 1]
_FACTOR, _LEAD = 1.3, 4.0
"""The next best differs by so many times as much as the right one, and so many points more."""
_SHOWN = (
    f"Clip 1: {IMAGE_MARK}\nClip 2: {IMAGE_MARK}\n",
    "\n".join(f"Candidate {letter}: {IMAGE_MARK}" for letter in _CANDIDATES),
)


class MatchClips(Task):
    """Facts are shares of the area, in per cent, whose colour name differs from the two clips', by candidate."""

    name = "match_clips"
    mode = "video"
    kind = "video"
    styles = ("thinking", "non_thinking")
    family = "frames"
    answer_type = "choice"
    capability = "relations"
    needs = ("other samples",)
    wordings = w.MATCH_QUESTIONS

    def takes(self, source: CotInput) -> bool:
        return super().takes(source) and len(source.partners) >= DISTRACTORS

    def tolerance(self, fact: str) -> float:
        return 5.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        others = list(source.partners)[:DISTRACTORS]
        for own in draw.shuffled(range(_THIRDS)):
            spans = [(source.id, own), *((other, draw.below(_THIRDS)) for other in others)]
            yield {"candidates": json.dumps(draw.shuffled(spans)), "others": SEPARATOR.join(others)}

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        reference, candidates = _spans(params, source)
        if any(len(span) < 3 for span in (*reference, *candidates.values())):
            return Abstain("too few frames")
        group = [_colours(span) for span in reference]
        mean = {name: (group[0][name] + group[1][name]) / 2 for name in group[0]}
        return {letter: _apart(mean, _colours(span)) for letter, span in candidates.items()}

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
        question, shown = "\n" + draw.choice(w.MATCH_QUESTIONS), to_blocks("".join(_SHOWN), _pictures())
        if style == "non_thinking":
            return Exchange(question, Plain(draw.choice(w.MATCH_SHORT).format(**slots)), shown)
        reply = Thinking(draw.choice(w.MATCH_THINKS).format(**slots), draw.choice(w.MATCH_FINALS).format(**slots))
        return Exchange(question, reply, shown)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        reference, candidates = _spans(params, source)
        return [np.concatenate([*span[[0, len(span) // 2, -1]]], axis=1) for span in (*reference, *candidates.values())]


def _pictures() -> list[str]:
    return [f"{OBSERVATION}{i}" for i in range(2 + len(_CANDIDATES))]


def _named(params: Params) -> dict[str, tuple[str, int]]:
    """Video and third of each candidate."""
    spans = json.loads(params["candidates"])
    return {letter: (str(id_), int(third)) for letter, (id_, third) in zip(_CANDIDATES, spans, strict=True)}


def _spans(params: Params, source: CotInput) -> tuple[list[Pixels], dict[str, Pixels]]:
    """Frames ``(F, H, W, 3)`` of the two reference clips, and of the candidates."""
    named = _named(params)
    [own] = [third for id_, third in named.values() if id_ == source.id]
    videos = {source.id: source} | dict(source.partners)
    reference = [_third(source, third) for third in range(_THIRDS) if third != own]
    return reference, {letter: _third(videos[id_], third) for letter, (id_, third) in named.items()}


def _third(source: CotInput, third: int) -> Pixels:
    frames, _ = source.frames(_FRAMES, _SIDE)
    return frames[third * len(frames) // _THIRDS : (third + 1) * len(frames) // _THIRDS]


def _colours(span: Pixels) -> Mapping[str, float]:
    """Mean shares of colours over three frames, in per cent."""
    frames = [shares(reduced(frame)) for frame in span[[0, len(span) // 2, -1]]]
    return {name: sum(one[name] for one in frames) / len(frames) for name in frames[0]}


def _apart(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    return round(sum(abs(a[name] - b[name]) for name in a) / 2, 1)
