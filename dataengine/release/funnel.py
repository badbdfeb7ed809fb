"""Reads a release's manifest from its workspace, and lists its funnel as rows for a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataengine.config.recipe import Recipe
from dataengine.errors import RunError, UsageError
from dataengine.policy.annotated import known_columns
from dataengine.policy.load import load
from dataengine.policy.model import Rule
from dataengine.policy.nodes import text
from dataengine.release.manifest import Manifest
from dataengine.storage.workspace import Workspace


def read_manifest(workspace: Workspace, name: str) -> Manifest:
    """The manifest of a release. Raises UsageError if it is not published."""
    key = f"releases/{name}/manifest.json"
    try:
        return Manifest.from_bytes(workspace.store.get(key))
    except FileNotFoundError:
        raise UsageError(f"{workspace.store.uri(key)} does not exist: run `dataengine run RECIPE` first") from None
    except ValueError as error:
        raise RunError(f"{workspace.store.uri(key)} is not the manifest of a release: {error}") from None


def funnel_rows(m: Manifest) -> list[tuple[str, str]]:
    """From inputs to kept, every loss with its reason; then shards, tokens and records."""
    ledger = m.ledger
    total = sum(ledger.outcome.values())
    rows = [("inputs", total)]
    rows += [(f"- failed: {k}", -n) for k, n in ledger.failure.items()]
    rows += [(f"- duplicate: {k}", -n) for k, n in ledger.kind.items()]
    rows += [(f"- filtered: {k}", -n) for k, n in by_policy(m)]
    rows += [("= kept", ledger.outcome["kept"])]
    rows += [("shards", len(m.shards)), ("bytes in shards", sum(s.bytes for s in m.shards))]
    if m.tokenizer:
        rows.append(("visual tokens", m.tokenizer.tokens))
    rows += [(f"CoT records: {k}", n) for k, n in m.cot.modes.items()]
    return [(name, f"{n:,}") for name, n in rows]


def by_policy(m: Manifest) -> list[tuple[str, int]]:
    """Inputs dropped by each rule, in the order in which the rules are applied."""
    place = {step.rule: n for n, step in enumerate(m.funnel)}
    return sorted(m.ledger.rule.items(), key=lambda item: (place.get(item[0], len(place)), item[0]))


def with_conditions(recipe: Recipe, steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The steps of the filter, each with the conditions of its rule as one would write them."""
    rules = {rule.name: rule for rule in load(recipe.filter.policy, known_columns(recipe)).rules}
    return [{**step, **(_conditions(rules[step["rule"]]) if step["rule"] in rules else {})} for step in steps]


def _conditions(rule: Rule) -> dict[str, str]:
    return {"keep": text(rule.keep)} | ({"when": text(rule.when)} if rule.when is not None else {})
