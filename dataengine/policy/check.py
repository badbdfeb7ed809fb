"""Type-checks filter rules against the columns of a table: unknown names, strings compared with numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from dataengine.config.yaml_loader import did_you_mean
from dataengine.policy import nodes
from dataengine.policy.model import Kind, kind_of

Columns = Mapping[str, pa.DataType]

_KINDS = {nodes.Number: Kind.NUMBER, nodes.Text: Kind.TEXT, nodes.Truth: Kind.TRUTH}


def mistakes(expr: nodes.Expr, columns: Columns) -> Iterator[str]:
    """One sentence for each mistake in ``expr`` over a table with these columns."""
    for test in nodes.tests(expr):
        unusable = [m for name in nodes.columns_of(test) for m in _unusable(name, columns)]
        yield from unusable or _mistyped(test, columns)


def _unusable(name: str, columns: Columns) -> Iterator[str]:
    if name not in columns:
        usable = [n for n, type_ in columns.items() if kind_of(type_) is not None]
        yield f"unknown column `{name}`; {did_you_mean(name, usable)}"
    elif kind_of(columns[name]) is None:
        yield f"`{name}` is a {columns[name]}: rules see only columns of numbers, strings and booleans"


def _mistyped(test: nodes.Test, columns: Columns) -> Iterator[str]:
    if isinstance(test, nodes.IsNull):
        return
    if isinstance(test, nodes.Compare):
        sides: tuple[nodes.Operand, ...] = (test.left, test.right)
        ordered = test.op not in ("=", "!=")
    elif isinstance(test, nodes.Between):
        sides, ordered = (test.column, test.low, test.high), True
    else:
        sides, ordered = (test.column, *test.values), False
    kinds = [_kind(side, columns) for side in sides]
    for side, kind in zip(sides, kinds, strict=True):
        if kind is not kinds[0]:
            left, right = nodes.operand_text(sides[0]), nodes.operand_text(side)
            yield f"`{left}` ({kinds[0].value}) cannot be compared with `{right}` ({kind.value})"
            return
    if ordered and kinds[0] is not Kind.NUMBER:
        yield f"`{nodes.text(test)}` orders {kinds[0].value}, and only numbers have an order: use =, != or in"


def _kind(side: nodes.Operand, columns: Columns) -> Kind:
    if isinstance(side, nodes.Column):
        kind = kind_of(columns[side.name])
        if kind is None:
            raise ValueError(f"rules cannot name the column {side.name}")
        return kind
    return _KINDS[type(side)]
