"""What the end of a run says: inputs, captions and kept samples by source, the commonest failures, what changed since before.

None of it is part of the release. The figures by source are facts of the release stage's commit; the change, which depends on
what was there before, is a note of its own, ``changes/NAME.json``.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.errors import DataEngineError
from dataengine.ingest.error_budget import commonest
from dataengine.release.account import Account
from dataengine.release.difference import difference
from dataengine.release.manifest_sections import Difference
from dataengine.release.reader import open_release
from dataengine.stage import Run
from dataengine.storage.workspace import Workspace, canonical_json

Json = dict[str, Any]
_CAPTIONED = contracts.columns(source=pa.string(), captioned=pa.int64())
_SUM = "SELECT source, CAST(sum(captioned) AS BIGINT) AS n FROM c GROUP BY source ORDER BY source"


def facts(run: Run, account: Account) -> Json:
    """Figures by source, of each source the commonest class of failure at ingest with an example, and measures against hostile
    files that were not in force."""
    captioned = _captioned(run)
    tally: dict[str, Counter[str]] = {}
    for row in account.tally:
        tally.setdefault(str(row["source"]), Counter())[str(row["outcome"])] += int(row["n"] or 0)
    sources = [
        {
            "name": source.name,
            "inputs": sum(tally.get(source.name, {}).values()),
            "captioned": captioned.get(source.name, 0),
            "failed": tally.get(source.name, Counter())["failed"],
            "kept": tally.get(source.name, Counter())["kept"],
        }
        for source in run.recipe.sources
    ]
    failures = [
        {"source": name, "failure": first.failure, "inputs": first.inputs, "example": list(first.examples[0])}
        for name, (first, *_) in sorted(commonest(run).items())
    ]
    unconfined = {
        k: v for part in run.records["ingest"].parts.values() for k, v in part.facts.get("unconfined", {}).items()
    }
    return {"sources": sources, "failures": failures} | ({"unconfined": unconfined} if unconfined else {})


def _captioned(run: Run) -> dict[str, int]:
    """Number of readable inputs with a caption, by source."""
    samples = run.frame("ingest", "samples", contracts.SAMPLES, ["source", "captions"])
    rows = run.engine.collect(run.engine.sql(_SUM, {"c": run.engine.local(samples, (), _counted, _CAPTIONED)}))
    return {row["source"]: row["n"] for row in rows.to_pylist()}


def _counted(table: pa.Table) -> pa.Table:
    some = [int(bool(captions)) for captions in table["captions"].to_pylist()]
    return pa.table([table["source"], pa.array(some, pa.int64())], schema=_CAPTIONED)


def note_changes(run: Run, account: Account) -> None:
    """Keep what the run has changed in its release, as long as the earlier one is there to compare with."""
    store = run.workspace.store
    key = f"changes/{run.recipe.name}.json"
    ledger = run.engine.scan(run.workspace, account.files, contracts.LEDGER)
    try:
        earlier = open_release(store.uri(f"releases/{run.recipe.name}"))
    except DataEngineError:  # none, or one of another version or damaged, which is replaced
        store.delete([key])
        return
    store.put(key, canonical_json(_json(difference(run.engine, ledger, earlier))))


def _json(change: Difference) -> Json:
    return {"added": change.added, "removed": change.removed, "same": change.same, "because": change.removed_because}


def source_rows(workspace: Workspace, name: str) -> list[tuple[str, ...]]:
    """A row a source: inputs, with captions, failed, kept. Empty where an older version made the release."""
    return [
        (s["name"], *(f"{s[column]:,}" for column in ("inputs", "captioned", "failed", "kept")))
        for s in _facts(workspace, name).get("sources", [])
    ]


def sentences(workspace: Workspace, name: str, made: bool) -> list[str]:
    """Warnings about sources without captions, failures and unconfined decoding, and what changed; ``made``: the run has made
    the release."""
    known = _facts(workspace, name)
    lines = [
        f"source `{s['name']}`: no caption was found in {s['inputs'] - s['failed']:,} readable inputs"
        for s in known.get("sources", [])
        if not s["captioned"] and s["inputs"] > s["failed"]
    ]
    for kind in known.get("failures", []):
        uri, message = kind["example"]
        what = f"{kind['inputs']:,} {kind['failure']}, the commonest failure"
        lines.append(f"source `{kind['source']}`: {what}, for example {uri}: {message}")
    if missing := known.get("unconfined"):
        reasons = "; ".join(f"{name} ({why})" for name, why in missing.items())
        lines.append(f"decode processes were not confined in full, not in force: {reasons}; see docs/security.md")
    return [*lines, _change(workspace, name) if made else "nothing has changed since the last run"]


def _change(workspace: Workspace, name: str) -> str:
    try:
        change = json.loads(workspace.store.get(f"changes/{name}.json"))
    except FileNotFoundError:
        return "this is the first release of this name"
    because = ", ".join(f"{n:,} {why}" for why, n in change["because"].items())
    gone = f" (now {because})" if because else ""
    return f"since the last run: {change['added']:,} samples new, {change['removed']:,} gone{gone}, {change['same']:,} as before"


def _facts(workspace: Workspace, name: str) -> Json:
    record = workspace.record(f"stages/release/{name}.json")
    return record.parts["all"].facts if record else {}
