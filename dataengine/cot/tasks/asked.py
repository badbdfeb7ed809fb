"""Tasks from questions that a model has proposed and other samples agree on: a family for each capability and mode.

Answers have the basis ``agreed``: nobody has measured them; a check can only say that record and reply agree with what the
samples said, which the record carries (how many were right, with the picture and without it).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import cast

from dataengine.cot.core.proposals import Proposal
from dataengine.cot.core.record import Mode, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Facts, Params
from dataengine.cot.tasks.capabilities import CAPABILITIES
from dataengine.cot.tasks.from_source import Given
from dataengine.cot.tasks.tree import Capability
from dataengine.storage.workspace import digest

PREFIX = "asked_"
_MODES: tuple[tuple[str, Mode, tuple[Style, ...]], ...] = (
    ("", "non_thinking", ("non_thinking",)),
    ("_reasoned", "thinking", ("thinking",)),
    ("_auto", "auto_think", ("auto",)),
    ("_tools", "think_with_image", ("agentic",)),
    ("_video", "video", ("thinking", "non_thinking")),
)
_FACTS = ("right", "samples", "guessed", "guesses", "words")
UNSETTLED = "unsettled"
"""Parameter of a question that models do not agree on: no reply to it counts before a person has looked."""


class Asked(Given):
    """Questions of one capability in one mode; each is asked in one mode only."""

    basis = "agreed"
    needs = ("vlm",)

    def __init__(self, name: str, mode: Mode, styles: tuple[Style, ...], capability: str) -> None:
        super().__init__(name, mode, styles)
        self.capability = cast(Capability, capability)  # type: ignore[misc]

    def takes(self, source: CotInput) -> bool:
        return source.kind == self.kind and bool(self.variants(source))

    def variants(self, source: CotInput) -> Sequence[str]:
        fitting = (p for p in source.proposals if p.capability == self.capability and self._fits(p))
        return self._of_each_sampling(source, map(_variant, fitting))

    def _fits(self, proposal: Proposal) -> bool:
        """Thinking with images is for questions that some samples got wrong without tools."""
        return self.mode != "think_with_image" or proposal.right < proposal.samples

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        for one in source.proposals:
            params = {"question": one.question, "answer": one.answer}
            params |= {"answer_type": one.answer_type, "capability": one.capability, "difficulty": one.difficulty}
            params |= {"asked_by": one.teacher, "ask_prompt": one.prompt}
            params |= {name: f"{getattr(one, name):g}" for name in _FACTS}
            params |= {UNSETTLED: "1"} if one.unsettled else {}
            params |= {"choices": json.dumps(one.choices, ensure_ascii=False)} if one.choices else {}
            for shown in self._each_shown(source, _variant(one)):
                yield shown | params

    def measure(self, params: Params, source: CotInput) -> Facts | Abstain:
        return self._other_frames(params, source) or {name: float(params[name]) for name in _FACTS}


def families() -> list[Asked]:
    """The families of all capabilities; those about what happens over time are asked of videos alone."""
    return [
        Asked(f"{PREFIX}{capability.replace(' ', '_')}{suffix}", mode, styles, capability)
        for capability, (kinds, _) in CAPABILITIES.items()
        for suffix, mode, styles in _MODES
        if ("video" if mode == "video" else "image") in kinds
    ]


def _variant(proposal: Proposal) -> str:
    return f"ask {digest(proposal.question, proposal.answer, proposal.choices)[:12]}"
