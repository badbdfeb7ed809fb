"""Says which part of a rule a sample does not pass, with its values: ``height 240 < 256``, not the whole rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dataengine.policy import nodes
from dataengine.policy.evaluate import holds
from dataengine.policy.model import Rule

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}


def failing(rule: Rule, row: Mapping[str, Any]) -> str:
    """The parts of ``rule.keep`` that fail for a row with the rule's columns, joined by ``and``."""
    values = {name: _number(row.get(name)) for name in rule.columns}
    wrong = [name for name, value in values.items() if isinstance(value, float) and not math.isfinite(value)]
    if wrong:
        return " and ".join(f"{name} {values[name]}" for name in wrong)
    missing = [n for n in nodes.columns(rule.keep) if values[n] is None and n not in nodes.null_tested(rule.keep)]
    if missing:
        return " and ".join(f"{name} is missing" for name in missing)
    terms = rule.keep.terms if isinstance(rule.keep, nodes.And) else (rule.keep,)
    return " and ".join(_opposite(term, values) for term in terms if not holds(term, values))


def _opposite(term: nodes.Expr, values: Mapping[str, Any]) -> str:
    """What is the case where ``term`` is not, with the values."""
    if isinstance(term, nodes.Compare):
        return f"{_side(term.left, values)} {_OPPOSITE[term.op]} {_side(term.right, values)}"
    if isinstance(term, nodes.IsNull):
        return f"{term.column.name} is {'' if term.negated else 'not '}null"
    if isinstance(term, nodes.Between | nodes.In):
        name, text = term.column.name, nodes.text(term)
        test = text.removeprefix(f"{name} ")
        return f"{_side(term.column, values)} {test.removeprefix('not ') if term.negated else f'not {test}'}"
    if isinstance(term, nodes.Or):
        return " and ".join(_opposite(part, values) for part in term.terms)
    inside = ", ".join(_side(nodes.Column(name), values) for name in nodes.columns(term))
    return f"{inside} (the rule: {nodes.text(term)})"


def _side(side: nodes.Operand, values: Mapping[str, Any]) -> str:
    if not isinstance(side, nodes.Column):
        return nodes.operand_text(side)
    value = values[side.name]
    return f"{side.name} {value:g}" if isinstance(value, float) else f"{side.name} {value!r}"


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
