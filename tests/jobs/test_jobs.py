"""Each kind of stage submitted alone as a scheduler does: ``ray job submit`` to a running head, ``spark-submit``."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sklearn
import yaml
from support.command import dataengine
from support.servers import free_port, wait_for

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PICTURES = Path(sklearn.__file__).parent / "datasets" / "images"
ENV = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "RAY_USAGE_STATS_ENABLED": "0"}
ENV |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}


def call(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def _wait_for_agent(address: str) -> None:
    """The job server answers before it can take jobs."""
    command = [str(BIN / "ray"), "job", "submit", "--address", address, "--", "true"]
    for _ in range(120):
        done = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=900)
        if done.returncode == 0:
            return
        assert "No available agent" in done.stderr or "status code 504" in done.stderr, done.stderr[-3000:]
        time.sleep(1)
    raise TimeoutError(f"no agent of {address} takes jobs")


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """A Ray head with its job server, in a process group of its own."""
    port, dashboard, agent = free_port(), free_port(), free_port()
    command = [str(BIN / "ray"), "start", "--head", "--block", "--num-cpus", "2", "--port", str(port)]
    command += [
        "--dashboard-host",
        "127.0.0.1",
        "--dashboard-port",
        str(dashboard),
        "--dashboard-agent-listen-port",
        str(agent),  # the usual one is taken by the Ray of this process
        "--object-store-memory",
        "200000000",
    ]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=ENV, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        wait_for(dashboard, process)
        address = f"http://127.0.0.1:{dashboard}"
        _wait_for_agent(address)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "photos").mkdir()
    for name in ("china.jpg", "flower.jpg"):
        shutil.copy(PICTURES / name, folder / "photos" / name)
    (folder / "photos" / "broken.jpg").write_bytes((PICTURES / "china.jpg").read_bytes()[:9000])
    policy = {
        "name": "p",
        "version": "1",
        "rules": [{"name": "wide", "keep": "aspect > 1.2", "on_missing": "drop", "reason": "r"}],
    }
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    told = {
        "name": "jobs",
        "workspace": str(folder / "ws"),
        "sources": [{"type": "folder", "name": "photos", "path": str(folder / "photos"), "buckets": 2}],
        "score": {"scorers": [{"name": "technical"}]},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": None,
        "cot": None,
        "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(told))
    return folder / "recipe.yaml"


def tables(workspace: Path) -> dict[str, list[dict[str, object]]]:
    folders = ("dedup", "decisions", "shards", "releases")
    found = [path for folder in folders for path in (workspace / folder).rglob("*.parquet")]
    return {str(p.relative_to(workspace)): pq.read_table(p).to_pylist() for p in found}


def test_stages_are_submitted_alone(head: str, recipe: Path) -> None:
    """Record stages to Ray, table stages to Spark; then all of it again in one process, by DuckDB."""
    workspace = recipe.parent / "ws"
    submit = [str(BIN / "ray"), "job", "submit", "--address", head, "--", sys.executable]
    spark = [str(BIN / "spark-submit"), "--master", "local[2]"]
    said = call(*submit, str(ROOT / "jobs/ray/ingest.py"), str(recipe))
    assert "2 samples" in said and "1 failed" in said
    call(*spark, "jobs/spark/dedup.py", str(recipe))
    call(*submit, str(ROOT / "jobs/ray/score.py"), str(recipe))
    assert "2 in" in call(*spark, "jobs/spark/filter.py", str(recipe))
    assert "2 samples" in call(*spark, "jobs/spark/assign.py", str(recipe))
    call(*submit, str(ROOT / "jobs/ray/shard.py"), str(recipe))
    assert "2 kept · 1 failed" in call(*spark, "jobs/spark/release.py", str(recipe))
    other = recipe.parent / "duckdb"
    dataengine("run", str(recipe), "--workspace", str(other))
    made = tables(other)
    assert tables(workspace) == made
    assert {name.partition("/")[0] for name in made} == {"dedup", "decisions", "shards", "releases"}
    manifests = [(ws / "releases" / "jobs" / "manifest.json").read_bytes() for ws in (workspace, other)]
    assert manifests[0] == manifests[1]
