"""The fate of one input in words, from the ledger: which rule, which representative and how near, what of it is released.

A finished release is enough (its ledger and manifest, from a folder or s3://); with the recipe the workspace's columns
are asked as well, for scores and for the place in the shards. No media is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.errors import UsageError
from dataengine.release.reader import Published
from dataengine.stage import Run

Lines = list[tuple[str, str]]
#: Inputs that one question is answered for, and others that an answer names.
SHOWN, _NAMED = 10, 5
_SHORTEST = 6
"""Characters of an id that are enough to ask by."""


def explain(published: Published, what: str, run: Run | None = None) -> list[Lines]:
    """For each input that ``what`` names (its uri or the end of it, its input id, a sample's id or the beginning of one) what
    became of it, at most SHOWN. Raises UsageError where there is none."""
    ledger = published.ledger()
    rows = _named(ledger, what)[:SHOWN]
    if not rows:
        raise UsageError(
            f"{published.store.url}: no input is called {what}; ask by the uri that ledger.parquet has (or what follows a / "
            f"in it), by the id of an input or of a sample ({_SHORTEST} characters at least)"
        )
    ids = sorted({row["id"] for row in rows if row["id"]})
    columns = _columns(run, ids) if run is not None and ids else {}
    return [_told(published, ledger, row) + columns.get(row["id"], []) for row in rows]


def _named(ledger: pa.Table, what: str) -> list[dict[str, Any]]:
    uri: Any = ledger["uri"]
    same: Any = pc.equal(uri, pa.scalar(what))
    exact: Any = pc.or_(same, pc.ends_with(uri, f"/{what}"))
    found = _rows(ledger.filter(exact))
    if found or len(what) < _SHORTEST:
        return found
    input_id, id_ = ledger["input_id"], ledger["id"]
    begins: Any = pc.or_kleene(pc.starts_with(input_id, what), pc.starts_with(id_, what))
    return _rows(ledger.filter(begins))


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.sort_by([("source", "ascending"), ("uri", "ascending")]).to_pylist()
    return found


def _told(published: Published, ledger: pa.Table, row: Mapping[str, Any]) -> Lines:
    lines = [("input", f"{row['uri']} of source {row['source']}"), ("input id", row["input_id"])]
    lines += [("sample", row["id"])] if row["id"] else []
    told = {"kept": _kept, "duplicate": _duplicate, "filtered": _filtered, "failed": _failed}[row["outcome"]]
    return lines + told(published, ledger, row)


def _kept(published: Published, ledger: pa.Table, row: Mapping[str, Any]) -> Lines:
    mine: Any = pc.equal(ledger["representative"], pa.scalar(row["id"]))
    alike = _rows(ledger.filter(mine))
    lines = [("outcome", "kept")]
    return lines + ([("stands for", _list(f"{_name(r)} ({_near(published, r)})" for r in alike))] if alike else [])


def _duplicate(published: Published, ledger: pa.Table, row: Mapping[str, Any]) -> Lines:
    stands = _rows(ledger.filter(pc.equal(ledger["id"], pa.scalar(row["representative"]))))
    first = next((r for r in stands if r["outcome"] != "duplicate"), None)
    lines = [("outcome", f"duplicate: {_near(published, row)}"), ("representative", row["representative"])]
    if first is None:
        return lines
    lines.append(("which is", _name(first)))
    return lines + [("its outcome" if name == "outcome" else name, text) for name, text in _why(published, first)]


def _why(published: Published, row: Mapping[str, Any]) -> Lines:
    if row["outcome"] == "kept":
        return [("outcome", "kept")]
    return (_filtered if row["outcome"] == "filtered" else _failed)(published, None, row)


def _filtered(published: Published, ledger: pa.Table | None, row: Mapping[str, Any]) -> Lines:
    rule = row["rule"]
    reasons = {step.rule: step.reason for step in published.manifest.funnel}
    policy = published.manifest.policy
    by = f"policy {policy.name} version {policy.version}" if rule in reasons else "not a rule of the policy"
    lines = [("outcome", f"filtered: {rule}"), ("rule", f"{reasons.get(rule, rule)} ({by})")]
    return [*lines, ("value", "missing" if row["value"] is None else str(row["value"]))]


def _failed(published: Published, ledger: pa.Table | None, row: Mapping[str, Any]) -> Lines:
    return [("outcome", f"failed: {row['failure']}"), ("message", str(row["message"]))]


def _near(published: Published, row: Mapping[str, Any]) -> str:
    """How a duplicate is like its representative, with the bound that it is held to."""
    dedup, distance = published.manifest.dedup, row["distance"]
    if row["kind"] == "exact":
        return "exact, the same bytes"
    if row["kind"] == "pixels":
        return "pixels, the same picture once decoded"
    if row["kind"] == "aligned":
        return f"aligned, {distance:g} of 64 bits differ, and one can be laid on the other"
    if row["kind"] == "semantic" and dedup.semantic is not None:
        return f"semantic, cosine {1 - distance:.4g} (an edge: at least {dedup.semantic.threshold:g})"
    if row["kind"] == "perceptual":
        return f"perceptual, {distance:g} of 64 bits differ (an edge: at most {dedup.radius})"
    if row["kind"] == "video":
        return f"video, {1 - distance:.0%} of the frames alike (an edge: at least {dedup.video_overlap:.0%})"
    return f"{row['kind']}, distance {distance:g}"


def _columns(run: Run, ids: Sequence[str]) -> dict[str, Lines]:
    """Place in the release and scores of each sample that has them, by id."""
    from dataengine.score.annotated import annotated

    place = f'SELECT "id", "shard", "position" FROM a WHERE "id" IN ({", ".join("?" * len(ids))})'
    assignment = run.frame("shard.assign", "assignment", contracts.ASSIGNMENT, ["id", "shard", "position"])
    lines: dict[str, Lines] = {id_: [] for id_ in ids}
    for row in run.engine.collect(run.engine.sql(place, {"a": assignment}, ids)).to_pylist():
        lines[row["id"]].append(("shard", f"{row['shard']}, sample {row['position'] + 1} of it"))
    for row in run.engine.collect(annotated(run, ids=ids)).to_pylist():
        lines[row.pop("id")] += [(name, _value(value)) for name, value in row.items()]
    return lines


def _value(value: Any) -> str:
    return "missing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['uri']} of {row['source']}"


def _list(names: Iterable[str]) -> str:
    found: Sequence[str] = list(names)
    more = len(found) - _NAMED
    return "; ".join([*found[:_NAMED], *([f"and {more:,} more"] if more > 0 else [])])
