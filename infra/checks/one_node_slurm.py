"""Slurm on this machine alone: munged, slurmctld and slurmd on ports and in a folder of their own, as root."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from places import ENVIRONMENT
from support.servers import free_port

_CONF = """
ClusterName=check
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={folder}/munge.sock
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MinJobAge=3600
KillWait=5
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
_SECONDS = 60
_OPEN = {"PENDING", "RUNNING", "COMPLETING", "REQUEUED", "SUSPENDED"}


class Slurm:
    """A cluster of one node with two CPUs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.daemons = folder, list[subprocess.Popen[bytes]]()
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        self.environment = {**ENVIRONMENT, "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self) -> None:
        """Raises TimeoutError where the node does not come up."""
        folder = self.folder
        ports = {"controller": free_port(), "node": free_port()}
        (folder / "slurm.conf").write_text(
            _CONF.format(host=socket.gethostname().split(".")[0], folder=folder, **ports)
        )
        (folder / "munge.key").write_bytes(os.urandom(64))
        (folder / "munge.key").chmod(0o400)
        files = {"key-file": "key", "socket": "sock", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        self._run("munged", "--foreground", "--force", *(f"--{k}={folder}/munge.{v}" for k, v in files.items()))
        self._until(lambda: (folder / "munge.sock").exists(), "munged")
        self._run("slurmctld", "-D")
        self._run("slurmd", "-D")
        self._until(lambda: "idle" in self.call("sinfo", ok=False), "the node")

    def call(self, *command: str, ok: bool = True, **environment: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        assert done.returncode == 0 or not ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def states(self) -> dict[str, tuple[str, str]]:
        """By job (``7`` or ``7_1``) its name and state."""
        rows = self.call("squeue", "--noheader", "--array", "--states=all", "--format=%i %j %T")
        return {number: (name, state) for number, name, state in map(str.split, rows.splitlines())}

    def wait(self, seconds: float) -> dict[str, tuple[str, str]]:
        """The states of all jobs once none waits or runs; what was requeued starts at once, not after Slurm's two minutes. Raises
        TimeoutError."""
        self._until(self._is_over, "the queue", seconds)
        return self.states()

    def _is_over(self) -> bool:
        for row in self.call("squeue", "--noheader", "--array", "--states=PENDING", "--format=%i %r").splitlines():
            number, reason = row.split(maxsplit=1)
            if reason == "BeginTime":
                self.call("scontrol", "update", f"JobId={number}", "StartTime=now", ok=False)
        return not _OPEN & {state for _, state in self.states().values()}

    def stop(self) -> None:
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            daemon.wait(20)

    def _run(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("wb") as out:
            self.daemons.append(subprocess.Popen(command, env=self.environment, stdout=out, stderr=out))

    def _until(self, done: Callable[[], bool], what: str, seconds: float = _SECONDS) -> None:
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: {self.call('squeue', ok=False)} {self._logs()}")
            time.sleep(0.5)

    def _logs(self) -> str:
        return "\n".join(
            f"{p.name}: {p.read_text(errors='replace')[-2000:]}" for p in sorted(self.folder.glob("slurm*.log"))
        )
