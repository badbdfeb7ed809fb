"""What ``faults`` runs and compares: a corpus, an S3 server, an undisturbed run, and runs of which processes are killed."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from processes import roles

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.servers import free_port, serve

from dataengine.storage.store import Store
from dataengine.testing import write_corpus, write_recipe
from dataengine.timings import costs

COMMAND = str(Path(sys.executable).with_name("dataengine"))
KEY, SECRET, BUCKET = "faults-access-key", "faults-secret-key", "faults"
NAME, MARK = "test", "DATAENGINE_FAULTS"
SECONDS = 600


@dataclass(frozen=True)
class Outcome:
    """One line of the table. ``again``: finished parts that were made again, None where they were not counted; ``parts``: of a
    whole run."""

    fault: str
    where: str
    place: str
    seconds: float
    again: int | None
    parts: int
    good: bool
    note: str = ""


@dataclass
class Bench:
    """A corpus, servers, and the release of an undisturbed run that all others must equal."""

    folder: Path
    random: random.Random
    s3_data: Path
    endpoint: str
    baseline: dict[str, str] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    """Seconds of each stage of the undisturbed run, in order."""
    order: list[str] = field(default_factory=list)
    record: list[str] = field(default_factory=list)
    """Stages with parts, in which there are workers."""
    parts: int = 0

    def setup(self) -> None:
        write_corpus(self.folder / "in", images=30, videos=3)
        (self.folder / "in" / "broken.jpg").write_bytes(b"no picture")
        write_recipe(
            self.folder,
            workers=2,
            sources=[{"type": "folder", "name": "in", "path": str(self.folder / "in"), "buckets": 8}],
            tokenize={"tokenizer": {"name": "product", "codebooks": 4, "entries": 16, "max_tokens": 64}},
            shard={"target_bytes": "60 KB"},
            cot={"mix": "even", "questions_per_sample": 2},
        )
        start = time.monotonic()
        workspace = self.local("undisturbed")
        code, text = self.run(workspace)
        if code:
            raise SystemExit(f"the undisturbed run failed:\n{text}")
        self.baseline = digests(workspace)
        self.parts = len(markers(Path(workspace)))
        self.order = [line.split()[0] for line in text.splitlines() if " done " in f"{line} "]
        self.record = [n for n in self.order if Path(workspace, "stages", n, "parts").exists()]
        spent = costs(Store(workspace), NAME)
        self.stages = {name: spent[name].seconds for name in self.order if name in spent}
        print(
            f"undisturbed: {time.monotonic() - start:.0f} s, {len(self.baseline)} files, {self.parts} parts in "
            f"{len(self.stages)} stages",
            flush=True,
        )

    def local(self, name: str) -> str:
        return str(self.folder / name)

    def environment(self, **more: str) -> dict[str, str]:
        aws = {"ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET, "ENDPOINT_URL": self.endpoint, "REGION": "us-east-1"}
        named = {f"AWS_{name}": value for name, value in aws.items()}
        return {**os.environ, **named, "COLUMNS": "200", MARK: str(os.getpid()), **more}

    def start(self, workspace: str, **more: str) -> subprocess.Popen[str]:
        command = [COMMAND, "run", str(self.folder / "recipe.yaml"), "--workspace", workspace]
        return subprocess.Popen(
            command, env=self.environment(**more), start_new_session=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, workspace: str, **more: str) -> tuple[int, str]:
        """A run to its end: exit code and what it printed. A run that hangs is killed and has exit code -9."""
        process = self.start(workspace, **more)
        try:
            text, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            kill("group", process.pid)
            text, _ = process.communicate()
        return process.returncode, text

    def marked(self, workspace: str) -> dict[str, int]:
        """When each finished part was committed; of S3, as its server has it on disk."""
        return markers(self.s3_data if workspace.startswith("s3://") else Path(workspace), workspace.rpartition("/")[2])

    def kill_at(self, workspace: str, victim: str) -> tuple[str, bool, int]:
        """Start a run and kill ``victim`` at a random point of a random stage: the stage, whether it could be killed, and the
        exit code, None of a run that went on."""
        names = {"decode child": ["ingest"], "worker": self.record}.get(victim, self.order)
        stage = self.random.choice(names)
        delay = self.random.uniform(0, max(0.05, self.stages.get(stage, 0.1)))
        store, before = Store(workspace), self.order[: self.order.index(stage)]
        process = self.start(workspace)
        while process.poll() is None and before and not _committed(store, before[-1]):
            time.sleep(0.05)
        while process.poll() is None and victim not in ("group", *roles(process.pid).values()):
            time.sleep(0.05)
        with suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        done = False
        while process.poll() is None and not done:
            done = bool(kill(victim, process.pid))
        try:
            process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            kill("group", process.pid)
            process.communicate()
            return stage, done, -1000
        return stage, done, process.returncode


def _committed(store: Store, stage: str) -> bool:
    """Whether a stage is committed, so that the next one has begun."""
    return any("/parts/" not in e.key for e in store.list(f"stages/{stage}"))


def kill(victim: str, leader: int) -> int:
    """SIGKILL to the processes of a run that play such a part; how many there were."""
    count = 0
    for pid, role in roles(leader).items():
        if victim in ("group", role):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                count += 1
            if victim != "group":
                break
    return count


def markers(folder: Path, name: str = "") -> dict[str, int]:
    """When each part's marker below a folder was written."""
    times = {}
    for path in folder.rglob("*parts*/*") if folder.exists() else ():
        if path.is_file() and (not name or name in path.parts or folder.name == name):
            with suppress(OSError):
                times[str(path)] = path.stat().st_mtime_ns
    return times


def digests(workspace: str) -> dict[str, str]:
    """SHA-256 of each file of the release."""
    store, base = Store(workspace), f"releases/{NAME}"
    return {e.key: hashlib.sha256(store.get(e.key)).hexdigest() for e in store.list(base)}


@contextmanager
def s3_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """nanio on loopback, with a bucket; its address and data folder."""
    port, data = free_port(), folder / "s3"
    data.mkdir()
    command = [str(Path(sys.executable).with_name("nanio")), "serve", "--data-dir", str(data), "--host", "127.0.0.1"]
    keys = {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET}
    for endpoint in serve([*command, "--port", str(port)], port, keys):
        client = boto3.client(
            "s3", endpoint_url=endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
        )
        client.create_bucket(Bucket=BUCKET)
        yield endpoint, data
