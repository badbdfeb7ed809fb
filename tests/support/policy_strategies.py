"""Random rules and rows for the laws of policies: absent values, NaN, infinities, zeros of both signs, odd strings."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from dataengine.policy import nodes
from dataengine.policy.model import Rule

COLUMNS: dict[str, pa.DataType] = {
    "score": pa.float64(),
    "match": pa.float64(),
    "single": pa.float32(),
    "bytes": pa.int64(),
    "mentions": pa.int64(),
    "width": pa.int32(),
    "kind": pa.string(),
    "offset": pa.string(),
    "audio": pa.bool_(),
}
FLOATS = ("score", "match", "single")
NUMBERS = (*FLOATS, "bytes", "mentions", "width")
TEXTS = ("kind", "offset")

_numbers = st.sampled_from([0.0, -0.0, 0.3, 0.7, 0.1 + 0.2, 1.0, -1.0, 1e-4, 2.0**53, 1.7e308, 5e-324, 3.0])
_odd = st.sampled_from([None, math.nan, math.inf, -math.inf])
_texts = st.sampled_from(["", "image", "Image", "é", "e\u0301", "\U0001f600", "it's", "a\\b", "a\x00b", "%", " image"])
_integers = st.sampled_from([0, 1, -1, 3, 2**53 + 1, 2**63 - 1, -(2**63)])


def _row_values(name: str) -> st.SearchStrategy[Any]:
    if name in FLOATS:
        return _numbers | st.floats(width=32) | _odd
    if name in ("bytes", "mentions"):
        return _integers | st.integers(-(2**63), 2**63 - 1) | st.none()
    if name == "width":
        return st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1, 3, None])
    if name in TEXTS:
        return _texts | st.text(max_size=3) | st.none()
    return st.booleans() | st.none()


@st.composite
def tables(draw: st.DrawFn, min_size: int = 0, max_size: int = 12) -> pa.Table:
    """A table of COLUMNS with distinct ids, in no order."""
    rows = draw(
        st.lists(st.fixed_dictionaries({n: _row_values(n) for n in COLUMNS}), min_size=min_size, max_size=max_size)
    )
    ids = draw(st.permutations([f"{i:04x}" for i in range(len(rows))]))
    schema = pa.schema([("id", pa.string()), *COLUMNS.items()])
    with_inf = [{**row, "single": _as_float32(row["single"])} for row in rows]
    return pa.Table.from_pylist([{"id": i, **row} for i, row in zip(ids, with_inf, strict=True)], schema=schema)


def _as_float32(value: float | None) -> float | None:
    big = value is not None and math.isfinite(value) and abs(value) > 3e38
    return math.copysign(3e38, value) if big and value is not None else value


_number = st.builds(nodes.Number, (_numbers | st.floats(allow_nan=False, allow_infinity=False)).map(lambda x: x + 0.0))
_text = st.builds(nodes.Text, _texts)
_truth = st.builds(nodes.Truth, st.booleans())


def _column(names: tuple[str, ...]) -> st.SearchStrategy[nodes.Column]:
    return st.sampled_from([nodes.Column(n) for n in names])


@st.composite
def _compare(draw: st.DrawFn) -> nodes.Expr:
    names, constant, ops = draw(
        st.sampled_from(
            [
                (NUMBERS, _number, ["<", "<=", ">", ">=", "=", "!="]),
                (TEXTS, _text, ["=", "!="]),
                (("audio",), _truth, ["=", "!="]),
            ]
        )
    )
    left, right = draw(_column(names)), draw(constant | _column(names))
    sides = (right, left) if draw(st.booleans()) else (left, right)
    return nodes.Compare(sides[0], draw(st.sampled_from(ops)), sides[1])


_in = st.one_of(
    st.builds(nodes.In, _column(NUMBERS), st.lists(_number, min_size=1, max_size=14).map(tuple), st.booleans()),
    st.builds(nodes.In, _column(TEXTS), st.lists(_text, min_size=1, max_size=14).map(tuple), st.booleans()),
    st.builds(nodes.In, _column(("audio",)), st.lists(_truth, min_size=1, max_size=2).map(tuple), st.booleans()),
)
_ends = st.tuples(_number, _number).map(lambda ends: sorted(ends, key=lambda n: n.value))
_between = st.builds(lambda c, e, n: nodes.Between(c, e[0], e[1], n), _column(NUMBERS), _ends, st.booleans())
_is_null = st.builds(nodes.IsNull, _column(tuple(COLUMNS)), st.booleans())


def _wider(inner: st.SearchStrategy[nodes.Expr]) -> st.SearchStrategy[nodes.Expr]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(nodes.Not, inner) | st.builds(nodes.And, several) | st.builds(nodes.Or, several)


exprs: st.SearchStrategy[nodes.Expr] = st.recursive(_compare() | _in | _between | _is_null, _wider, max_leaves=5)

rules: st.SearchStrategy[Rule] = st.builds(
    Rule,
    st.just("rule"),
    exprs,
    st.sampled_from(["drop", "keep", "error"]),
    st.just("because"),
    st.none() | exprs,
)
