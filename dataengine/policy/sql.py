"""Compiles a policy to portable SQL (see table_engine.py): one scan, and one small integer a row for the rule that dropped it.

Constants travel as ``?`` parameters, never in the text. Both engines hold NaN equal to itself and above all numbers,
so the guard against non-finite numbers is written out before any comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataengine.policy import nodes
from dataengine.policy.evaluate import Verdict
from dataengine.policy.model import Kind, Policy, Rule
from dataengine.table_engine import Parameter

_LARGEST = "1.7976931348623157E308"
_VERDICT = '"__verdict"'
_ON_MISSING = {"keep": Verdict.PASS, "drop": Verdict.DROP, "error": Verdict.ERROR}


@dataclass(frozen=True)
class Sql:
    """A piece of SQL and the values of its ``?``, in the order of the text."""

    text: str
    parameters: tuple[Parameter, ...] = ()


def policy_sql(policy: Policy, relation: str) -> Sql:
    """SELECT of id, verdict and the value columns. Verdict 0: kept; n: dropped by the n-th rule, from 1; -n: a value is
    missing and the n-th rule has ``on_missing: error``. ``relation`` is a table name or a SELECT."""
    decided = _decided(policy, relation)
    shown = [_shown(policy, column) for column in value_columns(policy)]
    columns = ", ".join([quoted("id"), f"{_VERDICT} AS verdict", *shown])
    return Sql(f"SELECT {columns} FROM ({decided.text}) AS decided", decided.parameters)


def missing_sql(policy: Policy, relation: str, number: int) -> Sql:
    """SELECT of one row: for each column of the ``number``-th rule, in how many rows with verdict -``number`` it is missing."""
    decided = _decided(policy, relation)
    columns = [quoted(c) for c in policy.rules[number - 1].columns]
    counts = ", ".join(f"CAST(count(*) - count({c}) AS BIGINT) AS {c}" for c in columns)
    return Sql(f"SELECT {counts} FROM ({decided.text}) AS decided WHERE {_VERDICT} = -{number}", decided.parameters)


def value_columns(policy: Policy) -> tuple[str, ...]:
    """Columns whose value is shown beside a drop; in ``policy_sql`` they have the prefix ``v_``."""
    return tuple(dict.fromkeys(rule.column for rule in policy.rules))


def _decided(policy: Policy, relation: str) -> Sql:
    """Each row with its verdict: all rules are evaluated, the first that does not pass decides."""
    columns = ", ".join(quoted(name) for name in dict.fromkeys(("id", *policy.columns)))
    cases = [rule_case(rule, policy.kinds) for rule in policy.rules]
    results = ", ".join([columns, *(f"{case.text} AS {_result(n)}" for n, case in enumerate(cases, 1))])
    steps = [
        f"WHEN {_result(n)} = {Verdict.DROP:d} THEN {n} WHEN {_result(n)} = {Verdict.ERROR:d} THEN -{n}"
        for n in range(1, len(cases) + 1)
    ]
    verdict = f"CASE {' '.join(steps)} ELSE 0 END" if steps else "0"
    inner = f"SELECT {results} FROM {_from(relation)}"
    text = f"SELECT {columns}, {verdict} AS {_VERDICT} FROM ({inner}) AS results"
    return Sql(text, tuple(p for case in cases for p in case.parameters))


def _result(number: int) -> str:
    return quoted(f"__rule_{number}")


def _shown(policy: Policy, column: str) -> str:
    numbers = [str(n) for n, rule in enumerate(policy.rules, 1) if rule.column == column]
    return f"CASE WHEN {_VERDICT} IN ({', '.join(numbers)}) THEN {quoted(column)} END AS {quoted('v_' + column)}"


def _from(relation: str) -> str:
    return quoted(relation) if relation.isidentifier() else f"({relation}) AS relation"


def rule_case(rule: Rule, kinds: Mapping[str, Kind]) -> Sql:
    """The rule as a CASE whose value is a Verdict, for any row."""
    steps: list[str] = []
    parameters: list[Parameter] = []
    if rule.when is not None:
        steps += _guards(rule.when, rule, kinds)
        when = condition(rule.when, kinds)
        steps.append(f"WHEN NOT {when.text} THEN {Verdict.PASS:d}")
        parameters += when.parameters
    steps += _guards(rule.keep, rule, kinds)
    keep = condition(rule.keep, kinds)
    steps.append(f"WHEN {keep.text} THEN {Verdict.PASS:d}")
    return Sql(f"CASE {' '.join(steps)} ELSE {Verdict.DROP:d} END", (*parameters, *keep.parameters))


def _guards(expr: nodes.Expr, rule: Rule, kinds: Mapping[str, Kind]) -> list[str]:
    names = nodes.columns(expr)
    numbers = [f"CAST({quoted(n)} AS DOUBLE)" for n in names if kinds[n] is Kind.NUMBER]
    infinite = [f"{n} > {_LARGEST} OR {n} < -{_LARGEST}" for n in numbers]
    missing = [f"{quoted(n)} IS NULL" for n in names if n not in nodes.null_tested(expr)]
    steps = [f"WHEN {' OR '.join(infinite)} THEN {Verdict.DROP:d}"] if infinite else []
    return steps + ([f"WHEN {' OR '.join(missing)} THEN {_ON_MISSING[rule.on_missing]:d}"] if missing else [])


def condition(expr: nodes.Expr, kinds: Mapping[str, Kind]) -> Sql:
    """``expr`` as a SQL condition that is never NULL; right for rows without non-finite numbers."""
    if isinstance(expr, nodes.And | nodes.Or):
        return _join(" AND " if isinstance(expr, nodes.And) else " OR ", [condition(t, kinds) for t in expr.terms])
    if isinstance(expr, nodes.Not):
        inner = condition(expr.term, kinds)
        return Sql(f"(NOT {inner.text})", inner.parameters)
    if isinstance(expr, nodes.IsNull):
        return Sql(f"({quoted(expr.column.name)} IS {'NOT ' if expr.negated else ''}NULL)")
    test = _test(expr, kinds)
    return Sql(f"COALESCE({test.text}, FALSE)", test.parameters)


def _test(test: nodes.Compare | nodes.Between | nodes.In, kinds: Mapping[str, Kind]) -> Sql:
    if isinstance(test, nodes.Compare):
        left, right = _operand(test.left, kinds), _operand(test.right, kinds)
        op = "<>" if test.op == "!=" else test.op
        return Sql(f"{left.text} {op} {right.text}", left.parameters + right.parameters)
    column = _operand(test.column, kinds).text
    if isinstance(test, nodes.Between):
        inside = Sql(f"{column} >= ? AND {column} <= ?", (test.low.value, test.high.value))
    else:  # not IN: for many numbers Spark looks them up by hash, where -0.0 is not 0.0
        inside = _join(" OR ", [Sql(f"{column} = ?", (v.value,)) for v in test.values])
    return Sql(f"NOT ({inside.text})" if test.negated else inside.text, inside.parameters)


def _operand(side: nodes.Operand, kinds: Mapping[str, Kind]) -> Sql:
    if not isinstance(side, nodes.Column):
        return Sql("?", (side.value,))
    name = quoted(side.name)
    return Sql(f"CAST({name} AS DOUBLE)" if kinds[side.name] is Kind.NUMBER else name)


def _join(word: str, parts: Sequence[Sql]) -> Sql:
    return Sql(f"({word.join(p.text for p in parts)})", tuple(v for p in parts for v in p.parameters))


def quoted(name: str) -> str:
    """A column or table name for SQL; the grammar and the contracts allow no quote in one."""
    return '"' + name.replace('"', '""') + '"'
