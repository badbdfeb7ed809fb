"""Clusters of several nodes on this machine's loopback interface: Ray with its job server, Spark's master with two workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyspark

from support.servers import free_port, wait_for

BIN = Path(sys.executable).parent
SPARK = Path(pyspark.__file__).parent
SECRET = "0123456789abcdef" * 4
_SECONDS = 240.0


@dataclass(frozen=True)
class RayNodes:
    """``address``: of the job server. ``nodes``: ids."""

    address: str
    nodes: list[str]
    process: subprocess.Popen[str]

    def kill_a_busy_node(self) -> str:
        """Wait for a worker on a node that is not the head, and kill that node's processes; its id."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()
        return str(json.loads(_json_line(self.process.stdout)))


@contextmanager
def ray_nodes(environment: Mapping[str, str]) -> Iterator[RayNodes]:
    """Three nodes, whose workers have ``environment``; stopped and cleaned up in the end."""
    port, agent, gcs = free_port(), free_port(), free_port()
    folder = tempfile.mkdtemp(prefix="nodes-", dir="/tmp")  # paths of sockets are short
    command = [sys.executable, "-m", "support.ray_nodes", str(port), str(agent), str(gcs), folder]
    errors = Path(folder, "stderr.txt")
    Path(folder, "ray").mkdir()  # where Ray writes the address of a cluster, if the folder is there
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            env={**environment, "RAY_TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None and process.stdin is not None
        try:
            nodes = json.loads(_json_line(process.stdout))
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {errors.read_text(errors='replace')[-2000:]}") from None
        yield RayNodes(f"http://127.0.0.1:{port}", nodes, process)
        process.stdin.close()
        process.wait(240)
    finally:
        _kill_group(process)
        shutil.rmtree(folder, ignore_errors=True)


def _json_line(stream: IO[str]) -> str:
    """The next line that is JSON; Ray prints others."""
    for line in stream:
        if line.startswith(("[", '"')):
            return line
    raise RuntimeError("the Ray cluster ended")


@dataclass(frozen=True)
class SparkNodes:
    """``master``: its URL; ``settings``: a properties file for ``spark-submit``; ``workers``: their processes."""

    master: str
    settings: Path
    workers: list[int]

    def kill_a_busy_executor(self) -> int:
        """Wait for an executor that runs Python, and kill it; its process id."""
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            commands = processes()
            for pid, (_, command) in commands.items():
                if "pyspark.daemon" in command:
                    above = ancestors(pid, commands)
                    executors = [p for p in above if "CoarseGrainedExecutorBackend" in commands[p][1]]
                    if executors and set(above) & set(self.workers):
                        os.kill(executors[0], signal.SIGKILL)
                        return executors[0]
            time.sleep(0.05)
        raise TimeoutError("no executor ran Python")


@contextmanager
def spark_nodes(environment: Mapping[str, str], folder: Path) -> Iterator[SparkNodes]:
    """A standalone master and two workers of a core each, that ask for a secret."""
    port = free_port()
    values = {
        "spark.authenticate": "true",
        "spark.authenticate.secret": SECRET,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.executor.memory": "600m",
        "spark.sql.shuffle.partitions": "4",
        "spark.local.dir": str(folder),
    }
    settings = folder / "spark.conf"
    settings.write_text("".join(f"{key} {value}\n" for key, value in values.items()))
    master = f"spark://127.0.0.1:{port}"
    run = [str(SPARK / "bin" / "spark-class")]
    common = ["--host", "127.0.0.1", "--webui-port", str(free_port()), "--properties-file", str(settings)]
    with ExitStack() as stack:
        name = "org.apache.spark.deploy.master.Master"
        wait_for(port, stack.enter_context(_daemon([*run, name, *common, "--port", str(port)], environment, folder)))
        workers = []
        for number in range(2):
            size = ["--cores", "1", "--memory", "700m", "--work-dir", str(folder / f"worker-{number}")]
            place = ["--host", "127.0.0.1", "--webui-port", str(free_port()), "--properties-file", str(settings)]
            command = [*run, "org.apache.spark.deploy.worker.Worker", *place, *size, master]
            workers.append(stack.enter_context(_daemon(command, environment, folder)).pid)
        yield SparkNodes(master, settings, workers)


@contextmanager
def _daemon(command: list[str], environment: Mapping[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    values = {**environment, "SPARK_HOME": str(SPARK), "SPARK_LOCAL_IP": "127.0.0.1"}
    with (folder / "daemons.log").open("ab") as log:
        process = subprocess.Popen(command, env=values, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        _kill_group(process)


def _kill_group(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """SIGTERM, and after a while SIGKILL, to all that still is of the process's group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def processes() -> dict[int, tuple[int, str]]:
    """Parent and command line of each process of this machine."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(folder.name)] = parent, (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
    return found


def ancestors(pid: int, commands: Mapping[int, tuple[int, str]]) -> list[int]:
    """A process, its parent, and so on."""
    line = []
    while pid in commands and pid not in line:
        line.append(pid)
        pid = commands[pid][0]
    return line
