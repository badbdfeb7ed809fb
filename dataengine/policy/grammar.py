"""Recursive-descent parser of filter rules. The grammar is closed; every syntax error says what is allowed.

    expr       := conjunct ("or" conjunct)*
    conjunct   := term ("and" term)*
    term       := "not" term | "(" expr ")" | test
    test       := operand ("<" | "<=" | ">" | ">=" | "=" | "!=") operand
                | column ["not"] "between" number "and" number
                | column ["not"] "in" "(" constant ("," constant)* ")"
                | column "is" ["not"] "null"
    operand    := column | constant          constant := number | 'string' | "true" | "false"

A quote inside a string is doubled (``'it''s'``); keywords are lower case; ``between`` includes both ends.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, cast

from dataengine.errors import UsageError
from dataengine.policy import nodes
from dataengine.policy.nodes import Column, Constant, Expr, Number, Operand, Operator, Text, Truth

MAX_LENGTH = 4000
MAX_DEPTH = 32

_KEYWORDS = {"and", "or", "not", "in", "between", "is", "null", "true", "false"}
_OPERATORS = {"<", "<=", ">", ">=", "=", "!="}
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
        |(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<string>'(?:[^']|'')*')|(?P<symbol><=|>=|!=|[<>=(),]))""",
    re.VERBOSE,
)
_HINTS = {
    "==": "`==` is not an operator: write `=`",
    "<>": "`<>` is not an operator: write `!=`",
    '"': "write strings in single quotes and columns without quotes",
    "`": "write strings in single quotes and columns without quotes",
    "'": "the string is not closed: add a single quote",
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not` or `!=`",
    **dict.fromkeys("+-*/%", "rules have no arithmetic: compute a column first"),
}


@dataclass(frozen=True)
class _Token:
    kind: Literal["number", "word", "string", "symbol", "end"]
    text: str
    at: int


def parse(source: str) -> Expr:
    """Parse a rule. Raises UsageError with the position of the mistake and what is allowed there."""
    if len(source) > MAX_LENGTH:
        raise UsageError(f"the rule has {len(source)} characters, the limit is {MAX_LENGTH}: make it two rules")
    if any("\ud800" <= c <= "\udfff" for c in source):
        raise UsageError(
            "the rule contains half a character (a lone surrogate), which no column can contain: remove it"
        )
    parser = _Parser(_tokens(source))
    expr = parser.disjunction(0)
    parser.end()
    return expr


def _tokens(source: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while source[at:].strip():
        at += len(source[at:]) - len(source[at:].lstrip())
        match = _TOKEN.match(source, at)
        if match is None or source[at : at + 2] in ("==", "<>"):
            hint = _HINTS.get(source[at : at + 2]) or _HINTS.get(source[at]) or "see filters/README.md for the grammar"
            raise UsageError(f"character {at + 1}: cannot read `{source[at : at + 12]}`; {hint}")
        kind = cast(Literal["number", "word", "string", "symbol"], match.lastgroup)
        tokens.append(_Token(kind, match[kind], at + 1))
        at = match.end()
    return [*tokens, _Token("end", "", len(source) + 1)]


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def disjunction(self, depth: int) -> Expr:
        terms = [self._conjunction(depth)]
        while self._take("or"):
            terms.append(self._conjunction(depth))
        return terms[0] if len(terms) == 1 else nodes.Or(tuple(terms))

    def _conjunction(self, depth: int) -> Expr:
        terms = [self._term(depth)]
        while self._take("and"):
            terms.append(self._term(depth))
        return terms[0] if len(terms) == 1 else nodes.And(tuple(terms))

    def _term(self, depth: int) -> Expr:
        if depth > MAX_DEPTH:
            raise UsageError(f"character {self._peek.at}: nested deeper than {MAX_DEPTH}: make it two rules")
        if self._take("not"):
            return nodes.Not(self._term(depth + 1))
        if self._take("("):
            inner = self.disjunction(depth + 1)
            self._expect(")")
            return inner
        return self._test()

    def _test(self) -> Expr:
        start = self._peek
        left = self._operand()
        if self._peek.text in _OPERATORS:
            return self._compare(start, left)
        if not isinstance(left, Column):
            raise self._refuse(f"a comparison after `{start.text}`")
        if self._take("is"):
            negated = self._take("not")
            self._expect("null")
            return nodes.IsNull(left, negated)
        negated = self._take("not")
        if self._take("between"):
            return self._between(left, negated)
        if self._take("in"):
            return self._in(left, negated)
        raise self._refuse(f"a comparison after `{left.name}` (such as `{left.name} >= 1` or `{left.name} = true`)")

    def _compare(self, start: _Token, left: Operand) -> Expr:
        op = cast(Operator, self._advance().text)
        right = self._operand()
        if not isinstance(left, Column) and not isinstance(right, Column):
            raise UsageError(
                f"character {start.at}: `{start.text} {op} …` compares two constants; one must be a column"
            )
        if self._peek.text in _OPERATORS:
            raise self._refuse("`and`, `or` or the end (for a range write `x between 1 and 2`)")
        return nodes.Compare(left, op, right)

    def _between(self, column: Column, negated: bool) -> Expr:
        start = self._peek
        low = self._operand()
        self._expect("and")
        high = self._operand()
        if not isinstance(low, Number) or not isinstance(high, Number):
            raise UsageError(f"character {start.at}: `between` needs two numbers")
        if low.value > high.value:
            raise UsageError(f"character {start.at}: nothing lies between {start.text} and a smaller number")
        return nodes.Between(column, low, high, negated)

    def _in(self, column: Column, negated: bool) -> Expr:
        self._expect("(")
        values = [self._constant()]
        while self._take(","):
            values.append(self._constant())
        self._expect(")")
        return nodes.In(column, tuple(values), negated)

    def _constant(self) -> Constant:
        operand = self._operand()
        if isinstance(operand, Column):
            raise self._refuse(f"a number, a 'string', true or false instead of `{operand.name}`")
        return operand

    def _operand(self) -> Operand:
        token = self._peek
        if token.kind == "string":
            return Text(self._advance().text[1:-1].replace("''", "'"))
        if token.kind == "number":
            return self._number()
        if token.text in ("true", "false"):
            return Truth(self._advance().text == "true")
        if token.kind == "word" and token.text.lower() not in _KEYWORDS:
            return Column(self._advance().text)
        raise self._refuse("a column, a number, a 'string', true or false")

    def _number(self) -> Number:
        token = self._advance()
        value = float(token.text)
        if not math.isfinite(value):
            raise UsageError(f"character {token.at}: {token.text} is too large for float64")
        return Number(value + 0.0)  # -0 is 0

    def end(self) -> None:
        if self._peek.kind != "end":
            raise self._refuse("`and`, `or` or the end")

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _advance(self) -> _Token:
        token = self._peek
        self._next += token.kind != "end"
        return token

    def _take(self, text: str) -> bool:
        matches = self._peek.text == text and self._peek.kind in ("word", "symbol")
        self._next += matches
        return matches

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._refuse(f"`{text}`")

    def _refuse(self, expected: str) -> UsageError:
        token = self._peek
        actual = f"`{token.text}`" if token.kind != "end" else "the end"
        case = f" (keywords are lower case: `{token.text.lower()}`)" if token.text.lower() in _KEYWORDS else ""
        hint = case if token.text != token.text.lower() else ""
        return UsageError(f"character {token.at}: expected {expected}, found {actual}{hint}")
