"""Registry of all tasks by name. A new task is a class in a module of this folder and a line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dataengine.cot.core.frame_sampling import SLOW_FAST
from dataengine.cot.tasks import asked, merged
from dataengine.cot.tasks.auto_think import Glance, RankParts
from dataengine.cot.tasks.base import Task
from dataengine.cot.tasks.clip_facts import Change, CutTime
from dataengine.cot.tasks.composed.alone import ALONE
from dataengine.cot.tasks.composed.beside import BESIDE
from dataengine.cot.tasks.from_source import CaptionMatch, Given
from dataengine.cot.tasks.locate_cell import LocateCell
from dataengine.cot.tasks.match_clips import MatchClips
from dataengine.cot.tasks.non_thinking import DominantColour, Orientation
from dataengine.cot.tasks.read_text import ReadText
from dataengine.cot.tasks.rendered.families import FAMILIES
from dataengine.cot.tasks.text_cot import TextReasoning
from dataengine.cot.tasks.think_with_image import FindCell, InspectView
from dataengine.cot.tasks.thinking import CompareParts
from dataengine.cot.tasks.tool_scenes.families import TOOL_SCENES
from dataengine.cot.tasks.tree import CAPABILITIES, shares_of
from dataengine.cot.tasks.video import CountShots, OrderFrames
from dataengine.cot.tasks.video_frames import FindFrame, Stranger

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        CompareParts(),
        DominantColour(),
        Orientation(),
        Glance(),
        RankParts(),
        InspectView(),
        FindCell(),
        CountShots(16),
        CountShots(32),
        CountShots(SLOW_FAST),
        OrderFrames(),
        LocateCell(),
        ReadText(),
        CutTime(),
        Change(),
        MatchClips(),
        FindFrame(),
        Stranger(),
        Given("given_answer", "non_thinking", ("non_thinking",)),
        Given("given_reasoned", "thinking", ("thinking",)),
        Given("given_auto", "auto_think", ("auto",)),
        Given("given_tools", "think_with_image", ("agentic",)),
        Given("given_video", "video", ("thinking", "non_thinking")),
        CaptionMatch("caption_match", "thinking", ("thinking",)),
        CaptionMatch("caption_match_short", "non_thinking", ("non_thinking",)),
        CaptionMatch("caption_match_video", "video", ("thinking", "non_thinking")),
        *asked.families(),
        *merged.families(),
        TextReasoning(),
        *FAMILIES,
        *TOOL_SCENES,
        *ALONE,
        *BESIDE,
    )
}

DEFAULT_SHARES = {name: task.share for name, task in TASKS.items()}


def shares(tasks: Mapping[str, float], capabilities: Mapping[str, float]) -> dict[str, float]:
    """The share of each task family by the recipe's ``cot.tasks`` and ``cot.capabilities``. Raises UsageError."""
    capability_of = {name: task.capability for name, task in TASKS.items()}
    return shares_of(DEFAULT_SHARES, capability_of, tasks, capabilities)


def listing(shares: Mapping[str, float]) -> list[Sequence[str]]:
    """Capability, family, mode, needs, share and number of wordings of each family, in the order of the tree."""
    order = sorted(TASKS.values(), key=lambda task: (CAPABILITIES.index(task.capability), task.mode, task.name))
    return [
        (t.capability, t.name, t.mode, ", ".join(t.needs), f"{shares[t.name]:g}", str(len(t.wordings) or ""))
        for t in order
    ]
