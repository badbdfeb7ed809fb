"""A worker with a GPU's share of CPUs: several decode processes, two parts and two batches at once, and the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dataengine
from dataengine.pipeline import execute
from dataengine.testing import InProcess, write_corpus, write_recipe

#: On a Ray that believes to have a GPU; torch finds none and computes on the CPU. More workers are asked for than it has room
#: for, as on a cluster that has lost a node: no part waits for one of those.
ON_RAY = """
import sys, ray
ray.init("local", num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=128 << 20)
from dataengine import load
from dataengine.pipeline import execute
from dataengine.engines.ray import RayEngine
from dataengine.engines.ray_pool import Pool
RayEngine._size = lambda *_: 6
hired = []
hire = Pool.hire
Pool.hire = lambda self: hired.append(self.parts) or hire(self)
execute(load(sys.argv[1], workspace=sys.argv[2]))
print(sorted(set(hired)))
"""


def made(workspace: Path) -> dict[str, bytes]:
    """What model stages have written, by key."""
    paths = [path for room in ("annotations", "codes") for path in (workspace / room).rglob("*") if path.is_file()]
    return {str(path.relative_to(workspace)): path.read_bytes() for path in paths}


@pytest.mark.slow
def test_how_a_worker_is_fed_changes_no_byte(tmp_path: Path) -> None:
    write_corpus(tmp_path / "in", images=14, videos=1)
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    recipe = write_recipe(
        tmp_path,
        sources=[{"type": "folder", "name": "in", "path": str(tmp_path / "in"), "buckets": 4}],
        dedup={"semantic": {"threshold": 0.9, "confirm": False}},
        score={"scorers": [{"name": "technical"}, {"name": "nsfw"}], "device": "auto"},
        tokenize={"tokenizer": {"name": "product"}, "device": "auto"},
    )
    execute(dataengine.load(recipe), engine=InProcess())
    command = [sys.executable, "-c", ON_RAY, str(recipe), str(tmp_path / "other")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == "[1, 2]"
    first = made(tmp_path / "ws")
    assert {key.split("/")[0] for key in first} == {"annotations", "codes"} and len(first) > 10
    assert made(tmp_path / "other") == first
