"""What is new in a release that continues another, for trainers: shards by what became of them, samples that came and went."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dataengine.contracts import ASSIGNMENT, columns
from dataengine.release.difference import NOW
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_deltas import ShardDelta
from dataengine.shards.continued import REMOVED
from dataengine.shards.earlier import next_shards
from dataengine.shards.json_types import plain
from dataengine.stage import Run
from dataengine.storage.workspace import File

if TYPE_CHECKING:
    from dataengine.table_engine import Frame

#: A row a sample that came (``shard`` is where it is) or went (where it was). ``outcome`` of one that went: duplicate, filtered
#: or failed, and ``why``: the kind, the rule; absent where no input is that sample any more.
DELTAS = columns(id=pa.string(), change=pa.string(), shard=pa.string(), outcome=pa.string()).append(
    pa.field("why", pa.string())
)
_DELTAS = """
SELECT c.id AS id, c.change AS change, c.shard AS shard,
       CASE WHEN c.change = 'added' THEN 'kept' ELSE COALESCE(n.outcome, 'absent') END AS outcome, n.why AS why
FROM (
  SELECT id, shard, 'added' AS change FROM a UNION ALL SELECT id, shard, 'removed' AS change FROM gone
) AS c LEFT JOIN n ON c.id = n.id
"""
_COUNTS = "SELECT change, outcome, why, CAST(count(*) AS BIGINT) AS n FROM d GROUP BY change, outcome, why"


def write(run: Run, ledger: Frame, base: str) -> tuple[list[File], list[dict[str, Any]]]:
    """Publish DELTAS below ``base``; its files, and rows by change and reason. Nothing where no release is continued."""
    if "continues" not in run.records["shard.assign"].parts["all"].facts:
        return [], []
    engine = run.engine
    gone = run.frame("shard.assign", "removed", REMOVED)
    frames = {"a": run.frame("shard.assign", "added", ASSIGNMENT, ["id", "shard"]), "gone": gone}
    frames["n"] = engine.sql(NOW, {"l": ledger, "gone": gone})
    rows = engine.kept(engine.sql(_DELTAS, frames))
    files = engine.write(run.workspace, f"{base}/deltas", rows, DELTAS, ("id", "change"))
    return files, engine.collect(engine.sql(_COUNTS, {"d": rows})).to_pylist()


def section(run: Run, counted: list[dict[str, Any]]) -> dict[str, Any]:
    """The manifest's ``deltas``; nothing where no release is continued."""
    assigned = run.records["shard.assign"].parts["all"]
    if "continues" not in assigned.facts:
        return {}
    facts, because = assigned.facts["continues"], Counter[str]()
    for row in counted:
        if row["change"] == "removed":
            because[f"{row['outcome']}: {row['why']}" if row["why"] else row["outcome"]] += row["n"]
    added = sum(row["n"] for row in counted if row["change"] == "added")
    return {
        "deltas": {
            "continues": facts["release"],
            "shards": plain(_shards(run, "shard.write", facts["shards"])),
            "added": added,
            "removed": because.total(),
            "stayed": assigned.counts["samples"] - added,
            "removed_because": dict(sorted(because.items())),
            "next_shards": facts["next_shards"],
            "cot": plain(cot := _shards(run, "cot.write", facts["cot"])),
            "next_cot_shards": next_cot_shards(facts, _mixed(run), [shard.name for shard in cot]),
        }
    }


def next_cot_shards(assigned: dict[str, Any], mixed: dict[str, Any], names: list[str]) -> dict[str, int]:
    """By split and family the number of the next new CoT shard. Records may be chosen anew where no sample is: then ``mixed``,
    the facts of cot.mix, continues a later release than ``assigned``, those of shard.assign, and has numbers that went since."""
    before, later = assigned["next_cot_shards"], mixed.get("next_cot_shards", {})
    return next_shards({run: max(before.get(run, 0), later.get(run, 0)) for run in sorted({*before, *later})}, names)


def _mixed(run: Run) -> dict[str, Any]:
    return run.records["cot.mix"].parts["all"].facts if "cot.mix" in run.records else {}


def _shards(run: Run, stage: str, earlier: list[list[Any]]) -> list[ShardDelta]:
    """By name."""
    before = {name: sha256 for name, sha256, *_ in earlier}
    parts = run.records[stage].parts if stage in run.records else {}
    now = {name: out.files["tar"].sha256 for name, out in parts.items()}
    shards = []
    for name in sorted(before.keys() | now.keys()):
        if name not in now:
            shards.append(ShardDelta(name, "removed", before=before[name]))
        elif name not in before:
            shards.append(ShardDelta(name, "added", now[name]))
        else:
            same = now[name] == before[name]
            shards.append(ShardDelta(name, "untouched" if same else "changed", now[name], before[name]))
    return shards


def on_card(m: Manifest) -> str:
    """The card's section; "" where no release is continued."""
    if not m.deltas:
        return ""
    d, counted = m.deltas, _counted(m.deltas.shards)
    cot = f" CoT shards: {_counted(d.cot)}." if d.cot else ""
    because = f" ({', '.join(f'{n:,} {why}' for why, n in d.removed_because.items())})" if d.removed else ""
    return (
        f"## What is new\n\nThis release continues `{d.continues.name}` {d.continues.version} (SHA-256 of its manifest "
        f"`{d.continues.manifest}`): samples that both have stay in their shards. Shards: {counted}.{cot} Samples: {d.stayed:,} "
        f"stayed, {d.added:,} came, {d.removed:,} went{because}. `deltas` of `manifest.json` lists each shard, `deltas.parquet` "
        "each sample that came or went. Facts of a sample that stayed, such as how often it occurs, are of the day it was first "
        "released."
    )


def _counted(shards: list[ShardDelta]) -> str:
    by_change = Counter(shard.change for shard in shards)
    return ", ".join(f"{by_change[change]:,} {change}" for change in ("untouched", "changed", "added", "removed"))
