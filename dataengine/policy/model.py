"""Filter policies in memory: named, versioned rules, parsed and checked against the columns they name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Literal

import pyarrow as pa

from dataengine.policy import nodes

OnMissing = Literal["drop", "keep", "error"]


class Kind(Enum):
    """Type of a column as rules see it; the value is its plural in error messages."""

    NUMBER = "numbers"
    TEXT = "strings"
    TRUTH = "true or false"


def kind_of(type_: pa.DataType) -> Kind | None:
    """Kind of an Arrow type; None for lists, structs, bytes and times, which no rule can name."""
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return Kind.NUMBER
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return Kind.TEXT
    return Kind.TRUTH if pa.types.is_boolean(type_) else None


@dataclass(frozen=True)
class Rule:
    """``keep`` must hold of a sample that ``when`` selects (all where it is None), or the sample is dropped."""

    name: str
    keep: nodes.Expr
    on_missing: OnMissing
    reason: str
    when: nodes.Expr | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the rule, in the order of ``keep``, then ``when``."""
        when = nodes.columns(self.when) if self.when is not None else ()
        return tuple(dict.fromkeys((*nodes.columns(self.keep), *when)))

    @property
    def column(self) -> str:
        """The first column of ``keep``: its value is shown beside each drop."""
        return nodes.columns(self.keep)[0]


@dataclass(frozen=True)
class Policy:
    """Rules in the order in which they are applied; ``kinds`` has every column that they name."""

    name: str
    version: str
    description: str
    rules: tuple[Rule, ...]
    kinds: Mapping[str, Kind] = field(repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a rule names, in the order of first mention."""
        return tuple(dict.fromkeys(name for rule in self.rules for name in rule.columns))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that affects decisions: whitespace, comments, quoting and the description do not change it."""
        rules = [
            [r.name, nodes.text(r.when) if r.when is not None else None, nodes.text(r.keep), r.on_missing, r.reason]
            for r in self.rules
        ]
        return hashlib.sha256(json.dumps([self.name, self.version, rules]).encode()).hexdigest()
