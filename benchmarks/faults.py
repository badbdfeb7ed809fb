"""Kills runs, and takes disk, clock and network from them, at random points of all stages: ``make faults``.

    python benchmarks/faults.py [--rounds 50] [--seed N] [--only kills|faults] [--s3-share 0.3]

After each fault the run is started again, as a user would, until it is done; its release must have the hashes of an undisturbed
one. A table has one line a fault; exit code 1 if any hash differs, a run hangs, or a finished part was made again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from processes import roles

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.faulty_proxy import BROKEN, Fault, FaultyProxy, faulty
from support.servers import free_port, serve

from dataengine.storage.store import Store
from dataengine.testing import write_corpus, write_recipe
from dataengine.timings import costs

COMMAND = str(Path(sys.executable).with_name("dataengine"))
KEY, SECRET, BUCKET = "faults-access-key", "faults-secret-key", "faults"
NAME, MARK = "test", "DATAENGINE_FAULTS"
SECONDS = 600
#: Whom SIGKILL is sent to; the group is all processes of a run.
VICTIMS = ("driver", "group", "worker", "decode child")


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


def kills(bench: Bench, rounds: int, s3_share: float) -> Iterator[Outcome]:
    """Kill one process of a run a round, or all; go on in the same workspace until the release is there, then in a new one."""
    number, workspace = 0, ""
    for n in range(rounds):
        if not workspace:
            number += 1
            remote = bench.random.random() < s3_share
            workspace = f"s3://{BUCKET}/kills-{number}" if remote else bench.local(f"kills-{number}")
        victim = VICTIMS[n % len(VICTIMS)]
        before, start, text = bench.marked(workspace), time.monotonic(), ""
        where, done, code = bench.kill_at(workspace, victim)
        last = n == rounds - 1 or bench.random.random() < 0.4 or code == 0
        if last and code != 0:
            code, text = bench.run(workspace)
        after = bench.marked(workspace)
        again = sum(after.get(path) != when for path, when in before.items())
        good, note = (
            code in (0, -signal.SIGKILL, 137, 1) and code != -1000,
            "killed," if done else "the run was faster,",
        )
        if last:
            good = code == 0 and digests(workspace) == bench.baseline
            note = f"{note} same hashes" if good else f"{note} exit code {code}, or other hashes: {text[-600:]}"
        place = "s3" if workspace.startswith("s3://") else "folder"
        yield Outcome(f"kill {victim}", where, place, time.monotonic() - start, again, bench.parts, good, note.strip())
        if last:
            if place == "folder":
                shutil.rmtree(workspace, ignore_errors=True)
            workspace = ""


def faults(bench: Bench) -> Iterator[Outcome]:
    """Disk full, workspace read-only, clock moved, S3 behind a faulty network."""
    yield from disk(bench)
    for days in (-3, 500):
        workspace = bench.local(f"clock{days}")
        start = time.monotonic()
        where, _, _ = bench.kill_at(workspace, "group")
        code, text = bench.run(workspace, PYTHONPATH=moved(bench.folder, days))
        yield outcome(bench, f"clock moved by {days} days after a kill", where, workspace, start, code, text)
    with faulty(bench.endpoint) as proxy:
        workspace, start, over = f"s3://{BUCKET}/network", time.monotonic(), threading.Event()
        thread = threading.Thread(target=trouble, args=(bench.random, proxy, over))
        thread.start()
        code, text = bench.run(workspace, AWS_ENDPOINT_URL=proxy.url)
        over.set()
        thread.join()
        hit = sum(bool(fault) for _, _, fault in proxy.seen)
        yield outcome(bench, f"S3: {hit} faults in {len(proxy.seen)} requests", "all", workspace, start, code, text)


def trouble(rng: random.Random, proxy: FaultyProxy, over: threading.Event) -> None:
    """Until it is over, let one to three requests fail and the next five pass, so that none fails more often than tried."""
    kinds = [500, 503, *(kind for kind in BROKEN if not kind.startswith("corrupted"))]
    while not over.wait(0.05):
        if not any(fault for _, _, fault in proxy.seen[-5:]):
            count = rng.randint(1, 3)
            proxy.faults[:] = [Fault(rng.choice(kinds), rng.choice(("GET", "PUT")), times=count, seconds=0.5)]


def disk(bench: Bench) -> Iterator[Outcome]:
    """On a small file system of its own, which only root may mount."""
    place = bench.folder / "small"
    place.mkdir()
    size = sum(f.stat().st_size for f in Path(bench.local("undisturbed")).rglob("*") if f.is_file())
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size // 3}", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        print("disk full, workspace read-only: skipped, no right to mount a file system", flush=True)
        return
    try:
        workspace, start = str(place / "ws"), time.monotonic()
        code, text = bench.run(workspace)
        told = code == 1 and "Traceback" not in text and "No space left" in text
        _remount(place, f"size={size * 4}")
        code, text = bench.run(workspace)
        yield outcome(bench, "disk full", "ingest", workspace, start, code, text, told)
        start = time.monotonic()
        shutil.rmtree(Path(workspace, "stages", "release"))
        _remount(place, "ro")
        code, text = bench.run(workspace)
        told = code == 1 and "Traceback" not in text and "Read-only" in text
        _remount(place, "rw")
        code, text = bench.run(workspace)
        yield outcome(bench, "workspace read-only", "release", workspace, start, code, text, told)
    finally:
        subprocess.run(["umount", str(place)], check=False)


def _remount(place: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(place)], check=True)


def outcome(
    bench: Bench, fault: str, where: str, workspace: str, start: float, code: int, text: str, told: bool = True
) -> Outcome:
    good = told and code == 0 and digests(workspace) == bench.baseline
    wrong = f"exit code {code}, or other hashes: {text[-600:]}" if told else "its message is not right"
    note = "same hashes" if good else wrong
    place = "s3" if workspace.startswith("s3://") else "folder"
    return Outcome(fault, where, place, time.monotonic() - start, None, bench.parts, good, note)


def moved(folder: Path, days: int) -> str:
    """A PYTHONPATH on which Python's clock is wrong."""
    place = folder / f"clock{days}-path"
    place.mkdir()
    (place / "sitecustomize.py").write_text(
        f"import time\n_now = time.time\ntime.time = lambda: _now() + {days * 86400}\n"
    )
    return os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])])


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
    found = {}
    for path in folder.rglob("*parts*/*") if folder.exists() else ():
        if path.is_file() and (not name or name in path.parts or folder.name == name):
            with suppress(OSError):
                found[str(path)] = path.stat().st_mtime_ns
    return found


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


def show(line: Outcome) -> None:
    again = "" if line.again is None else f"{line.again} of {line.parts} parts again"
    print(
        f"{'ok ' if line.good else 'BAD'} {line.fault:42} {line.where:16} {line.place:6} {line.seconds:6.0f} s  "
        f"{again:22}{line.note.rstrip(',')}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill runs and take disk, clock and network from them.")
    parser.add_argument("--rounds", type=int, default=50, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("kills", "faults"))
    parser.add_argument("--s3-share", type=float, default=0.3, help="share of the workspaces that are on S3")
    options = parser.parse_args()
    results = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        endpoint, data = stack.enter_context(s3_server(folder))
        os.environ.update(environment(endpoint))
        bench = Bench(folder, random.Random(options.seed), data, endpoint)
        bench.setup()
        for name, lines in (("kills", kills(bench, options.rounds, options.s3_share)), ("faults", faults(bench))):
            if options.only in (None, name):
                for line in lines:
                    show(line)
                    results.append(line)
    counted = [(r.again, r.parts) for r in results if r.again is not None]
    again, parts = sum(n for n, _ in counted), sum(n for _, n in counted)
    bad = sum(not r.good for r in results)
    print(
        f"{len(results)} faults, {bad} bad; finished parts made again: {again} of {parts} ({again / max(1, parts):.1%})"
    )
    return 1 if bad or again else 0


def environment(endpoint: str) -> Mapping[str, str]:
    """Credentials for this process's own reading."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
    }


if __name__ == "__main__":
    sys.exit(main())
