"""All tasks by name. A new task is a class in ``modes/`` and a line here."""

from __future__ import annotations

from dataengine.cot.modes.auto_think import Glance, RankParts
from dataengine.cot.modes.clip_facts import Change, CutTime
from dataengine.cot.modes.from_source import CaptionMatch, Given
from dataengine.cot.modes.locate_cell import LocateCell
from dataengine.cot.modes.match_clips import MatchClips
from dataengine.cot.modes.non_thinking import DominantColour, Orientation
from dataengine.cot.modes.read_text import ReadText
from dataengine.cot.modes.think_with_image import FindCell, InspectView
from dataengine.cot.modes.thinking import CompareParts
from dataengine.cot.modes.video import CountShots, OrderFrames
from dataengine.cot.taken import SLOW_FAST
from dataengine.cot.task import Task

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
        Given("given_answer", "non_thinking", ("non_thinking",)),
        Given("given_reasoned", "thinking", ("thinking",)),
        Given("given_auto", "auto_think", ("auto",)),
        Given("given_tools", "think_with_image", ("agentic",)),
        Given("given_video", "video", ("thinking", "non_thinking")),
        CaptionMatch("caption_match", "thinking", ("thinking",)),
        CaptionMatch("caption_match_short", "non_thinking", ("non_thinking",)),
        CaptionMatch("caption_match_video", "video", ("thinking", "non_thinking")),
    )
}
