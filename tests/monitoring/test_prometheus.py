"""Prometheus itself scrapes a run, answers each query of the dashboard, and its promtool checks the alerts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.servers import free_port, serve
from support.watched import watched

from dataengine.monitoring.metrics import RunMetrics
from dataengine.monitoring.metrics_places import metrics_server
from dataengine.storage.store import Store

INFRA = Path(__file__).parents[2] / "infra" / "monitoring"
PATH = os.pathsep.join([str(Path(sys.prefix, "prometheus", "usr", "bin")), os.environ["PATH"]])


def program(name: str) -> str:
    path = shutil.which(name, path=PATH)
    assert path, f"{name} is missing: run infra/ensure-prometheus"
    return path


def panels() -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads((INFRA / "dashboard.json").read_text())
    listed: list[dict[str, Any]] = content["panels"]
    return listed


@pytest.mark.parametrize("command", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]])
def test_promtool_passes_the_alerts(command: list[str]) -> None:
    done = subprocess.run([program("promtool"), *command], cwd=INFRA, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case() -> None:
    rules = yaml.safe_load((INFRA / "alerts.yml").read_text())["groups"][0]["rules"]
    cases = yaml.safe_load((INFRA / "alerts_test.yml").read_text())["tests"][0]["alert_rule_test"]
    assert {rule["alert"] for rule in rules} == {case["alertname"] for case in cases if case["exp_alerts"]}


def until(holds: Callable[[], bool]) -> bool:
    for _ in range(1500):
        if holds():
            return True
        time.sleep(0.2)
    return False


def ready(url: str) -> bool:
    """Whether the server answers queries: it listens before it does."""
    try:
        with urllib.request.urlopen(f"{url}/-/ready") as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A server of its own, and the address that it scrapes each second."""
    target, port = f"127.0.0.1:{free_port()}", free_port()
    jobs = [{"job_name": "dataengine", "static_configs": [{"targets": [target]}]}]
    content = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(content))
    command = [
        program("prometheus"),
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
    ]
    for url in serve([*command, f"--web.listen-address=127.0.0.1:{port}"], port):
        assert until(partial(ready, url))
        yield url, target


def answered(url: str, query: str) -> list[float]:
    """The values of a query now."""
    parameters = urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(f"{url}/api/v1/query?{parameters}") as answer:
        content = json.loads(answer.read())
    assert content["status"] == "success", content
    return [float(one["value"][1]) for one in content["data"]["result"]]


@pytest.mark.slow
def test_each_query_of_the_dashboard_is_answered(prometheus: tuple[str, str], tmp_path: Path) -> None:
    url, target = prometheus
    metrics = RunMetrics(Store(tmp_path / "ws"), "letters")
    queries = [one["expr"] for panel in panels() for one in panel["targets"]]
    assert len(queries) > 15
    plain = {q: q.replace("$recipe", "letters").replace("$__rate_interval", "20m") for q in queries}
    kept = 'dataengine_stage_outcomes{stage="release",outcome="kept"}'
    with metrics_server(target, metrics):
        assert until(lambda: answered(url, "up") == [1.0])  # it takes its targets up five seconds after its start
        watched(tmp_path / "ws", metrics, "abcdefghijx", 0.1)
        assert until(lambda: answered(url, kept) == [10.0]), "a scrape between the two"
        watched(tmp_path / "ws", metrics, "abcdefghijxklmnop", 0.1)
        empty: set[str] = set()

        def all_answered() -> bool:
            empty.clear()
            empty.update(q for q in queries if not any(value == value for value in answered(url, plain[q])))
            return not empty

        assert until(all_answered), sorted(empty)
        assert until(lambda: answered(url, kept) == [16.0])
        hits = next(q for q in queries if " / " in q and "cache" in q)
        assert answered(url, plain[hits]) == [pytest.approx(1 / 3)]
