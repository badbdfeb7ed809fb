"""Syntax tree of filter rules as frozen dataclasses: the closed grammar and nothing else.

No casts, arithmetic or functions, so that DuckDB, Spark and the Python oracle cannot disagree about a rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Column:
    name: str


@dataclass(frozen=True)
class Number:
    """Finite; compared as float64."""

    value: float


@dataclass(frozen=True)
class Text:
    """Compared by code point, for equality only."""

    value: str


@dataclass(frozen=True)
class Truth:
    value: bool


Constant = Number | Text | Truth
Operand = Column | Constant
Operator = Literal["<", "<=", ">", ">=", "=", "!="]


@dataclass(frozen=True)
class Compare:
    """``left op right``; at least one side is a column."""

    left: Operand
    op: Operator
    right: Operand


@dataclass(frozen=True)
class Between:
    """``low <= column <= high``, or not."""

    column: Column
    low: Number
    high: Number
    negated: bool = False


@dataclass(frozen=True)
class In:
    """Column equals one of ``values`` (at least one), or none of them."""

    column: Column
    values: tuple[Constant, ...]
    negated: bool = False


@dataclass(frozen=True)
class IsNull:
    column: Column
    negated: bool = False


@dataclass(frozen=True)
class Not:
    term: Expr


@dataclass(frozen=True)
class And:
    """Two terms or more."""

    terms: tuple[Expr, ...]


@dataclass(frozen=True)
class Or:
    """Two terms or more."""

    terms: tuple[Expr, ...]


Test = Compare | Between | In | IsNull
Expr = Test | Not | And | Or


def tests(expr: Expr) -> Iterator[Test]:
    """The comparisons and null tests of ``expr``, in the order of the text."""
    if isinstance(expr, And | Or):
        for term in expr.terms:
            yield from tests(term)
    elif isinstance(expr, Not):
        yield from tests(expr.term)
    else:
        yield expr


def columns_of(test: Test) -> tuple[str, ...]:
    """Columns of one test, in the order of the text."""
    if isinstance(test, Compare):
        return tuple(side.name for side in (test.left, test.right) if isinstance(side, Column))
    return (test.column.name,)


def columns(expr: Expr) -> tuple[str, ...]:
    """Columns that ``expr`` refers to, each once, in the order of first mention."""
    return tuple(dict.fromkeys(name for test in tests(expr) for name in columns_of(test)))


def null_tested(expr: Expr) -> frozenset[str]:
    """Columns that ``expr`` itself tests with ``is null`` or ``is not null``."""
    return frozenset(test.column.name for test in tests(expr) if isinstance(test, IsNull))


def text(expr: Expr) -> str:
    """The rule as one would write it; parsing it again gives ``expr``."""
    if isinstance(expr, And | Or):
        word = " and " if isinstance(expr, And) else " or "
        return word.join(f"({text(t)})" if isinstance(t, And | Or) else text(t) for t in expr.terms)
    if isinstance(expr, Not):
        return f"not ({text(expr.term)})" if isinstance(expr.term, And | Or) else f"not {text(expr.term)}"
    return _test_text(expr)


def _test_text(test: Test) -> str:
    if isinstance(test, Compare):
        return f"{operand_text(test.left)} {test.op} {operand_text(test.right)}"
    negation = "not " if test.negated else ""
    if isinstance(test, IsNull):
        return f"{test.column.name} is {negation}null"
    if isinstance(test, Between):
        return f"{test.column.name} {negation}between {operand_text(test.low)} and {operand_text(test.high)}"
    return f"{test.column.name} {negation}in ({', '.join(operand_text(v) for v in test.values)})"


def operand_text(operand: Operand) -> str:
    if isinstance(operand, Column):
        return operand.name
    if isinstance(operand, Text):
        return "'" + operand.value.replace("'", "''") + "'"
    if isinstance(operand, Truth):
        return "true" if operand.value else "false"
    return repr(operand.value).removesuffix(".0")
