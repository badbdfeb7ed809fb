"""Explains the outcome of one input from the ledger: the rule that dropped it, its representative and distance, its failure.

A finished release is enough (its ledger and manifest, from a folder or s3://); with the recipe, scores and the place in
the shards come from the workspace. No media is read, no table engine is started, and of tables only the rows asked for are held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.errors import UsageError
from dataengine.release.reader import Published
from dataengine.release.similarity import similarity
from dataengine.stage import Run

Lines = list[tuple[str, str]]
#: Inputs explained at once, and duplicates named of each.
SHOWN, _NAMED = 10, 5
_SHORTEST = 6
"""Characters of an id that are enough to look it up."""


def explain(published: Published, what: str, run: Run | None = None) -> list[Lines]:
    """Outcomes of the inputs that match ``what``, at most SHOWN: a uri or the end of one, or the beginning of an input's or
    sample's id. Raises UsageError where none matches."""
    rows = _named(published, what)[:SHOWN]
    if not rows:
        raise UsageError(
            f"{published.store.url}: no input matches {what}; give its uri as in ledger.parquet (or what follows a / in it), "
            f"or the id of an input or a sample (at least {_SHORTEST} characters)"
        )
    ids = sorted({row["id"] for row in rows if row["id"]})
    columns = _columns(run, ids) if run is not None and ids else {}
    return [_explained(published, row) + columns.get(row["id"], []) for row in rows]


def _named(published: Published, what: str) -> list[dict[str, Any]]:
    rows = _rows(published.inputs(lambda t: pc.or_(_is(t["uri"], what), _ends(t["uri"], f"/{what}"))))
    if rows or len(what) < _SHORTEST:
        return rows
    return _rows(published.inputs(lambda t: pc.or_kleene(_begins(t["input_id"], what), _begins(t["id"], what))))


def _is(column: Any, value: str) -> Any:
    return pc.equal(column, pa.scalar(value))


def _ends(column: Any, end: str) -> Any:
    return pc.ends_with(column, end)


def _begins(column: Any, beginning: str) -> Any:
    return pc.starts_with(column, beginning)


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.sort_by([("source", "ascending"), ("uri", "ascending")]).to_pylist()
    return rows


def _explained(published: Published, row: Mapping[str, Any]) -> Lines:
    lines = [("input", f"{row['uri']} of source {row['source']}"), ("input id", row["input_id"])]
    lines += [("sample", row["id"])] if row["id"] else []
    outcome = {"kept": _kept, "duplicate": _duplicate, "filtered": _filtered, "failed": _failed}[row["outcome"]]
    return lines + outcome(published, row)


def _kept(published: Published, row: Mapping[str, Any]) -> Lines:
    duplicates = _rows(published.inputs(lambda t: _is(t["representative"], row["id"])))
    listed = _list(f"{_name(r)} ({_similarity(published, r)})" for r in duplicates)
    return [("outcome", "kept"), *([("representative of", listed)] if duplicates else [])]


def _duplicate(published: Published, row: Mapping[str, Any]) -> Lines:
    representative = _rows(published.inputs(lambda t: _is(t["id"], row["representative"])))
    first = next((r for r in representative if r["outcome"] != "duplicate"), None)
    lines = [("outcome", f"duplicate: {_similarity(published, row)}"), ("representative", row["representative"])]
    if first is None:
        return lines
    lines.append(("its input", _name(first)))
    return lines + [("its outcome" if name == "outcome" else name, text) for name, text in _why(published, first)]


def _why(published: Published, row: Mapping[str, Any]) -> Lines:
    if row["outcome"] == "kept":
        return [("outcome", "kept")]
    return (_filtered if row["outcome"] == "filtered" else _failed)(published, row)


def _filtered(published: Published, row: Mapping[str, Any]) -> Lines:
    rule = row["rule"]
    reasons = {step.rule: step.reason for step in published.manifest.funnel}
    policy = published.manifest.policy
    by = f"policy {policy.name} version {policy.version}" if rule in reasons else "not a rule of the policy"
    lines = [("outcome", f"filtered: {rule}"), ("rule", f"{reasons.get(rule, rule)} ({by})")]
    return [*lines, ("value", "missing" if row["value"] is None else str(row["value"]))]


def _failed(published: Published, row: Mapping[str, Any]) -> Lines:
    return [("outcome", f"failed: {row['failure']}"), ("message", str(row["message"]))]


def _similarity(published: Published, row: Mapping[str, Any]) -> str:
    return f"{row['kind']}, {similarity(published.manifest.dedup, row)}"


def _columns(run: Run, ids: Sequence[str]) -> dict[str, Lines]:
    """Place in the shards and scores of each sample that has them, by id."""
    from dataengine.policy.annotated import annotated_rows

    lines: dict[str, Lines] = {id_: [] for id_ in ids}
    for row in run.rows_of("shard.assign", "assignment", contracts.ASSIGNMENT, ids).to_pylist():
        lines[row["id"]].append(("shard", f"{row['shard']}, sample {row['position'] + 1} of it"))
    for row in annotated_rows(run, ids):
        lines[row.pop("id")] += [(name, _value(value)) for name, value in row.items()]
    return lines


def _value(value: Any) -> str:
    return "missing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['uri']} of {row['source']}"


def _list(names: Iterable[str]) -> str:
    listed: Sequence[str] = list(names)
    more = len(listed) - _NAMED
    return "; ".join([*listed[:_NAMED], *([f"and {more:,} more"] if more > 0 else [])])
