"""What a whole run of the engine has left for those who watch it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.command import dataengine
from support.small_release import NAME, PICTURES, recipe

pytestmark = pytest.mark.slow


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_its_log_metrics_and_lineage_agree_with_its_release(watch_folder: Path) -> None:
    counts = json.loads((watch_folder / "ws/stages/release" / f"{NAME}.json").read_text())["parts"]["all"]["counts"]
    assert sum(counts.values()) == len(PICTURES) + 2
    log = lines(watch_folder / "run.jsonl")
    assert log[-1]["message"] == "run finished" and all(line["run"] == log[0]["run"] for line in log)
    [released] = [line for line in log if line["message"] == "stage done" and line["stage"] == "release"]
    assert released["counts"] == counts
    events = lines(watch_folder / "lineage.jsonl")
    done = {e["job"]["name"]: e for e in events if e["eventType"] == "COMPLETE"}
    samples = next(o for o in done[f"{NAME}.ingest"]["outputs"] if o["name"].endswith("ingest/samples"))
    assert samples["outputFacets"]["outputStatistics"]["rowCount"] == len(PICTURES) + 2
    families = {f.name: f for f in text_string_to_metric_families((watch_folder / "run.prom").read_text())}
    outcomes = families["dataengine_stage_outcomes"].samples
    assert {s.labels["outcome"]: s.value for s in outcomes if s.labels["stage"] == "release"} == counts
    parts = {s.labels["stage"]: s.value for s in families["dataengine_stage_parts_made"].samples}
    log_parts = [line["stage"] for line in log if line["message"] == "part made"]
    assert (
        parts["ingest"] == log_parts.count("ingest") > 0 and parts["shard.write"] == log_parts.count("shard.write") > 0
    )
    seconds = {s.labels["stage"]: s.value for s in families["dataengine_stage_worker_seconds"].samples}
    assert seconds["ingest"] > 0 and families["dataengine_stage_decoded_files"].samples


def test_status_from_the_workspace_and_from_the_recipe_agree(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus").symlink_to(workspace.parent / "corpus")
    alone = json.loads(dataengine("status", str(workspace), "--json").stdout)
    planned = json.loads(dataengine("status", str(recipe(tmp_path, str(workspace))), "--json").stdout)
    assert alone["state"] == "finished" and {stage["state"] for stage in alone["stages"]} == {"done"}
    assert [s["stage"] for s in planned["stages"]] == [s["stage"] for s in alone["stages"]]
    assert {s["stage"]: s["parts"] for s in planned["stages"] if s["state"] == "done"}["ingest"] > 0
