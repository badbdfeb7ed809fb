"""All families of rendered pictures, each in the mode that its questions suit."""

from __future__ import annotations

from dataengine.cot.tasks.rendered import charts, code, documents, matrix, science, shapes, tables
from dataengine.cot.tasks.rendered.base import Rendered

FAMILIES = (
    Rendered("matrix_read", "non_thinking", matrix.READ),
    Rendered("matrix_locate", "thinking", matrix.LOCATE),
    Rendered("matrix_auto", "auto_think", matrix.READ),
    Rendered("shapes_count", "thinking", shapes.COUNT),
    Rendered("shapes_count_auto", "auto_think", shapes.COUNT),
    Rendered("shapes_colour", "non_thinking", shapes.ATTRIBUTE),
    Rendered("shapes_form", "non_thinking", shapes.OBJECT),
    Rendered("shapes_beside", "thinking", shapes.RELATION),
    Rendered("shapes_box", "non_thinking", shapes.BOX),
    Rendered("shapes_point", "non_thinking", shapes.POINT),
    Rendered("shapes_missing", "thinking", shapes.TRAP),
    Rendered("table_value", "non_thinking", tables.VALUE),
    Rendered("table_source", "non_thinking", tables.SOURCE),
    Rendered("table_compute", "thinking", tables.COMPUTED),
    Rendered("table_missing", "thinking", tables.TRAP),
    Rendered("table_auto", "auto_think", tables.MIXED),
    Rendered("chart_value", "non_thinking", charts.VALUE),
    Rendered("chart_source", "non_thinking", charts.SOURCE),
    Rendered("chart_compute", "thinking", charts.COMPUTED),
    Rendered("chart_missing", "thinking", charts.TRAP),
    Rendered("chart_auto", "auto_think", charts.MIXED),
    Rendered("code_source", "non_thinking", code.SOURCE),
    Rendered("code_line", "non_thinking", code.LINE),
    Rendered("code_hidden", "thinking", code.HIDDEN),
    Rendered("code_output", "thinking", code.PRINTED),
    Rendered("code_auto", "auto_think", code.PRINTED),
    Rendered("page_markdown", "non_thinking", documents.MARKDOWN),
    Rendered("page_html", "non_thinking", documents.HTML),
    Rendered("page_gap", "thinking", documents.COVERED),
    Rendered("receipt", "thinking", documents.RECEIPT),
    Rendered("notice", "non_thinking", documents.NOTICE),
    Rendered("notice_auto", "auto_think", documents.NOTICE),
    Rendered("opening_hours", "thinking", documents.HOURS),
    Rendered("timeline", "thinking", documents.TIMELINE),
    Rendered("problem", "thinking", science.PROBLEM),
    Rendered("problem_auto", "auto_think", science.PROBLEM),
    Rendered("clock", "thinking", science.CLOCK),
    Rendered("flow", "thinking", science.FLOW),
    Rendered("map", "thinking", science.MAP),
)
