"""Airflow DAGs of dataengine: one DAG a table in ``dags.toml`` (or the file that DATAENGINE_DAGS names), one task a stage.

Parsing reads that file and nothing else: no dataengine, Ray, Spark or Kubernetes is imported before a task runs. What a task does
about an exit code stands in ``dataengine_stages.py``.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, BaseOperator, CronDataIntervalTimetable
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from croniter import croniter

sys.path.insert(0, str(Path(__file__).parent))

from dataengine_kubernetes import Resource, manifest_of
from dataengine_stages import STAGES, Call, Command, Launcher, Verdict, check, run_of, verdict

CONFIGURATION = Path(os.environ.get("DATAENGINE_DAGS", Path(__file__).with_name("dags.toml")))


class Stage(BaseOperator):
    """One stage of one recipe. ``launch``: ``{"command": TEMPLATE}`` or ``{"manifest": FILE}``, as ``dags.toml`` explains."""

    template_fields = ("partition",)

    def __init__(self, *, recipe: str, workspace: str, partition: str, launch: dict[str, Any], **settings: Any) -> None:
        super().__init__(logger_name="dataengine", **settings)
        self.recipe, self.workspace, self.partition, self.launch = recipe, workspace, partition, launch
        self._launcher: Launcher | None = None

    def execute(self, context: Any) -> None:
        """Raises AirflowFailException where a person is needed, AirflowException where another try may help."""
        attempt = context["ti"].try_number
        run = run_of(self.dag_id, context["run_id"], context["dag_run"].start_date)
        call = Call(self.task_id, self.recipe, self.workspace, run, self.partition, attempt)
        self._launcher = launcher(self.launch, call)
        code = self._launcher.run(call, self.log.info)
        outcome, why = verdict(code)
        message = f"{self.task_id}: exit code {code}: {why}"
        if outcome is Verdict.FAIL:
            raise AirflowFailException(message)
        if outcome is Verdict.RETRY:
            raise AirflowException(message)
        self.log.info(message)

    def on_kill(self) -> None:
        if self._launcher is not None:
            self._launcher.kill()


class WrongTable(BaseOperator):
    """Fails and says what is wrong with a table of ``dags.toml``."""

    def __init__(self, *, why: str, **settings: Any) -> None:
        super().__init__(logger_name="dataengine", **settings)
        self.why = why

    def execute(self, context: Any) -> None:
        raise AirflowFailException(self.why)


def launcher(launch: dict[str, Any], call: Call) -> Launcher:
    if "command" in launch:
        return Command(launch["command"], launch.get("folder"), launch.get("environment"))
    import yaml
    from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

    manifest = manifest_of(yaml.safe_load_all(Path(launch["manifest"].format(**call.fields())).read_text()))
    hook = KubernetesHook(conn_id=launch.get("connection", "kubernetes_default"))
    return Resource(manifest, hook, launch.get("poll_seconds", 10.0))


def timetable(schedule: Any) -> CronDataIntervalTimetable | None:
    """None where a DAG is started by hand. Raises ValueError for what is no cron expression."""
    if not schedule:
        return None
    if not (isinstance(schedule, str) and croniter.is_valid(schedule)):
        raise ValueError(f"schedule {schedule!r} is no cron expression")
    return CronDataIntervalTimetable(schedule, timezone="UTC")


def build(name: str, settings: dict[str, Any]) -> DAG:
    """The DAG of one table. Raises ValueError for a wrong one."""
    check(f"{CONFIGURATION}: [{name}]", settings)
    stages = settings.get("stages", list(STAGES))
    partition = settings.get("partition", "")
    dag = DAG(
        dag_id=name,
        schedule=timetable(settings.get("schedule")),
        start_date=datetime.combine(settings["start"], datetime.min.time(), UTC),
        catchup=settings.get("catchup", False),
        max_active_runs=1,
        default_args={
            "retries": settings.get("retries", 3),
            "retry_delay": timedelta(seconds=settings.get("retry_seconds", 120)),
            "execution_timeout": timedelta(hours=settings.get("hours", 24)),
            "depends_on_past": bool(partition),
        },
        doc_md=__doc__,
        tags=["dataengine"],
    )
    tasks = [
        Stage(
            task_id=stage,
            dag=dag,
            recipe=settings["recipe"],
            workspace=settings["workspace"],
            partition=partition,
            launch=settings[STAGES[stage]],
        )
        for stage in STAGES
        if stage in stages
    ]
    for before, after in pairwise(tasks):
        before >> after
    return dag


def wrong(name: str, settings: Any, error: Exception) -> DAG:
    """In place of the DAG of a wrong table, so that the others go on: due when that one would be, daily where that cannot
    be told, and fails."""
    try:
        schedule = timetable(settings.get("schedule"))
    except (AttributeError, ValueError):
        schedule = timetable("@daily")
    why = f"{CONFIGURATION}: [{name}] is not run: {error}"
    dag = DAG(
        dag_id=re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)[:200],
        schedule=schedule,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        doc_md=why,
        tags=["dataengine", "wrong"],
    )
    WrongTable(task_id="wrong_table", dag=dag, why=why)
    return dag


for _name, _settings in tomllib.loads(CONFIGURATION.read_text()).items():
    try:
        globals()[_name] = build(_name, _settings)
    except Exception as _error:
        globals()[_name] = wrong(_name, _settings, _error)
