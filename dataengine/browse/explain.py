"""Explains what became of one input: the part of the rule that dropped it, its representative and distance, its failure; its
captions, scores, file, shard and chain-of-thought records.

A finished release is enough (its ledger and manifest, from a folder or s3://). With the recipe, the workspace is read, too, as
far as its stages have come. No media is decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from dataengine import contracts
from dataengine.browse import names
from dataengine.browse.inputs import is_scored
from dataengine.browse.session import Session
from dataengine.browse.shard_search import SampleMembers
from dataengine.browse.view_engine import literal
from dataengine.browse.whereabouts import origin
from dataengine.cot.core.schemas import OUTCOMES
from dataengine.errors import RunError, UsageError
from dataengine.policy.annotated import annotated_rows, known_columns
from dataengine.policy.failing import failing
from dataengine.policy.load import load
from dataengine.policy.model import Policy
from dataengine.policy.nodes import text
from dataengine.release.manifest_sections import Dedup
from dataengine.release.similarity import similarity
from dataengine.shards.json_types import known
from dataengine.stage import Run

Lines = list[tuple[str, str]]
Row = Mapping[str, Any]
#: Inputs explained at once, candidates listed, and duplicates or records named of each.
SHOWN, CANDIDATES, _NAMED = 10, 50, 5


@dataclass(frozen=True)
class Explanation:
    """``inputs``: in full, where one input is named, or one sample by its id; else ``candidates`` (source, uri, outcome, input
    id), the first of ``count``. ``ids``: the samples of ``inputs`` and what they are duplicates of."""

    inputs: list[Lines]
    candidates: list[tuple[str, str, str, str]]
    count: int
    ids: list[str]


def explain(session: Session, what: str) -> Explanation:
    """What ``what`` names (see ``names``), explained. Raises UsageError, with the nearest names, where it names nothing."""
    ledger = names.ledger_of(session)
    matched = names.matches(session, ledger, what, CANDIDATES)
    if not matched.rows:
        near = "; ".join(names.nearest(session, ledger, what))
        raise UsageError(
            f"{session.place}: no input matches {what}; {f'nearest: {near}' if near else 'it has no inputs'}"
        )
    if matched.count > 1 and not matched.by_id:
        listed = [(r["source"], r["uri"], r["outcome"], r["input_id"]) for r in matched.rows]
        return Explanation([], listed, matched.count, [])
    explainer = _Explainer(session, ledger)
    rows = explainer.rows("input_id", [row["input_id"] for row in matched.rows[:SHOWN]])
    ids = dict.fromkeys(id_ for row in rows for id_ in (row["representative"], row["id"]) if id_)
    return Explanation([explainer.of(row) for row in rows], [], matched.count, list(ids))


def explain_input(session: Session, ledger: str, input_id: str) -> Lines:
    """One input of a ledger (``names.ledger_of``), explained. Raises KeyError."""
    explainer = _Explainer(session, ledger)
    for row in explainer.rows("input_id", [input_id]):
        return explainer.of(row)
    raise KeyError(input_id)


class _Explainer:
    def __init__(self, session: Session, ledger: str) -> None:
        self._session, self._ledger, self._run = session, ledger, session.run
        self._published = session.published
        self._policy = _policy(session.run)

    def rows(self, column: str, values: Sequence[str], condition: str = "TRUE") -> list[dict[str, Any]]:
        """The first CANDIDATES rows of the ledger with one of these values, by source and uri, each with their ``total``."""
        listed = ", ".join(map(literal, values))
        sql = f"""SELECT *, count(*) OVER () AS total FROM {self._ledger} WHERE "{column}" IN ({listed})
            AND {condition} ORDER BY source, uri LIMIT {CANDIDATES}"""
        rows: list[dict[str, Any]] = self._session.engine.rows(sql).to_pylist()
        return rows

    def of(self, row: Row) -> Lines:
        lines = [("input", _name(row)), ("input id", row["input_id"])]
        lines += [("sample", row["id"])] if row["id"] else []
        if self._run is not None:
            lines.append(("file", origin(self._run.recipe, row["source"], row["uri"])))
        outcome = {"kept": self._kept, "duplicate": self._duplicate, "filtered": self._filtered, "failed": self._failed}
        lines += outcome.get(row["outcome"], _pending)(row)
        return lines + (self._sample(row) if row["id"] else [])

    def _kept(self, row: Row) -> Lines:
        duplicates = self.rows("representative", [row["id"]])
        listed = _list(
            (f"{_name(r)} ({self._similarity(r)})" for r in duplicates), duplicates[0]["total"] if duplicates else 0
        )
        return [("outcome", "kept"), *([("representative of", listed)] if duplicates else []), *self._shard(row)]

    def _duplicate(self, row: Row) -> Lines:
        lines = [("outcome", f"duplicate: {self._similarity(row)}"), ("representative", row["representative"])]
        first = self._first(row)
        if first is None:
            return lines
        lines.append(("its input", _name(first)))
        if self._run is not None:
            lines.append(("its file", origin(self._run.recipe, first["source"], first["uri"])))
        return lines + [(_ITS.get(name, name), value) for name, value in self._why(first)]

    def _first(self, row: Row) -> dict[str, Any] | None:
        """The mention of a duplicate's representative that is no further mention of the same bytes."""
        mentions = self.rows("id", [row["representative"]], "coalesce(\"kind\", '') <> 'exact'")
        return next((r for r in mentions if r["input_id"] != row["input_id"]), None)

    def _why(self, row: Row) -> Lines:
        if row["outcome"] == "kept":
            return [("outcome", "kept"), *self._shard(row)]
        if row["outcome"] == "duplicate":
            other = self._first(row)
            of = f" of {_name(other)}, {other['outcome']}" if other is not None else ""
            return [("outcome", f"duplicate: {self._similarity(row)}{of}")]
        return {"filtered": self._filtered, "failed": self._failed}.get(row["outcome"], _pending)(row)

    def _filtered(self, row: Row) -> Lines:
        name = row["rule"]
        rule = next((r for r in self._policy.rules if r.name == name), None) if self._policy else None
        steps = {step.rule: step for step in self._published.manifest.funnel} if self._published else {}
        reasons = {step.rule: step.reason for step in steps.values()}
        reason = rule.reason if rule is not None else reasons.get(name, name)
        lines = [("outcome", f"filtered: {name}"), ("rule", f"{reason} ({self._policy_name(name, reasons)})")]
        if rule is not None:
            lines.append(("keeps", _keeps(text(rule.keep), text(rule.when) if rule.when is not None else "")))
            for values in annotated_rows(self._needed, [row["id"]]):
                return [*lines, ("fails by", failing(rule, values))]
        if name in steps and steps[name].keep is not UNSET:
            lines.append(("keeps", _keeps(str(steps[name].keep), known(steps[name].when, ""))))
        return [*lines, ("value", "missing" if row["value"] is None else str(row["value"]))]

    def _policy_name(self, rule: str, reasons: Mapping[str, str]) -> str:
        if self._policy is not None and any(r.name == rule for r in self._policy.rules):
            return f"policy {self._policy.name} version {self._policy.version}"
        if self._published is not None and rule in reasons:
            policy = self._published.manifest.policy
            return f"policy {policy.name} version {policy.version}"
        return "not a rule of the policy"

    def _failed(self, row: Row) -> Lines:
        return [("outcome", f"failed: {row['failure']}"), ("message", str(row["message"]))]

    def _similarity(self, row: Row) -> str:
        dedup: Dedup | Any = self._published.manifest.dedup if self._published else self._needed.recipe.dedup
        return f"{row['kind']}, {similarity(dedup, row)}"

    @property
    def _needed(self) -> Run:
        return self._session.needed()

    def _shard(self, row: Row) -> Lines:
        """Where a kept sample lies in the release."""
        place = ""
        lines: Lines = []
        if self._run is not None and "shard.assign" in self._run.records:
            for one in self._table("shard.assign", "assignment", contracts.ASSIGNMENT, row["id"]):
                place = one["shard"]
                lines.append(("shard", f"shards/{place}.tar, sample {one['position'] + 1} of it, split {one['split']}"))
        if self._published is not None and (inside := self._members(row["id"])) is not None:
            lines += [] if place else [("shard", inside.tar)]
            lines.append(("members", ", ".join(f"{row['id']}.{ext}" for ext in inside.extents)))
        return lines

    def _members(self, id_: str) -> SampleMembers | None:
        """None where they are not found in a shard that can be read."""
        try:
            return self._session.shards.members(id_)
        except (KeyError, FileNotFoundError, RunError):
            return None

    def _table(self, stage: str, role: str, schema: Any, id_: str, column: str = "id") -> list[dict[str, Any]]:
        frame = self._needed.frame(stage, role, schema)
        sql = f'SELECT * FROM {frame} WHERE "{column}" = $id'
        rows: list[dict[str, Any]] = self._session.engine.rows(sql, {"id": id_}).to_pylist()
        return rows

    def _sample(self, row: Row) -> Lines:
        """Captions, media, CoT records and scores, where the workspace has them."""
        if self._run is None or "dedup.unique" not in self._run.records:
            return []
        lines: Lines = []
        for one in self._table("dedup.unique", "unique", contracts.UNIQUE, row["id"]):
            captions = [f"“{c['text']}” ({c['uri']} of {c['source']})" for c in one["captions"]]
            lines.append(("captions", _list(captions) if captions else "none"))
            lines.append(
                ("media", f"{self._run.workspace.store.uri(one['media'])}, {one['bytes']:,} bytes at {one['offset']:,}")
            )
        if "cot.mix" in self._run.records and row["outcome"] == "kept":
            lines += _records(self._table("cot.mix", "outcomes", OUTCOMES, row["id"], "sample"))
        if is_scored(self._run):
            for values in annotated_rows(self._run, [row["id"]]):
                lines += [(name, _value(value)) for name, value in values.items() if name != "id"]
        return lines


_ITS = {"outcome": "its outcome", "shard": "its shard", "members": "its members"}


def _policy(run: Run | None) -> Policy | None:
    return load(run.recipe.filter.policy, known_columns(run.recipe)) if run is not None else None


def _pending(row: Row) -> Lines:
    return [("outcome", "pending: the stages that decide about it have not run yet")]


def _records(rows: Sequence[Row]) -> Lines:
    """CoT records about a sample, and what became of the others."""
    if not rows:
        return [("CoT records", "none")]
    kept = [f"{r['rid']} ({r['mode']}, {r['task']})" for r in rows if r["outcome"] == "kept"]
    others = Counter(f"{r['outcome']} at {r['step']}: {r['reason']}" for r in rows if r["outcome"] != "kept")
    lines = [("CoT records", _list(sorted(kept)) if kept else "none")]
    return lines + [("no records", _list(f"{n:,} {why}" for why, n in sorted(others.items())))] * bool(others)


def _keeps(keep: str, when: str) -> str:
    return f"{keep}, of those with {when}" if when else keep


def _value(value: Any) -> str:
    return "missing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _name(row: Row) -> str:
    return f"{row['uri']} of source {row['source']}"


def _list(entries: Iterable[str], total: int | None = None) -> str:
    """The first entries, and how many there are more of ``total`` (as many as ``entries`` where it is not given)."""
    listed: Sequence[str] = list(entries)
    more = (len(listed) if total is None else total) - _NAMED
    return "; ".join([*listed[:_NAMED], *([f"and {more:,} more"] if more > 0 else [])])
