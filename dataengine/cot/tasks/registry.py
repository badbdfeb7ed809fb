"""Registry of all tasks by name. A new task is a class in a module of this folder and a line here."""

from __future__ import annotations

from dataengine.cot.core.frame_sampling import SLOW_FAST
from dataengine.cot.tasks import asked, merged
from dataengine.cot.tasks.auto_think import Glance, RankParts
from dataengine.cot.tasks.base import Task
from dataengine.cot.tasks.clip_facts import Change, CutTime
from dataengine.cot.tasks.from_source import CaptionMatch, Given
from dataengine.cot.tasks.locate_cell import LocateCell
from dataengine.cot.tasks.match_clips import MatchClips
from dataengine.cot.tasks.non_thinking import DominantColour, Orientation
from dataengine.cot.tasks.read_text import ReadText
from dataengine.cot.tasks.text_cot import TextReasoning
from dataengine.cot.tasks.think_with_image import FindCell, InspectView
from dataengine.cot.tasks.thinking import CompareParts
from dataengine.cot.tasks.video import CountShots, OrderFrames

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
        *asked.families(),
        *merged.families(),
        TextReasoning(),
    )
}
