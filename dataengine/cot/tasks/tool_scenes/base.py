"""Base of families whose replies work on a picture with PIL programs: a scene holds the picture, the programs and the answer.

What programs work on is the sheet; what the question shows is the sheet at the size of a thumbnail, so that small print on it
cannot be read without one. Thoughts say only what the picture or the results so far show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from PIL import Image

from dataengine.cot.core import tools
from dataengine.cot.core.formats import IMAGE_MARK, Agentic, Step, box
from dataengine.cot.core.record import OBSERVATION, AnswerType, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.tool_scenes.wording_files import NOTES, SAME_SIZE_NOTES
from dataengine.cot.tasks.tree import Capability
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import ImageBlock

SIDE, SHOWN = 1536, 448
"""Pixels of the longer side of a sheet, and of what the question shows of it."""
Wordings = tuple[str, ...]
_MOST_SCENES = 4


@dataclass(frozen=True)
class Turn:
    """A thought in several wordings and the program that it leads to. ``prints``: what the program prints, known
    from the scene; "" where it gives a picture."""

    thoughts: Wordings
    code: str
    prints: str = ""


@dataclass(frozen=True)
class ToolScene:
    """``kind`` chooses the question's wordings; ``slots`` fill all of them. ``sheet`` is what programs work on, ``(H, W, 3)
    uint8``; ``reduced``: the question shows less of it."""

    kind: str
    answer: str
    answer_type: AnswerType
    sheet: Pixels
    turns: tuple[Turn, ...]
    closings: Wordings
    finals: Wordings
    slots: Mapping[str, str] = field(default_factory=dict)
    reduced: bool = True


Maker = Callable[[Draw], ToolScene]


@lru_cache(maxsize=_MOST_SCENES)
def _scene(maker: Maker, name: str, seed: int) -> ToolScene:
    return maker(Draw("scene", name, seed))


class WithTools(Task):
    """A family of scenes. The parameter ``scene`` is the seed, from which all else follows."""

    mode = "think_with_image"
    styles = ("agentic",)
    family = "canvas"
    basis = "constructed"
    answer_type = "word"

    def __init__(
        self, name: str, capability: Capability, maker: Maker, questions: Mapping[str, Wordings], share: float = 1.0
    ) -> None:
        self.name = name
        self.capability = capability  # type: ignore[misc]
        self.share = share  # type: ignore[misc]
        self.wordings = tuple(dict.fromkeys(one for some in questions.values() for one in some))
        self._maker, self._questions = maker, questions
        self._observed: tuple[CotInput, Params, list[Pixels]] | None = None

    def scene(self, params: Params) -> ToolScene:
        """Raises LookupError or ValueError where the parameters are not this family's."""
        return _scene(self._maker, self.name, int(params["scene"]))

    def type_of(self, params: Params) -> AnswerType:
        return self.scene(params).answer_type

    def tolerance(self, fact: str) -> float:
        return 0.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        return [{"scene": str(draw.below(1 << 52))}]

    def measure(self, params: Params, source: CotInput) -> Facts:
        return {"steps": 1.0 + len(self.scene(params).turns)}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        return self.scene(params).answer

    def canvas(self, params: Params, source: CotInput) -> Pixels:
        return self.scene(params).sheet

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        scene = self.scene(params)
        slots = {**scene.slots, "answer": answer, "box": box(answer)}
        question = f"{draw.choice(self._questions[scene.kind])} {_note(scene, draw)}".format(**slots)
        steps = tuple(
            Step(draw.choice(turn.thoughts).format(**slots), turn.code, turn.prints or IMAGE_MARK)
            for turn in scene.turns
        )
        reply = Agentic(steps, draw.choice(scene.closings).format(**slots), draw.choice(scene.finals).format(**slots))
        results = sum(not turn.prints for turn in scene.turns)
        seen = tuple(f"{OBSERVATION}{n + 1}" for n in range(results))
        return Exchange(question, reply, (ImageBlock(image=f"{OBSERVATION}0"),), seen)

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        """What was observed last is kept: a question is composed, then verified."""
        if self._observed is None or self._observed[0] is not source or self._observed[1] != params:
            scene, sheet = self.scene(params), self.canvas(params, source)
            outputs = [tools.run(turn.code, sheet) for turn in scene.turns if not turn.prints]
            shown = thumbnail(sheet) if scene.reduced else sheet
            self._observed = (source, dict(params), [shown, *(np.asarray(output) for output in outputs)])
        return list(self._observed[2])


def thumbnail(sheet: Pixels) -> Pixels:
    """``(H, W, 3)`` with a longer side of SHOWN."""
    return np.asarray(Image.fromarray(sheet).resize(_shown_size(sheet), Image.Resampling.BOX, reducing_gap=1.0))


def _shown_size(sheet: Pixels) -> tuple[int, int]:
    """Width and height of the thumbnail."""
    height, width = sheet.shape[:2]
    return max(1, round(width * SHOWN / max(width, height))), max(1, round(height * SHOWN / max(width, height)))


def _note(scene: ToolScene, draw: Draw) -> str:
    """What the question says of the file and its size."""
    height, width = scene.sheet.shape[:2]
    shown_width, shown_height = _shown_size(scene.sheet) if scene.reduced else (width, height)
    sizes = {"full": f"{width} × {height}", "shown": f"{shown_width} × {shown_height}"}
    return draw.choice(NOTES if scene.reduced else SAME_SIZE_NOTES).format(**sizes)
