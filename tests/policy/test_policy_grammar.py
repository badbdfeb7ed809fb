"""The grammar reads what it says it reads, and refuses all else with a hint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.policy_strategies import exprs

from dataengine.errors import UsageError
from dataengine.policy import nodes
from dataengine.policy.grammar import MAX_DEPTH, parse
from dataengine.policy.nodes import And, Between, Column, Compare, In, IsNull, Not, Number, Or, Text, Truth

WIDE = Compare(Column("width"), ">=", Number(64))
IMAGE = Compare(Column("kind"), "=", Text("image"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("width >= 64", WIDE),
        ("64 <= width", Compare(Number(64), "<=", Column("width"))),
        ("width>=6.4e1", WIDE),
        ("aspect != -.5", Compare(Column("aspect"), "!=", Number(-0.5))),
        ("width < height", Compare(Column("width"), "<", Column("height"))),
        ("kind = 'image'", IMAGE),
        ("kind = 'it''s'", Compare(Column("kind"), "=", Text("it's"))),
        ("audio = true", Compare(Column("audio"), "=", Truth(True))),
        ("kind not in ('a', 'b')", In(Column("kind"), (Text("a"), Text("b")), True)),
        ("aspect between 0.5 and 2", Between(Column("aspect"), Number(0.5), Number(2))),
        ("aspect not between 1 and 1", Between(Column("aspect"), Number(1), Number(1), True)),
        ("match is not null", IsNull(Column("match"), True)),
        ("not not match is null", Not(Not(IsNull(Column("match"))))),
        ("width >= 64 or width >= 64 and kind = 'image'", Or((WIDE, And((WIDE, IMAGE))))),
        ("(width >= 64 or width >= 64) and kind = 'image'", And((Or((WIDE, WIDE)), IMAGE))),
        ("not (width >= 64)\n and kind = 'image'", And((Not(WIDE), IMAGE))),
    ],
)
def test_reads(source: str, expected: nodes.Expr) -> None:
    assert parse(source) == expected


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("", "character 1: expected a column"),
        ("width", "character 6: expected a comparison after `width`"),
        ("width == 3", "character 7: cannot read `== 3`; `==` is not an operator: write `=`"),
        ("width <> 3", "write `!=`"),
        ("0 < width < 9", "for a range write `x between 1 and 2`"),
        ("1 < 2", "one must be a column"),
        ("a between 3 and 1", "character 11: nothing lies between"),
        ("a between 'x' and 1", "`between` needs two numbers"),
        ("a in ()", "expected a column, a number"),
        ("a in (b)", "instead of `b`"),
        ("(a = 1", "expected `)`, found the end"),
        ("a = 1)", "expected `and`, `or` or the end"),
        ("a = 'x", "add a single quote"),
        ('a = "x"', "write strings in single quotes"),
        ("a + 1 = 2", "no arithmetic"),
        ("a IS null", "keywords are lower case: `is`"),
        ("a = 1 AND b = 2", "keywords are lower case: `and`"),
        ("a = 1 && b = 2", "write `and`"),
        ("a = 1e999", "too large for float64"),
        ("a = 1; drop", "cannot read `; drop`"),
        ("lower(a) = 'x'", "expected a comparison after `lower`"),
        ("a = '\ud800'", "lone surrogate"),
        ("a = 1 or " * 1000 + "a = 1", "make it two rules"),
        ("not " * (MAX_DEPTH + 2) + "a = 1", "nested deeper"),
        ("(" * (MAX_DEPTH + 2) + "a = 1" + ")" * (MAX_DEPTH + 2), "nested deeper"),
    ],
)
def test_refuses_with_a_hint(source: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(source)
    assert hint in str(caught.value)


@given(exprs)
def test_text_and_parse_are_inverse(expr: nodes.Expr) -> None:
    assert parse(nodes.text(expr)) == expr


@given(st.text(alphabet="ab1. '()<>=!,-~andorti", max_size=40))
def test_any_text_is_read_or_refused(source: str) -> None:
    try:
        expr = parse(source)
    except UsageError as error:
        assert str(error).startswith("character ")
    else:
        assert parse(nodes.text(expr)) == expr


def test_columns_come_in_order_of_first_mention() -> None:
    expr = parse("(b = 1 or a is null) and c between 1 and 2 and a < b")
    assert nodes.columns(expr) == ("b", "a", "c")
    assert nodes.null_tested(expr) == {"a"}
