"""Trying again what may have failed for a passing reason, without reading anything else again."""

from __future__ import annotations

from dataengine import contracts
from dataengine.ingest import download
from dataengine.ingest.stage import Ingest
from dataengine.stage import Run

#: Failures that another day may not have.
PASSING = frozenset({"missing", "unreadable", "timeout", "crashed", "out_of_memory", "http_404"}) | download.PASSING


def forget_failed(run: Run) -> int:
    """Take back the commits of ingest parts with PASSING failures, so that the next run makes them again; how many."""
    stage, store = Ingest(), run.workspace.store
    key = stage.key(run)
    record = run.workspace.record(stage.record_path(run, key))
    if record is None:
        return 0
    parts = {p.name: p for p in stage.plan(run)}
    wanted = []
    for name, output in record.parts.items():
        file = output.files.get("failures")
        failures = run.workspace.read_table([file] if file else [], contracts.FAILURES, ["failure"])
        if PASSING & set(failures["failure"].to_pylist()):
            wanted.append(stage.marker(run, parts[name]))
    if wanted:
        store.delete([stage.record_path(run, key), *wanted])
    return len(wanted)
