"""Retry of inputs with transient failures, without reading any other part again (``--retry-failed``)."""

from __future__ import annotations

from dataengine import contracts
from dataengine.ingest import download
from dataengine.ingest.stage import Ingest
from dataengine.stage import Run

#: Failures that a later run may not meet.
TRANSIENT = frozenset({"missing", "unreadable", "timeout", "crashed", "out_of_memory", "http_404"}) | download.TRANSIENT


def forget_failed(run: Run) -> int:
    """Delete the commits of ingest parts with TRANSIENT failures, so that the next run reads these parts again; returns how
    many. Those of partitions that have gone since they were taken up stay as they are."""
    stage, store = Ingest(), run.workspace.store
    key = stage.key(run)
    record = run.workspace.record(stage.record_path(run, key))
    if record is None:
        return 0
    parts = {p.name: p for p in stage.plan(run)}
    failed = []
    for name, output in record.parts.items():
        file = output.files.get("failures")
        failures = run.workspace.read_table([file] if file else [], contracts.FAILURES, ["failure"])
        if TRANSIENT & set(failures["failure"].to_pylist()):
            failed.append(parts[name])
    wanted = [stage.marker(run, part) for part in stage.readable(run.recipe, failed)]
    if wanted:
        store.delete([stage.record_path(run, key), *wanted])
    return len(wanted)
