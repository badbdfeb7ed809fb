"""Writes a run's ledger, once it balances, and counts clips and costs for the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.policy.annotated import broken
from dataengine.release import deltas
from dataengine.release.ledger import Tally, balance, build, tally
from dataengine.release.manifest_sections import Cost, StageCost
from dataengine.stage import Run
from dataengine.storage.workspace import File

_VIDEOS = contracts.columns(source=pa.string(), video=pa.string())
_CLIPS = """
SELECT source, CAST(count(*) AS BIGINT) AS clips, CAST(count(DISTINCT video) AS BIGINT) AS videos_cut FROM v
GROUP BY source ORDER BY source
"""
_READ = "SELECT CAST(count(*) AS BIGINT) AS n, CAST(COALESCE(sum(bytes), 0) AS BIGINT) AS bytes FROM s"


@dataclass(frozen=True)
class Account:
    """The files of the ledger, and its counts; those of what is new in a release that continues another."""

    files: list[File]
    tally: Tally
    delta_files: list[File]
    deltas: list[dict[str, Any]]


def account(run: Run, base: str) -> Account:
    """Publishes the ledger below ``base``. Raises BalanceError before anything is written."""
    engine = run.engine
    samples = run.frame("ingest", "samples", contracts.SAMPLES, ["input_id", "source", "uri", "id"])
    frames = {
        "samples": samples,
        "failures": run.frame(
            "ingest", "failures", contracts.FAILURES, ["input_id", "source", "uri", "failure", "message"]
        ),
        "groups": run.frame("dedup", "groups", contracts.GROUPS, ["id", "representative", "kind", "distance"]),
        "decisions": run.frame("filter", "decisions", contracts.DECISIONS, ["id", "kept", "rule", "value"]),
        "broken": broken(run),
    }
    ledger = engine.kept(build(engine, frames))
    counts = tally(engine, ledger)
    rows = sum(int(row["n"] or 0) for row in counts)
    released = run.frame("shard.assign", "assignment", contracts.ASSIGNMENT, ["id"])
    balance(engine, ledger, rows, run.records["ingest"].counts.get("inputs", 0), released)
    files = engine.write(run.workspace, f"{base}/ledger", ledger, contracts.LEDGER, ("input_id",))
    return Account(files, counts, *deltas.write(run, ledger, base))


def clips(run: Run) -> dict[str, dict[str, int]]:
    """Number of clips, and of videos that they were cut out of, by source."""
    samples = run.frame("ingest", "samples", contracts.SAMPLES, ["source", "uri", "parent"])
    cut = run.engine.sql("SELECT source, uri FROM s WHERE parent IS NOT NULL", {"s": samples})
    videos = run.engine.local(cut, (), _videos, _VIDEOS)
    rows = run.engine.collect(run.engine.sql(_CLIPS, {"v": videos})).to_pylist()
    return {row.pop("source"): row for row in rows}


def cost(run: Run, stages: Sequence[str]) -> Cost:
    """Bytes, not time: equal runs have equal manifests. The seconds are in ``dataengine.timings``."""
    read = {"inputs": 0, "bytes": 0}
    for role, schema in (("samples", contracts.SAMPLES), ("failures", contracts.FAILURES)):
        frame = run.frame("ingest", role, schema, ["bytes"])
        [row] = run.engine.collect(run.engine.sql(_READ, {"s": frame})).to_pylist()
        read = {"inputs": read["inputs"] + row["n"], "bytes": read["bytes"] + row["bytes"]}
    there = [(name, run.records[name].parts) for name in stages if name in run.records]
    stages_cost = [
        StageCost(
            stage=name,
            parts=len(parts),
            files=sum(len(out.files) for out in parts.values()),
            bytes=sum(f.bytes for out in parts.values() for f in out.files.values()),
        )
        for name, parts in there
    ]
    return Cost(read["inputs"], read["bytes"], stages_cost)


def _videos(cut: pa.Table) -> pa.Table:
    names = [str(uri).rpartition("#t=")[0] for uri in cut["uri"].to_pylist()]
    return pa.table([cut["source"], pa.array(names, pa.string())], schema=_VIDEOS)
