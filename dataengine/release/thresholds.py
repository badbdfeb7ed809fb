"""The numbers that the rules of a policy compare columns with, to be marked on histograms. From the manifest alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from dataengine.errors import UsageError
from dataengine.policy import nodes
from dataengine.policy.grammar import parse
from dataengine.release.manifest import Manifest
from dataengine.shards.json_types import known

_TURNED: dict[str, nodes.Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_OPPOSITE: dict[str, nodes.Operator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}


@dataclass(frozen=True)
class Threshold:
    """A rule keeps what is ``op`` the ``value``; ``when``: only of samples that this condition selects, "" for all."""

    rule: str
    op: nodes.Operator
    value: float
    when: str = ""


def thresholds(m: Manifest) -> dict[str, list[Threshold]]:
    """By column, in the order of the policy; manifests of earlier versions hold no conditions, so they have none."""
    marks: dict[str, list[Threshold]] = defaultdict(list)
    for step in m.funnel:
        try:
            keep = parse(condition) if (condition := known(step.keep, "")) else None
        except UsageError:  # of a later version: the report does without
            keep = None
        for column, op, value in compared(keep) if keep is not None else ():
            marks[column].append(Threshold(step.rule, op, value, known(step.when, "")))
    return dict(marks)


def compared(keep: nodes.Expr, negated: bool = False) -> Iterator[tuple[str, nodes.Operator, float]]:
    """Column, operator and number of each comparison, turned round where a `not` stands before it."""
    if isinstance(keep, nodes.Not):
        yield from compared(keep.term, not negated)
    elif isinstance(keep, nodes.And | nodes.Or):
        for term in keep.terms:
            yield from compared(term, negated)
    elif isinstance(keep, nodes.Between):
        outside = keep.negated != negated
        yield keep.column.name, "<" if outside else ">=", keep.low.value
        yield keep.column.name, ">" if outside else "<=", keep.high.value
    elif isinstance(keep, nodes.Compare):
        op: nodes.Operator = _OPPOSITE[keep.op] if negated else keep.op
        if isinstance(keep.left, nodes.Column) and isinstance(keep.right, nodes.Number):
            yield keep.left.name, op, keep.right.value
        elif isinstance(keep.right, nodes.Column) and isinstance(keep.left, nodes.Number):
            yield keep.right.name, _TURNED[op], keep.left.value
