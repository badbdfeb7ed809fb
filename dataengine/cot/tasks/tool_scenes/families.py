"""All families that need a program on a drawn picture, each with its questions."""

from __future__ import annotations

from dataengine.cot.tasks.tool_scenes import computing, looking, reading
from dataengine.cot.tasks.tool_scenes import wording_computing as computed
from dataengine.cot.tasks.tool_scenes import wording_looking as looked
from dataengine.cot.tasks.tool_scenes import wording_reading as read
from dataengine.cot.tasks.tool_scenes import wording_worn as worn
from dataengine.cot.tasks.tool_scenes.base import WithTools
from dataengine.cot.tasks.tool_scenes.wording_sheets import questions

TOOL_SCENES = (
    WithTools("tiny_text", "text", reading.tiny, questions(read.TINY_CONTEXTS)),
    WithTools("turned_text", "text", reading.sideways, questions(read.TURNED_CONTEXTS)),
    WithTools("mirrored_text", "text", reading.mirrored, questions(read.MIRRORED_CONTEXTS)),
    WithTools("faint_text", "text", reading.faint, questions(read.FAINT_CONTEXTS)),
    WithTools("two_defects", "text", reading.two_defects, questions(worn.CONTEXTS)),
    WithTools("crate_label", "text", looking.crates, looked.CRATES),
    WithTools("chart_zoom", "charts and tables", looking.bars, looked.BARS),
    looking.SignInPhoto("sign_in_photo", "text", looking.sign, looked.SIGNS),
    WithTools("price_total", "documents", computing.price_total, computed.TOTALS),
    WithTools("area_share", "geography", computing.area_share, computed.SHARES),
    WithTools("changed_entry", "documents", computing.changed_entry, computed.COPIES),
)
