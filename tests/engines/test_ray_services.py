"""Two replicas of a real language model on Ray: one is killed under load, then the whole run is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import serving_driver

from dataengine.models.serving import addresses
from dataengine.storage.store import Store

REQUESTS = 16


def servers_in(folder: Path) -> dict[int, int]:
    """Process of each replica, by its port."""
    place = serving_driver.SERVER.place
    ports = {one.url.split(":")[2].split("/")[0] for one in addresses.read(Store(folder), place, 2).values()}
    pids = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_text().split("\0")
        except (OSError, ValueError):
            continue
        if len(words) > 3 and words[1].endswith("packaged_server.py") and words[3] in ports:
            pids[int(words[3])] = int(entry.name)
    return pids


@pytest.mark.slow
def test_a_replica_dies_under_load_and_then_the_run(tmp_path: Path) -> None:
    """Nothing is lost, nothing that was answered is asked again, and no process is left."""
    command = [sys.executable, str(serving_driver.__file__), str(tmp_path), str(REQUESTS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        try:
            lines: list[str] = []
            killed = 0
            for line in driver.stdout:
                lines.append(line.strip())
                if line.startswith("done 5 "):
                    killed = servers_in(tmp_path).popitem()[1]
                    os.kill(killed, signal.SIGKILL)
                if line == "finished\n":
                    break
            assert killed and lines[-1] == "finished", lines
            assert sum(line.startswith("done ") for line in lines) == REQUESTS
            assert len(list((tmp_path / "completions").iterdir())) == REQUESTS
            logs = "".join(log.read_text() for log in (tmp_path / serving_driver.SERVER.place).glob("*.log"))
            starts, generations = logs.count("model loaded"), logs.count("total time =")
            assert starts >= 2 and REQUESTS <= generations <= REQUESTS + starts, "each start has one to warm up"
            servers = servers_in(tmp_path)
            assert servers and killed not in servers.values()
        finally:
            driver.kill()
    deadline = time.monotonic() + 120
    while (left := servers_in(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == {}
