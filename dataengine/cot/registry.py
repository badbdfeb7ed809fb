"""All tasks by name. A new task is a class in ``modes/`` and a line here."""

from __future__ import annotations

from dataengine.cot.modes.auto_think import Glance, RankParts
from dataengine.cot.modes.clip_facts import Change, CutTime
from dataengine.cot.modes.locate_cell import LocateCell
from dataengine.cot.modes.non_thinking import DominantColour, Orientation
from dataengine.cot.modes.read_text import ReadText
from dataengine.cot.modes.think_with_image import FindCell, InspectView
from dataengine.cot.modes.thinking import CompareParts
from dataengine.cot.modes.video import CountShots, OrderFrames
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
        OrderFrames(),
        LocateCell(),
        ReadText(),
        CutTime(),
        Change(),
    )
}
