"""Evaluates one filter rule on one row in plain Python: the oracle that DuckDB and Spark are tested against. Slow and short."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from dataengine.policy import nodes
from dataengine.policy.model import Rule

_COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


class Verdict(IntEnum):
    """Result of a rule on a row."""

    PASS = 0
    DROP = 1
    ERROR = 2


def verdict(rule: Rule, row: Mapping[str, Any]) -> Verdict:
    """Apply ``keep`` to a row that ``when`` selects. In both, a non-finite number drops, and ``on_missing`` decides about a
    missing value unless the expression itself tests that column for null."""
    for expr, otherwise in ((rule.when, Verdict.PASS), (rule.keep, Verdict.DROP)):
        if expr is None:
            continue
        values = {name: _number(row[name]) for name in nodes.columns(expr)}
        if any(isinstance(v, float) and not math.isfinite(v) for v in values.values()):
            return Verdict.DROP
        if any(values[name] is None for name in values.keys() - nodes.null_tested(expr)):
            return {"keep": Verdict.PASS, "drop": Verdict.DROP, "error": Verdict.ERROR}[rule.on_missing]
        if not holds(expr, values):
            return otherwise
    return Verdict.PASS


def holds(expr: nodes.Expr, row: Mapping[str, Any]) -> bool:
    """Two-valued logic: every comparison with a missing value is false, also ``!=``, ``not in`` and ``not between``."""
    if isinstance(expr, nodes.And | nodes.Or):
        return (all if isinstance(expr, nodes.And) else any)(holds(term, row) for term in expr.terms)
    if isinstance(expr, nodes.Not):
        return not holds(expr.term, row)
    if isinstance(expr, nodes.Compare):
        sides = [row[s.name] if isinstance(s, nodes.Column) else s.value for s in (expr.left, expr.right)]
        return None not in sides and bool(_COMPARE[expr.op](*sides))
    value = row[expr.column.name]
    if isinstance(expr, nodes.IsNull):
        return (value is None) != expr.negated
    if isinstance(expr, nodes.Between):
        return value is not None and (expr.low.value <= value <= expr.high.value) != expr.negated
    return value is not None and (value in [v.value for v in expr.values]) != expr.negated


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
