"""Samples whose annotations meet a condition in the grammar of filter policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dataengine.errors import UsageError
from dataengine.policy import check, grammar, nodes
from dataengine.policy.annotated import annotated, known_columns
from dataengine.policy.model import Rule, kind_of
from dataengine.policy.sql import quoted, rule_case

if TYPE_CHECKING:
    from dataengine.stage import Run


def ids_where(run: Run, condition: str) -> pa.ChunkedArray[Any]:
    """Ids of representatives that pass; of a missing value none does. Raises UsageError for a condition that is none, or that
    names a column that is not there."""
    known = known_columns(run.recipe)
    try:
        expression = grammar.parse(condition)
    except UsageError as error:
        raise UsageError(f"--where: {error}") from None
    if mistakes := list(check.mistakes(expression, known)):
        raise UsageError("\n".join(f"--where: {mistake}" for mistake in mistakes))
    names = nodes.columns(expression)
    kinds = {name: kind for name in names if (kind := kind_of(known[name])) is not None}
    case = rule_case(Rule("where", expression, "drop", "asked for"), kinds)
    columns = ", ".join(quoted(name) for name in dict.fromkeys(("id", *names)))
    sql = f"SELECT {quoted('id')} FROM (SELECT {columns}, {case.text} AS verdict FROM a) AS judged WHERE verdict = 0"
    rows = annotated(run, set(names))
    return run.engine.collect(run.engine.sql(sql, {"a": rows}, case.parameters))["id"]
