"""The job array on Debian's Slurm, one node: shares by task id, a killed task, a stage that a person must look at."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from one_node_slurm import Slurm
from places import BIN, ROOT
from support.small_corpus import Setup

PLAN = """
# STAGE TASKS [options of sbatch]
ingest 3
dedup.unique 1
dedup 1
score 2 --cpus-per-task=2
filter 1
tokenize 1
shard.assign 1
shard.write 2
cot 1
release 1
"""
#: Kills the second task of the first array once, after its first part.
KILLER = """#!/usr/bin/env bash
if [ "$SLURM_JOB_NAME" = ingest ] && [ "${{SLURM_ARRAY_TASK_ID:-}}" = 2 ] && [ "${{SLURM_RESTART_COUNT:-0}}" = 0 ]; then
  setsid {command} "$@" & pid=$!
  until ls "$4"/stages/ingest/parts/*.json >/dev/null 2>&1; do sleep 0.05; done
  kill -9 -- "-$pid"
  wait "$pid"
  exit 137
fi
exec {command} "$@"
"""


@pytest.fixture
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    if os.getuid() != 0 or shutil.which("slurmctld", path="/usr/sbin:" + os.environ["PATH"]) is None:
        pytest.skip("needs root, slurm-wlm and munge: infra/ensure-slurm")
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.call("scancel", "--user=root", ok=False)
        cluster.stop()


def submit(slurm: Slurm, recipe: Path, workspace: Path, plan: str, **environment: str) -> str:
    (slurm.folder / "plan").write_text(plan)
    command = [str(ROOT / "infra/slurm/submit"), str(slurm.folder / "plan"), str(recipe), str(workspace)]
    return slurm.call(*command, **environment)


def logs(slurm: Slurm, name: str) -> str:
    return "".join(path.read_text() for path in sorted(slurm.folder.glob(f"slurm-{name}-*.log")))


def test_stages_run_as_arrays_and_a_killed_task_resumes(slurm: Slurm, small: Setup, tmp_path: Path) -> None:
    killer = tmp_path / "bin" / "dataengine"
    killer.parent.mkdir()
    killer.write_text(KILLER.format(command=BIN / "dataengine"))
    killer.chmod(0o755)
    workspace = tmp_path / "ws"
    lines = submit(slurm, small.recipe, workspace, PLAN, PATH=f"{killer.parent}:{slurm.environment['PATH']}")
    print(lines)
    states = slurm.wait(500)
    for name in ("ingest", "score", "shard.write"):
        print(logs(slurm, name))
    assert {state for _, state in states.values()} == {"COMPLETED"}, states
    assert len(states) == 10 + 3 + 2 + 2, "arrays of three and twice two, and a job that commits each"
    ingest = logs(slurm, "ingest")
    assert re.search(r"job \d+_2: exit code 137", ingest) and "try 2: dataengine run" in ingest
    assert ingest.count("partly done") == 3 and ingest.count("done") > 3
    for name in ("manifest.json", "ledger.parquet", "README.md", "croissant.json"):
        assert (workspace / "releases/small" / name).read_bytes() == (small.release / name).read_bytes(), name


def test_what_a_person_must_look_at_ends_the_chain(slurm: Slurm, tmp_path: Path) -> None:
    """Exit code 2: no second try, and the jobs after it are cancelled."""
    submit(slurm, tmp_path / "missing.yaml", tmp_path / "ws", "ingest 2\nscore 1\nrelease 1\n")
    states = slurm.wait(120)
    by_name: dict[str, set[str]] = {}
    for name, state in states.values():
        by_name.setdefault(name, set()).add(state)
    assert by_name == {"ingest": {"FAILED", "CANCELLED"}, "score": {"CANCELLED"}, "release": {"CANCELLED"}}
    log = logs(slurm, "ingest")
    assert log.count("exit code 2") == 2 and "try 2" not in log
    assert not (tmp_path / "ws").exists()
