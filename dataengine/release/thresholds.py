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
        for column, op, value in _compared(keep) if keep is not None else ():
            marks[column].append(Threshold(step.rule, op, value, known(step.when, "")))
    return dict(marks)


def _compared(keep: nodes.Expr) -> Iterator[tuple[str, nodes.Operator, float]]:
    for test in nodes.tests(keep):
        if isinstance(test, nodes.Between):
            yield test.column.name, ">=", test.low.value
            yield test.column.name, "<=", test.high.value
        elif isinstance(test, nodes.Compare):
            if isinstance(test.left, nodes.Column) and isinstance(test.right, nodes.Number):
                yield test.left.name, test.op, test.right.value
            elif isinstance(test.right, nodes.Column) and isinstance(test.left, nodes.Number):
                yield test.right.name, _TURNED[test.op], test.left.value
