"""Each stage submitted alone, as a scheduler does, to clusters of several nodes that lose some: the bytes of a local run.

Ray with three nodes by ``ray job submit``, a Spark master with two workers by ``spark-submit``, the workspace on S3. While ingest
runs a node dies, while duplicates are grouped an executor does. Not in the suite, for the minutes that so many processes take to
start: ``make cluster-check``, of ten pictures and of the whole demo.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_sample_images
from support.clusters import BIN, SECRET, SPARK, RayNodes, SparkNodes, ray_nodes, spark_nodes
from support.command import dataengine

from dataengine.storage.store import Store

ROOT = Path(__file__).parents[2]
CORPUS = os.environ.get("CLUSTER_CORPUS", "")
DEMO = CORPUS == "demo"
STAGES = (
    *("ray/ingest", "spark/unique", "ray/embed", "spark/dedup", "ray/score", "ray/index", "spark/filter", "ray/encode"),
    *("spark/assign", "ray/shard", "ray/cot", "spark/release"),
)
#: Those of a recipe without models.
FEW = ("ray/ingest", "spark/dedup", "ray/score", "spark/filter", "spark/assign", "ray/shard", "spark/release")
ROOMS = ("dedup/", "decisions/", "shards/", "releases/")


class Submitter:
    """Submits jobs to both clusters as an operator does."""

    def __init__(self, ray: RayNodes, spark: SparkNodes, recipe: Path, workspace: str) -> None:
        self.environment = environment()
        self.arguments = [str(recipe), "--workspace", workspace]
        self.by_ray = [str(BIN / "ray"), "job", "submit", "--address", ray.address, "--"]
        self.by_spark = [str(BIN / "spark-submit"), "--master", spark.master, "--properties-file", str(spark.settings)]

    def submit(self, stage: str, meanwhile: Callable[[], Any] | None = None) -> str:
        """Run one stage to its end; what it printed. ``meanwhile`` is called beside it."""
        script = str(ROOT / "jobs" / f"{stage}.py")
        submit = self.by_spark if stage.startswith("spark/") else [*self.by_ray, sys.executable]
        beside = threading.Thread(target=meanwhile, daemon=True) if meanwhile else None
        if beside:
            beside.start()
        code, text = self.call(*submit, script, *self.arguments)
        print(f"{time.strftime('%H:%M:%S')} {stage}: {code}", flush=True)
        assert code == 0, f"{stage}\n{text[-6000:]}"
        if beside:
            beside.join()
        return text

    def await_agent(self) -> None:
        """The job server answers before it can take jobs."""
        for _ in range(60):
            code, text = self.call(*self.by_ray, "true")
            if code == 0:
                return
            assert "No available agent" in text or "status code 504" in text, text[-3000:]
            time.sleep(1)
        raise TimeoutError("no agent takes jobs")

    def call(self, *command: str) -> tuple[int, str]:
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=600)
        return done.returncode, done.stdout + done.stderr


def environment() -> dict[str, str]:
    """Of clusters and of who submits to them; the test's credentials for S3 are in it."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    ray = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": SECRET}
    ray["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = (
        "0"  # else "127.0.0.1" becomes the address of a card, where no node listens
    )
    return {**os.environ, **ray, "PATH": path, "SPARK_HOME": str(SPARK), "PYSPARK_PYTHON": sys.executable}


def small_recipe(folder: Path) -> Path:
    """Crops of two photographs, a copy and a damaged one, in six parts, through the stages that need no model."""
    photos = folder / "photos"
    photos.mkdir()
    china, flower = load_sample_images().images
    for n in range(8):
        crop = (china, flower)[n % 2][20 * n : 20 * n + 240, 30 * n : 30 * n + 320]
        Image.fromarray(np.ascontiguousarray(crop)).save(photos / f"{n}.png")
    (photos / "copy.png").write_bytes((photos / "0.png").read_bytes())
    (photos / "broken.png").write_bytes((photos / "1.png").read_bytes()[:9000])
    rule = {"name": "wide", "keep": "aspect > 1.2", "on_missing": "drop", "reason": "r"}
    (folder / "policy.yaml").write_text(yaml.safe_dump({"name": "p", "version": "1", "rules": [rule]}))
    content = {
        "name": "jobs",
        "workspace": str(folder / "ws"),
        "sources": [{"type": "folder", "name": "photos", "path": str(photos), "buckets": 6}],
        "score": {"scorers": [{"name": "technical"}]},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": None,
        "cot": None,
        "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content))
    return folder / "recipe.yaml"


def demo_recipe(folder: Path, corpus: Path) -> Path:
    content = yaml.safe_load((ROOT / "jobs/recipes/demo.yaml").read_text())
    for source in content["sources"]:
        source["path"] = source["path"].replace("workspace/corpus", str(corpus))
    content.update(workspace=str(folder / "ws"), lock=str(folder / "demo.lock"))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content))
    return folder / "recipe.yaml"


@pytest.fixture
def recipe(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return demo_recipe(tmp_path, request.getfixturevalue("demo_corpus")) if DEMO else small_recipe(tmp_path)


def contents(workspace: str) -> dict[str, bytes]:
    """What table stages, shards and the release wrote."""
    store = Store(workspace)
    return {entry.key: store.get(entry.key) for room in ROOMS for entry in store.list(room.rstrip("/"))}


@pytest.mark.skipif(not CORPUS, reason="minutes: make cluster-check sets CLUSTER_CORPUS to small or demo")
def test_stages_on_clusters_that_lose_a_node_and_an_executor(s3_conditional: str, recipe: Path, tmp_path: Path) -> None:
    workspace, local = f"{s3_conditional}/ws", str(tmp_path / "local")
    lost: list[Any] = []
    folder = tmp_path / "spark"
    folder.mkdir()
    with ray_nodes(environment()) as ray, spark_nodes(environment(), folder) as spark:
        assert len(set(ray.nodes)) == 3
        jobs = Submitter(ray, spark, recipe, workspace)
        jobs.await_agent()
        losses = {
            "ray/ingest": lambda: lost.append(ray.kill_a_busy_node()),
            "spark/dedup": lambda: lost.append(spark.kill_a_busy_executor()),
        }
        printed = {stage: jobs.submit(stage, losses.get(stage)) for stage in (STAGES if DEMO else FEW)}
    assert lost[0] in ray.nodes[1:] and lost[1] > 0, "a node and an executor were killed at work"
    assert "failed" in printed["ray/ingest"] and "kept" in printed["spark/release"]
    dataengine("run", str(recipe), "--workspace", local)
    ours, theirs = contents(workspace), contents(local)
    assert sorted(ours) == sorted(theirs) and {key.partition("/")[0] + "/" for key in ours} == set(ROOMS)
    assert [key for key in ours if ours[key] != theirs[key]] == []
