"""The DAG run by Airflow itself, in an environment of its own: the demo on Ray and Spark, exit codes, Kubernetes, a backfill."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from airflow_home import AIRFLOW, AirflowHome
from operators import operators
from places import ENVIRONMENT, ROOT
from support.servers import free_port
from support.small_corpus import Setup

pytestmark = pytest.mark.skipif(not AIRFLOW.exists(), reason="make schedule-check installs Airflow in .venv-airflow")
DAGS = ROOT / "infra" / "airflow" / "dags.toml"


def started(log: str) -> list[str]:
    """Tasks in the order of their tries."""
    return re.findall(r"\[DAG TEST\] starting task_id=(\w+)", log)


def ended(log: str) -> list[str]:
    """What the tries ended with, in their order."""
    return re.findall(r"Task instance state updated .*new_state=(\w+)", log)


def test_the_demo_runs_on_ray_and_spark(demo_corpus: Path, tmp_path: Path) -> None:
    """All stages of jobs/recipes/demo.yaml as the DAG that is shipped, in a workspace of the test; what was planted is found."""
    dags = DAGS.read_text().replace('"workspace/demo"', f'"{tmp_path / "ws"}"')
    airflow = AirflowHome(tmp_path / "airflow", dags)
    log = airflow.test("demo", "2026-11-20")
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "airflow-demo.log").write_text(log)
    stages = [
        "ingest",
        "unique",
        "embed",
        "dedup",
        "score",
        "index",
        "filter",
        "tokenize",
        "assign",
        "shard",
        "cot",
        "release",
    ]
    assert started(log) == stages
    assert ended(log) == ["success"] * len(stages)
    assert len(set(re.findall(r"DATAENGINE_RUN=(\S+)", log))) == 1
    check = [
        str(Path(sys.executable).with_name("dataengine")),
        "demo-check",
        str(demo_corpus),
        "jobs/recipes/demo.yaml",
    ]
    subprocess.run([*check, "--workspace", str(tmp_path / "ws")], cwd=ROOT, env=ENVIRONMENT, check=True, timeout=300)


def dag(name: str, stages: list[str], command: str = "", **settings: object) -> str:
    """A table of ``dags.toml``; ``command``: of all stages."""
    words: dict[str, object] = {"recipe": "r.yaml", "workspace": "w", "stages": stages, "retry_seconds": 1, **settings}
    if command:
        words |= {"record.command": command, "table.command": command}
    return f"[{name}]\nstart = 2026-11-01\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in words.items())


def test_a_wrong_table_does_not_stop_the_other_dags(tmp_path: Path) -> None:
    wrong = [
        dag('"no key"', ["ingest"], "true", partitions="{{ ds }}"),
        dag("no_record", ["ingest"], schedule="0 3 * * *"),
        dag("no_number", ["ingest"], "true", retry_seconds="ten"),
        "[no_settings]\n",
        dag("no_cron", ["ingest"], "true", schedule="every day"),
    ]
    airflow = AirflowHome(tmp_path / "airflow", "no_table = 3\n" + "".join(wrong) + dag("right", ["ingest"], "true"))
    assert ended(airflow.test("right", "2026-11-20")) == ["success"]
    listed = json.loads(airflow.call("dags", "list", "--output", "json").splitlines()[-1])
    names = {one["dag_id"] for one in listed}
    assert names == {"right", "no_table", "no_key", "no_record", "no_number", "no_settings", "no_cron"}
    log = airflow.test("no_record", "2026-11-20", ok=False)
    assert started(log) == ["wrong_table"] and ended(log) == ["failed"]
    assert "[no_record] is not run" in log and "needs record" in log


def test_a_wrong_recipe_fails_at_once(tmp_path: Path) -> None:
    settings = dag("wrong", ["ingest", "unique"], "dataengine {stage} {recipe}", recipe=str(tmp_path / "missing.yaml"))
    log = AirflowHome(tmp_path / "airflow", settings).test("wrong", "2026-11-20", ok=False)
    assert started(log) == ["ingest"] and ended(log) == ["failed"]
    assert "AirflowFailException: ingest: exit code 2" in log and "missing.yaml" in log


#: Holds the workspace until its standard input ends.
RIVAL = """
import sys
from dataengine.storage.lease import Lease
from dataengine.storage.store import Store
lease = Lease(Store(sys.argv[1]), "by hand")
lease.take()
print("held", flush=True)
sys.stdin.read()
lease.close()
"""


def test_a_workspace_that_another_scheduler_holds_is_waited_for(small: Setup, tmp_path: Path) -> None:
    """Exit code 5: the task is tried again, and runs once the other run has ended."""
    workspace, pipe = tmp_path / "ws", subprocess.PIPE
    command = [sys.executable, "-c", RIVAL, str(workspace)]
    rival = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=ENVIRONMENT)
    assert rival.stdout is not None and rival.stdin is not None and rival.stdout.readline() == b"held\n"
    stage = tmp_path / "stage"
    stage.write_text(f'#!/bin/sh\ndataengine "$@"\ncode=$?\ntouch {tmp_path}/tried\nexit $code\n')
    stage.chmod(0o755)
    words = f"{stage} {{stage}} {{recipe}} --workspace {{workspace}}"
    settings = dag("held", ["ingest"], words, recipe=str(small.recipe), workspace=str(workspace), retry_seconds=5)
    airflow = AirflowHome(tmp_path / "airflow", settings)
    process = airflow.start("dags", "test", "held", "2026-11-20")
    while not (tmp_path / "tried").exists():
        assert process.poll() is None
        time.sleep(0.1)
    rival.stdin.close()
    assert rival.wait(30) == 0 and process.wait(300) == 0
    log = (airflow.folder / "dags.out").read_text()
    assert started(log) == ["ingest", "ingest"] and ended(log) == ["up_for_retry", "success"]
    assert "recipe `by hand` holds this workspace" in log and "ingest: exit code 5" in log


def manifest(kind: str, stage: str, spec: dict[str, object]) -> str:
    """As Kustomize renders a stage: with the objects that it needs."""
    version = {"RayJob": "ray.io/v1", "SparkApplication": "sparkoperator.k8s.io/v1beta2"}[kind]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "dataengine"}}
    job = {"apiVersion": version, "kind": kind, "metadata": {"name": stage, "namespace": "data"}, "spec": spec}
    return str(yaml.safe_dump_all([account, job]))


def test_stages_run_as_resources_of_kubernetes(small: Setup, tmp_path: Path) -> None:
    """Ingest as a RayJob, unique as a SparkApplication; a third stage fails at once with the stage's own code."""
    words = [str(small.recipe), "--workspace", str(tmp_path / "ws")]
    ingest = {"entrypoint": " ".join([sys.executable, "jobs/ray/ingest.py", *words])}
    unique = {"mainApplicationFile": "jobs/spark/unique.py", "arguments": words}
    wrong = {"entrypoint": f"{sys.executable} jobs/ray/embed.py missing.yaml"}
    (tmp_path / "ingest.yaml").write_text(manifest("RayJob", "ingest", ingest))
    (tmp_path / "unique.yaml").write_text(manifest("SparkApplication", "unique", unique))
    (tmp_path / "embed.yaml").write_text(manifest("RayJob", "embed", wrong))
    path = f"{tmp_path}/{{stage}}.yaml"
    launch = {
        f"{kind}.{key}": value
        for kind in ("record", "table")
        for key, value in (("manifest", path), ("poll_seconds", 0.5))
    }
    settings = dag("cluster", ["ingest", "unique", "embed"], **launch)
    with operators() as (cluster, address):
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "here"}
        config["clusters"] = [{"name": "here", "cluster": {"server": address}}]
        config["contexts"] = [{"name": "here", "context": {"cluster": "here", "user": "here"}}]
        config["users"] = [{"name": "here", "user": {"token": "t"}}]
        connection = json.dumps({"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(config)}})
        airflow = AirflowHome(tmp_path / "airflow", settings, AIRFLOW_CONN_KUBERNETES_DEFAULT=connection)
        log = airflow.test("cluster", "2026-11-20", ok=False)
    assert started(log) == ["ingest", "unique", "embed"] and ended(log) == ["success", "success", "failed"], log[-3000:]
    assert "AirflowFailException: embed: exit code 2" in log
    assert [one["kind"] for one in cluster.created] == ["RayJob", "SparkApplication", "RayJob"]
    assert cluster.resources == {}, "each is deleted at its end"
    ingest, unique = (next(iter((tmp_path / "ws/stages" / name).glob("*.json"))) for name in ("ingest", "dedup.unique"))
    for record in (ingest, unique):
        assert record.read_bytes() == (Path(small.workspace) / record.relative_to(tmp_path / "ws")).read_bytes()


def test_a_backfill_runs_its_partitions_in_order(tmp_path: Path) -> None:
    """Airflow's scheduler and API server: three days that are over, each with its day as ``--partition`` in all its stages."""
    record = tmp_path / "calls"
    command = f"sh -c 'echo $0 $@ >> {record}' {{stage}}"
    settings = dag("days", ["ingest", "unique"], command, schedule="0 3 * * *", partition="{{ ds }}")
    port = free_port()
    airflow = AirflowHome(
        tmp_path / "airflow",
        settings,
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://127.0.0.1:{port}/execution/",
        AIRFLOW__API_AUTH__JWT_SECRET="0123456789abcdef" * 2,
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",
    )
    airflow.call("dags", "reserialize")
    airflow.call("dags", "unpause", "days")
    days = ("--from-date", "2026-11-10", "--to-date", "2026-11-13")
    # Airflow asks for --reprocess-behavior where a day waits for the one before it.
    airflow.call(
        "backfill", "create", "--dag-id", "days", *days, "--max-active-runs", "1", "--reprocess-behavior", "failed"
    )
    daemons = [airflow.start("api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1")]
    daemons.append(airflow.start("scheduler"))
    try:
        end = time.monotonic() + 180
        while not record.exists() or record.read_text().count("2026-11-1") < 6:
            assert time.monotonic() < end, (airflow.folder / "scheduler.out").read_text()[-5000:]
            time.sleep(0.5)
    finally:
        for daemon in daemons:
            os.killpg(daemon.pid, signal.SIGTERM)
        for daemon in daemons:
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(daemon.pid, signal.SIGKILL)
                daemon.wait()
    calls = [line for line in record.read_text().splitlines() if "2026-11-1" in line]
    assert calls == [f"{stage} --partition 2026-11-{day}" for day in (10, 11, 12) for stage in ("ingest", "unique")]
