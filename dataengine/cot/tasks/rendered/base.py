"""Base of task families that draw their pictures: a scene made from the seed holds the answer, the steps to it and the picture.

The reasoning of a scene says only what its picture shows: what stands where, and what follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from dataengine.cot.core.formats import AutoPlain, AutoThinking, Plain, Reply, Thinking, box
from dataengine.cot.core.record import OBSERVATION, AnswerType, Mode, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.tree import Capability
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import ImageBlock

Sentence = tuple[str, ...]
"""A sentence in several wordings, of which one is drawn."""
STYLES: dict[Mode, Style] = {"thinking": "thinking", "non_thinking": "non_thinking", "auto_think": "auto"}
_EASY = (
    "One entry answers this, and it can be read off directly.",
    "A single look at the right place settles this; nothing has to be worked out.",
    "Nothing has to be combined here: the answer stands in one place.",
    "This only asks for something that can be seen at once.",
)
_HARD = (
    "This takes several steps, each building on the one before, so a quick answer could easily go wrong.",
    "More than one thing has to be read and then combined, which is better done step by step.",
    "The answer is not in one place: it has to be put together from several.",
    "There are a few steps between what is shown and the answer, and each can be missed.",
)


@dataclass(frozen=True)
class Scene:
    """``kind`` chooses the wordings, ``slots`` fill them; ``steps`` are sentences of visible reasoning; ``finals`` end in the
    answer's box, ``plain`` says the answer in a sentence ("" to give the bare answer). ``paint`` draws the picture; ``shown``
    is the text in it, where that is what the question is about."""

    kind: str
    answer: str
    answer_type: AnswerType
    paint: Callable[[], Pixels]
    slots: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Sentence, ...] = ()
    finals: Sentence = ("The answer is {box}",)
    plain: Sentence = ("{answer}",)
    shown: str = ""


@dataclass(frozen=True)
class Maker:
    """How a family makes a scene from a random stream, and its question templates by ``Scene.kind``."""

    capability: Capability
    make: Callable[[Draw], Scene]
    wordings: Mapping[str, tuple[str, ...]]


class Rendered(Task):
    """A family of one mode. The parameter ``scene`` is the seed of the picture, from which all else follows; ``steps`` is how
    many the answer takes. The picture shows nothing of the sample: the seed comes from its id, and the record
    shares its split."""

    family = "made"
    basis = "constructed"
    answer_type = "word"

    def __init__(self, name: str, mode: Mode, maker: Maker, share: float = 1.0) -> None:
        self.name = name
        self.mode = mode  # type: ignore[misc]
        self.styles = (STYLES[mode],)  # type: ignore[misc]
        self.capability = maker.capability  # type: ignore[misc]
        self.share = share  # type: ignore[misc]
        self.wordings = tuple(dict.fromkeys(one for some in maker.wordings.values() for one in some))
        self._maker = maker
        self._scene = lru_cache(maxsize=4)(lambda seed: maker.make(Draw("scene", name, seed)))

    def scene(self, params: Params) -> Scene:
        """Raises LookupError or ValueError where the parameters are not this family's."""
        return self._scene(int(params["scene"]))

    def type_of(self, params: Params) -> AnswerType:
        return self.scene(params).answer_type

    def tolerance(self, fact: str) -> float:
        return 0.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        params = {"scene": str(draw.below(1 << 52))}
        return [params | ({"shown": shown} if (shown := self.scene(params).shown) else {})]

    def measure(self, params: Params, source: CotInput) -> Facts:
        return {"steps": float(max(len(self.scene(params).steps), 1))}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        scene = self.scene(params)
        return scene.answer if params.get("shown", "") == scene.shown else Abstain("another text")

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        scene = self.scene(params)
        question = draw.choice(self._maker.wordings[scene.kind]).format(**scene.slots)
        return Exchange(question, reply_of(scene, answer, style, draw), (ImageBlock(image=f"{OBSERVATION}0"),))

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        return [self.scene(params).paint()]


def reply_of(scene: Scene, answer: str, style: Style, draw: Draw) -> Reply:
    """The reply of a style other than the agentic one. Auto-think thinks from two steps on."""
    slots = {**scene.slots, "answer": answer, "box": box(answer)}
    plain = draw.choice(scene.plain).format(**slots)
    if style == "non_thinking":
        return Plain(plain)
    if style == "auto" and len(scene.steps) < 2:
        return AutoPlain(draw.choice(_EASY), plain)
    think = thought(scene, draw)
    final = draw.choice(scene.finals).format(**slots)
    return AutoThinking(draw.choice(_HARD), think, final) if style == "auto" else Thinking(think, final)


def thought(scene: Scene, draw: Draw) -> str:
    """The steps as a text, each in a drawn wording."""
    return " ".join(draw.choice(step) for step in scene.steps)
