from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

LISTENING = """
import json, os, socket, struct
from pathlib import Path
from dataengine.engines.ray import RayEngine
ray = RayEngine(None, 1)._start()
ray.get(ray.remote(lambda: None).remote())
parents = {}
for status in Path("/proc").glob("[0-9]*/stat"):
    try:
        parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
own = {os.getpid()}
while more := {p for p, parent in parents.items() if parent in own} - own:
    own |= more
sockets = set()
for process in own:
    for entry in Path(f"/proc/{process}/fd").glob("*"):
        try:
            sockets.add(os.readlink(entry))
        except OSError:
            pass
listening = []
for name in ("tcp", "tcp6"):
    for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[3] == "0A" and f"socket:[{columns[9]}]" in sockets:
            listening.append(columns[1].partition(":")[0][-8:])
print(json.dumps([sorted(set(listening)), os.environ["RAY_AUTH_MODE"]]))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of a short name, for Ray's sockets."""
    path = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.slow
def test_a_local_ray_listens_on_loopback_asks_for_a_token_and_leaves_nothing(folder: Path) -> None:
    unset = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"TMPDIR": str(folder), "RAY_TMPDIR": str(folder)}
    command = [sys.executable, "-c", LISTENING]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == '[["0100007F"], "token"]'
    assert list(folder.iterdir()) == []
