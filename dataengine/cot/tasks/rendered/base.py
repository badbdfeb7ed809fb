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
from dataengine.cot.tasks.rendered.effort import Effort, Sentence
from dataengine.cot.tasks.tree import Capability
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import ImageBlock

STYLES: dict[Mode, Style] = {"thinking": "thinking", "non_thinking": "non_thinking", "auto_think": "auto"}


@dataclass(frozen=True)
class Scene:
    """``kind`` chooses the wordings, ``slots`` fill them; ``steps`` are sentences of visible reasoning, between ``opening`` (what
    is looked at) and ``check``; ``finals`` end in the answer's box, ``plain`` says the answer in a sentence. ``paint`` draws the
    picture; ``shown`` is the text in it, where that is what the question is about. Auto-think weighs the ``effort``."""

    kind: str
    answer: str
    answer_type: AnswerType
    paint: Callable[[], Pixels]
    slots: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Sentence, ...] = ()
    finals: Sentence = ("The answer is {box}.", "So the answer is {box}.")
    plain: Sentence = ("{answer}",)
    shown: str = ""
    opening: tuple[Sentence, ...] = ()
    check: tuple[Sentence, ...] = ()
    effort: Effort | None = None


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
        """What auto-think answers at once is one step, what it thinks about at least two."""
        scene = self.scene(params)
        steps = max(len(scene.steps), 1)
        if self.mode == "auto_think" and scene.effort is not None:
            steps = max(steps, 2) if scene.effort.is_large else 1
        return {"steps": float(steps)}

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
    """The reply of a style other than the agentic one. Auto-think thinks where the scene's effort is large. Raises ValueError
    where it knows of none."""
    slots = {**scene.slots, "answer": answer, "box": box(answer)}
    plain = draw.choice(scene.plain).format(**slots)
    plain = plain[0].upper() + plain[1:] if plain.endswith(".") else plain
    if style == "non_thinking":
        return Plain(plain)
    if style != "auto":
        return Thinking(thought(scene, draw), draw.choice(scene.finals).format(**slots))
    if scene.effort is None:
        raise ValueError(f"a question of kind {scene.kind!r} does not say what it takes to answer it")
    reason = scene.effort.reason(draw)
    if not scene.effort.is_large:
        return AutoPlain(reason, plain)
    return AutoThinking(reason, thought(scene, draw), draw.choice(scene.finals).format(**slots))


def thought(scene: Scene, draw: Draw) -> str:
    """The reasoning as a text, each sentence in a drawn wording; an empty one is left out."""
    sentences = (draw.choice(one) for one in (*scene.opening, *scene.steps, *scene.check))
    return " ".join(filter(None, sentences))
