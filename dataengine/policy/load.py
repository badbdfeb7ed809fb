"""Loads and validates a filter policy from YAML, before any stage runs; every mistake is reported by file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dataengine.config import yaml_loader
from dataengine.errors import UsageError
from dataengine.policy import check, grammar
from dataengine.policy.model import Policy, Rule, kind_of

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _RuleFile(_Model):
    name: Name
    when: str | None = None
    keep: str
    on_missing: Literal["drop", "keep", "error"]
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class _PolicyFile(_Model):
    name: Name
    version: Annotated[str, BeforeValidator(_number_as_text), Field(min_length=1)]
    description: str = ""
    rules: list[_RuleFile]


def load(path: str | Path, columns: check.Columns) -> Policy:
    """Load the policy in ``path`` for a table with ``columns``. Raises UsageError with every mistake, one a line:
    ``file:line: mistake; how to fix it``."""
    file = yaml_loader.load(path, _PolicyFile)
    root = yaml_loader.parse(yaml_loader.read_text(path), str(path))
    mistakes = [f"{path}:{yaml_loader.line_of(root, loc)}: {what}" for loc, what in _mistakes(file, columns)]
    if mistakes:
        raise UsageError("\n".join(mistakes))
    rules = tuple(_rule(rule) for rule in file.rules)
    named = dict.fromkeys(name for rule in rules for name in rule.columns)
    kinds = {name: kind for name in named if (kind := kind_of(columns[name])) is not None}
    return Policy(file.name, file.version, " ".join(file.description.split()), rules, kinds)


def _rule(rule: _RuleFile) -> Rule:
    when = grammar.parse(rule.when) if rule.when is not None else None
    return Rule(rule.name, grammar.parse(rule.keep), rule.on_missing, " ".join(rule.reason.split()), when)


def _mistakes(file: _PolicyFile, columns: check.Columns) -> Iterator[tuple[list[str | int], str]]:
    seen: dict[str, int] = {}
    for i, rule in enumerate(file.rules):
        if seen.setdefault(rule.name, i) != i:
            yield ["rules", i, "name"], f"two rules are called `{rule.name}`: each needs a name of its own"
        for key, source in (("when", rule.when), ("keep", rule.keep)):
            if source is not None:
                for what in _rule_mistakes(source, columns):
                    yield ["rules", i, key], f"rule `{rule.name}`, {key}: {what}"


def _rule_mistakes(source: str, columns: check.Columns) -> Iterator[str]:
    try:
        expr = grammar.parse(source)
    except UsageError as error:
        yield str(error)
    else:
        yield from check.mistakes(expr, columns)
