"""What schedulers are told, without one: the stages and their order, what each exit code leads to, how a stage is started."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
import threading
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from dataengine import errors
from dataengine.catalog import STAGES
from dataengine.config.recipe import load
from dataengine.stage import TableStage
from dataengine.stage_groups import group_of

ROOT = Path(__file__).parents[2]
AIRFLOW = ROOT / "infra" / "airflow"
sys.path.insert(0, str(AIRFLOW))

import dataengine_stages as scheduled  # noqa: E402
from dataengine_kubernetes import Resource, manifest_of  # noqa: E402
from dataengine_stages import Call, Command, Verdict, verdict  # noqa: E402

#: Commands that make a part of a group, by the stage that they make.
ALONE = {"dedup.unique": "unique", "shard.assign": "assign"}
CALL = Call("tokenize", "r.yaml", "s3://b/w s", "photos/scheduled__2026-11-20", "2026-11-20")


def active(recipe: str) -> list[str]:
    loaded = load(ROOT / recipe)
    return [stage.name for stage in STAGES if stage.active(loaded)]


def command_of(stage: str) -> str:
    return ALONE.get(stage, group_of(stage))


@pytest.mark.parametrize("file", ["dataengine_dag", "dataengine_kubernetes", "dataengine_stages"])
def test_parsing_the_dag_imports_no_engine(file: str) -> None:
    tree = ast.parse((AIRFLOW / f"{file}.py").read_text())
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {a.name for n in imports if isinstance(n, ast.Import) for a in n.names}
    names |= {str(n.module) for n in imports if isinstance(n, ast.ImportFrom)}
    packages = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
    ours = {"dataengine_kubernetes", "dataengine_stages"}
    assert packages - ours == ({"airflow", "croniter", "yaml"} if file == "dataengine_dag" else set())
    at_parse_time = [ast.unparse(n) for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    assert not [line for line in at_parse_time if "yaml" in line or "cncf" in line]


def test_tasks_are_the_stages_of_the_catalog_in_their_order() -> None:
    assert list(dict.fromkeys(command_of(stage.name) for stage in STAGES)) == list(scheduled.STAGES)


def test_every_task_has_a_script_of_its_engine() -> None:
    last = {command_of(stage.name): stage for stage in STAGES}
    for name, kind in scheduled.STAGES.items():
        script = Call(name, "r", "w", "run").fields()["script"]
        assert (ROOT / "jobs" / {"record": "ray", "table": "spark"}[kind] / f"{script}.py").is_file(), name
        if kind == "table":
            assert isinstance(last[name], TableStage) or name == "release"


def test_every_exit_code_has_its_verdict() -> None:
    retried = {errors.RunError, errors.HeldError}
    final = {errors.UsageError, errors.BalanceError, errors.StoppedError}
    assert {verdict(e.exit_code)[0] for e in retried} == {Verdict.RETRY}
    assert {verdict(e.exit_code)[0] for e in final} == {Verdict.FAIL}
    assert verdict(0)[0] is Verdict.DONE
    assert {verdict(code)[0] for code in (-9, -15, 137, 143, 77)} == {Verdict.RETRY}
    assert {verdict(code)[0] for code in (126, 127)} == {Verdict.FAIL}


def demo() -> Any:
    return tomllib.loads((AIRFLOW / "dags.toml").read_text())["demo"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('partitions = "{{ ds }}"', "has a key partitions"),
        ('table.image = "x"', "has a key table.image"),
        ('stages = ["dedupe"]', "has no stage 'dedupe'"),
        ("", "needs table"),
        ('table.folder = "/"', "needs table.command or table.manifest"),
    ],
)
def test_a_table_of_dags_with_a_mistake_is_named(line: str, message: str) -> None:
    text = f'start = 2026-11-01\nrecipe = "r"\nworkspace = "w"\nrecord.command = "x"\n{line}'
    with pytest.raises(ValueError, match=message):
        scheduled.check("dags.toml: [d]", tomllib.loads(text))


def test_two_installations_of_airflow_do_not_share_a_lease() -> None:
    first, second = (datetime(2026, 11, 21, 3, 0, 1, us, UTC) for us in (5, 6))
    runs = {scheduled.run_of("photos", "scheduled__2026-11-20", begun) for begun in (first, second, None)}
    assert len(runs) == 3 and "photos/scheduled__2026-11-20/030001.000005" in runs


def test_the_demo_has_the_stages_of_its_recipe() -> None:
    assert list(dict.fromkeys(map(command_of, active(demo()["recipe"])))) == demo()["stages"]
    scheduled.check("demo", demo())


def test_the_plan_of_the_job_array_covers_the_recipe() -> None:
    lines = [
        line.split() for line in (ROOT / "infra/slurm/demo.plan").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    names = active("jobs/recipes/demo.yaml")
    last = -1
    for name, tasks, *_ in lines:
        covered = [i for i, stage in enumerate(names) if name in (stage, group_of(stage))]
        assert covered and covered[-1] > last and int(tasks) > 0, name
        last = covered[-1]
    groups = {group_of(name) for name, *_ in lines}
    assert groups == {group_of(name) for name in names}


def test_a_command_is_words_that_no_shell_reads() -> None:
    command = Command("ray job submit -- python jobs/ray/{script}.py {recipe} --workspace {workspace}")
    assert command.argv(CALL) == [
        *shlex.split("ray job submit -- python jobs/ray/encode.py r.yaml --workspace"),
        *("s3://b/w s", "--partition", "2026-11-20"),
    ]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 4", 4),
        ("kill -9 $$", -9),
        ("echo Status message: Job entrypoint command failed with exit code 3, last available logs; exit 1", 3),
    ],
)
def test_a_command_ends_with_the_code_of_its_stage(script: str, code: int) -> None:
    lines: list[str] = []
    assert Command(f"sh -c {shlex.quote('echo run $DATAENGINE_RUN; ' + script)}").run(CALL, lines.append) == code
    assert "run photos/scheduled__2026-11-20" in lines
    assert Command("no-such-command").run(CALL, lines.append) == 127


def test_a_command_is_ended_with_its_children() -> None:
    command, lines = Command("sh -c 'sleep 77 & echo $!; wait'"), list[str]()
    thread = threading.Thread(target=command.run, args=(CALL, lines.append))
    thread.start()
    while len(lines) < 2:
        time.sleep(0.01)
    command.kill()
    thread.join(60)
    assert not thread.is_alive()
    end = time.monotonic() + 60
    while (left := is_there(int(lines[1]))) and time.monotonic() < end:  # it closes its output before it is gone
        time.sleep(0.01)
    assert not left


def is_there(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Cluster:
    """An API with one resource, whose status goes through ``states``."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states, self.created, self.deleted = iter(states), list[dict[str, Any]](), list[str]()

    def create_custom_object(
        self, group: str, version: str, plural: str, body: Any, namespace: str | None = None
    ) -> Any:
        self.created.append({"place": f"{group}/{version}/{namespace}/{plural}", **body})
        return body

    def get_custom_object(self, group: str, version: str, plural: str, name: str, namespace: str | None = None) -> Any:
        return {"status": next(self.states)}

    def delete_custom_object(
        self, group: str, version: str, plural: str, name: str, namespace: str | None = None
    ) -> None:
        self.deleted.append(name)


RAY = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "tokenize", "namespace": "data"}}
RAY |= {"spec": {"entrypoint": "python jobs/ray/encode.py r.yaml"}}
SPARK = {"apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication", "metadata": {"name": "filter"}}
SPARK |= {"spec": {"mainApplicationFile": "local:///opt/dataengine/jobs/spark/filter.py", "arguments": ["r.yaml"]}}
FAILED = "Job entrypoint command failed with exit code 4, last available logs (truncated to 20,000 chars):"


def spark_state(state: str, message: str = "") -> dict[str, Any]:
    return {"applicationState": {"state": state, "errorMessage": message}}


@pytest.mark.parametrize(
    ("manifest", "states", "code"),
    [
        (RAY, [{}, {"jobStatus": "RUNNING"}, {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}], 0),
        (RAY, [{"jobStatus": "FAILED", "jobDeploymentStatus": "Failed", "message": FAILED}], 4),
        (RAY, [{"jobDeploymentStatus": "Failed", "message": "the cluster did not start in time"}], 1),
        (SPARK, [{}, spark_state("SUBMITTED"), spark_state("RUNNING"), spark_state("COMPLETED")], 0),
        (SPARK, [spark_state("FAILED", "driver container failed with ExitCode: 2, Reason: Error")], 2),
        (SPARK, [spark_state("SUBMISSION_FAILED", "no service account")], 1),
    ],
)
def test_a_resource_ends_with_the_code_of_its_stage(
    manifest: dict[str, Any], states: list[dict[str, Any]], code: int
) -> None:
    cluster, lines = Cluster(*states), list[str]()
    assert Resource(manifest, cluster, poll=0).run(CALL, lines.append) == code
    [created] = cluster.created
    assert cluster.deleted == [created["metadata"]["name"]]
    assert lines and all(created["metadata"]["name"] in line for line in lines)


def test_a_resource_that_cannot_be_followed_is_ended() -> None:
    cluster = Cluster({})
    with pytest.raises(StopIteration):
        Resource(RAY, cluster, poll=0).run(CALL, lambda line: None)
    assert cluster.deleted == [one["metadata"]["name"] for one in cluster.created] != []


def test_a_resource_carries_partition_and_run() -> None:
    ray = Resource(RAY, Cluster()).body(CALL)["spec"]
    assert shlex.split(ray["entrypoint"]) == [
        *("env", f"DATAENGINE_RUN={CALL.run}", "python", "jobs/ray/encode.py", "r.yaml", "--partition", CALL.partition)
    ]
    spark = Resource(SPARK, Cluster()).body(CALL)["spec"]
    assert spark["arguments"] == ["r.yaml", "--partition", CALL.partition]
    assert spark["driver"]["env"] == [{"name": "DATAENGINE_RUN", "value": CALL.run}]
    pod = {
        "spec": {"containers": [{"env": [{"name": "DATAENGINE_RUN", "value": "corpus"}, {"name": "A", "value": "1"}]}]}
    }
    templated = {**SPARK, "spec": {**SPARK["spec"], "driver": {"template": pod}, "executor": {"template": pod}}}
    spec = Resource(templated, Cluster()).body(CALL)["spec"]
    for role in ("driver", "executor"):
        env = spec[role]["template"]["spec"]["containers"][0]["env"]
        assert env == [{"name": "DATAENGINE_RUN", "value": CALL.run}, {"name": "A", "value": "1"}]
    assert "env" not in spec["driver"]
    assert ray["backoffLimit"] == 0 and spark["restartPolicy"] == {"type": "Never"}, "Airflow alone retries"
    assert SPARK["spec"] == {
        "mainApplicationFile": "local:///opt/dataengine/jobs/spark/filter.py",
        "arguments": ["r.yaml"],
    }


def test_a_resource_has_a_name_of_its_own_for_every_try() -> None:
    calls = [Call("score", "r", "w", run, day, attempt) for run in "ab" for day in ("", "1") for attempt in (1, 2)]
    names = {Resource(RAY, Cluster()).body(call)["metadata"]["name"] for call in calls}
    assert len(names) == 8 and all(len(name) <= 40 for name in names)


def test_a_manifest_holds_one_job() -> None:
    account = {"kind": "ServiceAccount", "metadata": {"name": "dataengine"}}
    assert manifest_of([account, None, RAY]) is RAY
    for documents, count in ([account], 0), ([RAY, SPARK], 2):
        with pytest.raises(ValueError, match=f"one RayJob or SparkApplication, not {count}"):
            manifest_of(documents)


KUBERNETES = ROOT / "infra" / "kubernetes"


@pytest.mark.parametrize(("file", "places"), [("ray/rayjob.yaml", 2), ("spark/sparkapplication.yaml", 2)])
def test_the_manifests_of_this_repository_take_run_and_partition(file: str, places: int) -> None:
    body = Resource(manifest_of(yaml.safe_load_all((KUBERNETES / file).read_text())), Cluster()).body(CALL)
    text = json.dumps(body)
    assert "RUN" not in re.findall(r'"value": "(\w+)"', text) and text.count(f'"value": "{CALL.run}"') == places
    command = [*body["spec"].get("arguments", []), *shlex.split(body["spec"].get("entrypoint", ""))]
    assert command[-2:] == ["--partition", CALL.partition]


def test_every_task_has_a_manifest_of_its_kind() -> None:
    bases = {path.parent.name: path.read_text() for path in (KUBERNETES / "stages").glob("*/kustomization.yaml")}
    kinds = {name: "record" if "../../ray" in text else "table" for name, text in bases.items()}
    assert kinds == scheduled.STAGES
