"""A policy with some rules changed, to see what that would do: conditions that are tried in place of rules, or beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from dataengine.config.yaml_loader import did_you_mean
from dataengine.errors import UsageError
from dataengine.policy import check, grammar, nodes
from dataengine.policy.model import OnMissing, Policy, Rule, kind_of

_NAMED = re.compile(r"([a-z0-9][a-z0-9._-]{0,62}):\s+(.*)", re.S)
#: Reason of a rule that was added by a trial and given none.
UNSTATED = "tried"


@dataclass(frozen=True)
class Change:
    """``before`` is None where a rule is added, ``after`` where it is taken out. ``others``: other rules about these columns,
    which stay."""

    before: Rule | None
    after: Rule | None
    others: tuple[Rule, ...] = ()

    @property
    def rule(self) -> str:
        """Name of the rule."""
        rule = self.after or self.before
        assert rule is not None
        return rule.name

    def text(self) -> str:
        """The change in words."""
        if self.after is None:
            assert self.before is not None
            return f"rule `{self.rule}` ({nodes.text(self.before.keep)}) is taken out"
        new = nodes.text(self.after.keep)
        if self.before is not None:
            return f"rule `{self.rule}`: {new} instead of {nodes.text(self.before.keep)}"
        missing = {"drop": "a missing value drops", "keep": "a missing value passes", "error": "a value must be there"}
        added = f"rule `{self.rule}` is added as the last: {new} ({missing[self.after.on_missing]})"
        if not self.others:
            return added
        listed = ", ".join(f"`{rule.name}` ({nodes.text(rule.keep)})" for rule in self.others)
        return f"{added}; {listed} stays as it is: to change it, write `--try '{self.others[0].name}: CONDITION'`"


def tried(
    policy: Policy,
    conditions: Sequence[str],
    without: Sequence[str],
    known: Mapping[str, pa.DataType],
    on_missing: OnMissing = "drop",
    reason: str = UNSTATED,
) -> tuple[Policy, list[Change]]:
    """The policy with each of ``conditions`` in place of the rule about the same columns, or of the rule that it names (``blur:
    blur >= 40``), else added as the last rule; and without the rules ``without``. Raises UsageError."""
    rules, changes = list(policy.rules), list[Change]()
    for name in without:
        rule = _named(rules, name)
        rules.remove(rule)
        changes.append(Change(rule, None))
    for text in conditions:
        change = _change(rules, text, known, on_missing, reason)
        assert change.after is not None
        if change.before is None:
            rules.append(change.after)
        else:
            rules[rules.index(change.before)] = change.after
        changes.append(change)
    names = dict.fromkeys(name for rule in rules for name in rule.columns)
    kinds = {name: kind for name in names if (kind := kind_of(known[name])) is not None}
    return replace(policy, rules=tuple(rules), kinds={**policy.kinds, **kinds}), changes


def _change(
    rules: Sequence[Rule], text: str, known: Mapping[str, pa.DataType], on_missing: OnMissing, reason: str
) -> Change:
    match = _NAMED.fullmatch(text.strip())
    name, condition = (match[1], match[2]) if match else (None, text)
    keep = _parsed(condition, known)
    wanted = set(nodes.columns(keep))
    if name is not None and any(rule.name == name for rule in rules):
        before: Rule | None = _named(rules, name)
    elif name is not None:
        before = None
    else:
        same = [rule for rule in rules if set(nodes.columns(rule.keep)) == wanted]
        if len(same) > 1:
            listed = ", ".join(f"`{rule.name}` ({nodes.text(rule.keep)})" for rule in same)
            raise UsageError(
                f"--try {text}: several rules are about that: {listed}; name one: `--try '{same[0].name}: {condition}'`"
            )
        before = same[0] if same else None
    if before is not None:
        return Change(before, replace(before, keep=keep, reason=before.reason if reason == UNSTATED else reason))
    names = {rule.name for rule in rules}
    name = name or next(n for n in _names(nodes.columns(keep)[0]) if n not in names)
    others = tuple(rule for rule in rules if wanted & set(nodes.columns(rule.keep)))
    return Change(None, Rule(name, keep, on_missing, reason), others)


def _names(column: str) -> Sequence[str]:
    base = re.sub(r"[^a-z0-9._-]", "-", column.lower()).lstrip("._-")[:55] or "tried"
    return [base, *(f"{base}-{n}" for n in range(2, 100))]


def _named(rules: Sequence[Rule], name: str) -> Rule:
    for rule in rules:
        if rule.name == name:
            return rule
    raise UsageError(f"the policy has no rule `{name}`; {did_you_mean(name, [rule.name for rule in rules])}")


def _parsed(condition: str, known: Mapping[str, pa.DataType]) -> nodes.Expr:
    try:
        keep = grammar.parse(condition)
    except UsageError as error:
        raise UsageError(f"--try {condition}: {error}") from None
    if mistakes := list(check.mistakes(keep, known)):
        raise UsageError("\n".join(f"--try {condition}: {mistake}" for mistake in mistakes))
    return keep
