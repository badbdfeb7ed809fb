"""The image, as far as it can be tried without building it: what is copied exists, the entry point starts what Spark asks for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "infra/Dockerfile").read_text()


def test_what_is_copied_exists_and_reaches_the_build() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M)]
    names = {name.removeprefix("./") for line in copied for name in line}
    assert names == sent and len(names) > 5
    assert all((ROOT / name).exists() for name in names)


def test_both_targets_run_as_nobody_in_particular_and_from_a_pinned_base() -> None:
    stages = re.split(r"^(?=FROM )", DOCKERFILE, flags=re.M)[1:]
    ends = {stage.split()[3]: stage for stage in stages}
    for target in ("cpu", "cuda"):
        assert ends[target].rstrip().endswith("USER 10001:10001") and f"packages-{target}" in ends[target]
    [base] = re.findall(r"^ARG PYTHON_IMAGE=python:(\S+)$", DOCKERFILE, re.M)
    assert re.fullmatch(r"3\.11\.\d+-slim-\w+", base), "a minor version moves under our feet"
    assert not re.search(r"^(ADD|.*curl .*\|)", DOCKERFILE, re.M)


def test_the_dependencies_are_read_from_the_project() -> None:
    """The line of Python in the Dockerfile, as the shell would run it."""
    [line] = re.findall(r'^RUN python -c "((?:[^"]|\\\n)+)" > requirements.txt', DOCKERFILE, re.M)
    code = line.replace("\\\n", "").replace("\\\\n", "\\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    requirements = done.stdout.split("\n")
    assert "ray[default]" in requirements and any(r.startswith("pyarrow>=") for r in requirements)
    assert any(r.startswith("spacy>=") for r in requirements), "the extra for annotations"
    assert any(r.startswith("openlineage-python>=") for r in requirements), "the extra for lineage"


@pytest.fixture
def image(tmp_path: Path) -> dict[str, str]:
    """The environment of a container whose java, spark-submit and dataengine print their arguments."""
    show = '#!/usr/bin/env bash\nprintf \'%s\\n\' "$(basename "$0")" "$@"\n'
    for place in ("java/bin/java", "spark/bin/spark-submit", "bin/dataengine"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(show)
        path.chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "JAVA_HOME": str(tmp_path / "java"), "SPARK_HOME": str(tmp_path / "spark")}


def start(environment: dict[str, str], *words: str) -> list[str]:
    command = [str(ROOT / "infra/entrypoint"), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_spark_driver_starts_in_its_pod(image: dict[str, str]) -> None:
    words = start(
        {**image, "SPARK_DRIVER_BIND_ADDRESS": "10.0.0.7"}, "driver", "--class", "Runner", "local:///a b.py", "x"
    )
    assert words[:3] == ["spark-submit", "--deploy-mode", "client"]
    assert "spark.driver.bindAddress=10.0.0.7" in words
    assert words[-4:] == ["--class", "Runner", "local:///a b.py", "x"]


def test_a_spark_executor_starts_in_its_pod(image: dict[str, str]) -> None:
    pod = {
        "SPARK_JAVA_OPT_10": "-Dten=a b",
        "SPARK_JAVA_OPT_2": "-Dtwo=2",
        "SPARK_EXECUTOR_MEMORY": "12g",
        "SPARK_DRIVER_URL": "spark://driver",
        "SPARK_EXECUTOR_ID": "3",
        "SPARK_EXECUTOR_CORES": "4",
        "SPARK_APPLICATION_ID": "app",
        "SPARK_EXECUTOR_POD_IP": "10.0.0.9",
        "SPARK_EXECUTOR_POD_NAME": "pod-3",
        "SPARK_RESOURCE_PROFILE_ID": "0",
    }
    words = start({**image, **pod}, "executor")
    assert words[:5] == ["java", "-Dtwo=2", "-Dten=a b", "-Xms12g", "-Xmx12g"]
    arguments = dict(zip(words[8::2], words[9::2], strict=True))
    assert words[7] == "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
    assert arguments == {
        "--driver-url": "spark://driver",
        "--executor-id": "3",
        "--cores": "4",
        "--app-id": "app",
        "--hostname": "10.0.0.9",
        "--resourceProfileId": "0",
        "--podName": "pod-3",
    }


def test_an_executor_without_a_driver_says_what_is_missing(image: dict[str, str]) -> None:
    command = [str(ROOT / "infra/entrypoint"), "executor"]
    done = subprocess.run(command, env=image, capture_output=True, text=True, timeout=600)
    assert done.returncode != 0 and "SPARK_EXECUTOR_MEMORY: unbound variable" in done.stderr


def test_anything_else_is_a_command_or_a_program(image: dict[str, str]) -> None:
    assert start(image, "doctor", "--strict") == ["dataengine", "doctor", "--strict"]
    assert start(image, "/bin/echo", "a  b") == ["a  b"]
    assert start(image) == ["dataengine"]
