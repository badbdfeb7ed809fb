"""Replicas that a run starts: found healthy, started again, ended with all that they started, however this process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import scripted_model

from dataengine.config.model_server import ModelServer
from dataengine.errors import RunError
from dataengine.models.serving import addresses, guard, replica_process
from dataengine.models.serving.addresses import State
from dataengine.models.serving.completion import Completion, FailedCompletion, Failure, Request, Result
from dataengine.models.serving.connect import chat_model
from dataengine.models.serving.messages import Message, TextBlock
from dataengine.models.serving.started import StartedServers
from dataengine.storage.store import Store
from dataengine.testing import InProcess

PYTHON = (sys.executable, "-S")


def scripted(fault: str = "", **fields: Any) -> ModelServer:
    command = (*PYTHON, str(scripted_model.__file__), "{host}", "{port}", fault)
    return ModelServer(command=command, model="scripted", logprobs=False, **fields).placed("model_servers/r/scripted")


@contextmanager
def running(server: ModelServer, store: Store) -> Iterator[StartedServers]:
    servers = StartedServers(store, lambda: None)
    try:
        servers.need([server], InProcess())
        yield servers
    finally:
        servers.close()


def ask(server: ModelServer, store: Store, *texts: str, seed: int = 0) -> list[Result]:
    client = chat_model(server, store)
    client.setup()
    try:
        requests = [
            Request((Message(role="user", content=(TextBlock(text=t),)),), seed + n) for n, t in enumerate(texts)
        ]
        results = dict(client.complete(requests, {}.__getitem__))
    finally:
        client.close()
    return [results[n] for n in range(len(texts))]


def pids(results: list[Result]) -> set[int]:
    assert all(isinstance(one, Completion) for one in results), results
    return {int(one.text) for one in results if isinstance(one, Completion)}


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pid: int) -> bool:
    """Within a minute."""
    for _ in range(1200):
        if not is_there(pid):
            return True
        time.sleep(0.05)
    return False


def test_both_replicas_answer_and_none_is_left_behind(tmp_path: Path) -> None:
    store, server = Store(tmp_path), scripted("leaves", replicas=2, concurrency=1)
    with running(server, store):
        for _ in range(1200):  # the run begins with the first that answers
            ready = [one for one in addresses.read(store, server.place, 2).values() if one.state is State.READY]
            if len(ready) == 2:
                break
            time.sleep(0.05)
        answering: set[int] = set()
        for round_ in range(50):
            answering |= pids(ask(server, store, *"abcdefgh", seed=100 * round_))
            if len(answering) == 2:
                break
        assert len(answering) == 2
        assert pids(ask(server, store, *"abcdefgh")) <= answering, "they are kept: nobody is asked"
        logs = [(tmp_path / f"model_servers/r/scripted/{n}.log").read_text() for n in range(2)]
    left = {int(line.removeprefix("left ")) for log in logs for line in log.splitlines() if line.startswith("left ")}
    assert len(left) == 2 and all(gone(pid) for pid in left | answering)
    assert addresses.read(store, server.place, 2) == {}


def test_a_replica_that_dies_is_started_again_and_its_request_asked_again(tmp_path: Path) -> None:
    store, server = Store(tmp_path), scripted("dies", retries=5)
    with running(server, store):
        [before] = pids(ask(server, store, "a"))
        dead, *others = ask(server, store, "die", "b", "c", seed=1)
        assert isinstance(dead, FailedCompletion) and dead.failure is Failure.DISCONNECTED, "a prompt that it dies of"
        assert len(pids(others)) in (1, 2), "their requests are asked again"
        assert pids(ask(server, store, "d", seed=9)) != {before} and gone(before)


def test_a_replica_that_hangs_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_HEALTH_SECONDS", 0.3), ("_HEALTH_EVERY", 0.1), ("_TICK", 0.05)):
        monkeypatch.setattr(replica_process, name, seconds)
    store, server = Store(tmp_path), scripted("hangs")
    with running(server, store):
        [before] = pids(ask(server, store, "hang"))
        assert gone(before)


@pytest.mark.parametrize(
    ("server", "message"),
    [
        (scripted("broken", restarts=1), r"replica 0 of model_servers/r/scripted ended with status 5 \(2 failures"),
        (scripted("denies"), "answers a request to the model scripted with status 404; its log: "),
        (
            ModelServer(command=("/no/such/program", "{port}"), model="m").placed("model_servers/r/scripted"),
            "ended with status 127; its log: .*0.log",
        ),
        (
            ModelServer(
                command=(*PYTHON, "-c", "import time; time.sleep(60)", "{port}"),
                model="m",
                start_timeout=0.3,
                restarts=0,
            ).placed("model_servers/r/scripted"),
            r"did not answer within 0.3 s \(start_timeout\)",
        ),
    ],
    ids=["broken", "denies", "missing", "silent"],
)
def test_a_server_that_does_not_run_ends_the_run_and_says_why(
    tmp_path: Path, server: ModelServer, message: str
) -> None:
    store = Store(tmp_path)
    with pytest.raises(RunError, match=message), running(server, store):
        raise AssertionError("it runs")
    assert (tmp_path / "model_servers/r/scripted/0.log").exists()


def test_clients_end_when_no_replica_comes_back(tmp_path: Path) -> None:
    store, server = Store(tmp_path), scripted("dies", restarts=0)
    with running(server, store):
        [result] = ask(server, store, "die")
        assert isinstance(result, FailedCompletion), result
        [result] = ask(server, store, "a", seed=1)
    assert isinstance(result, FailedCompletion) and result.failure is Failure.CONNECTION
    assert "ended with status 3" in result.message


def test_servers_that_no_stage_needs_any_more_are_stopped(tmp_path: Path) -> None:
    store, server = Store(tmp_path), scripted()
    with running(server, store) as servers:
        [before] = pids(ask(server, store, "a"))
        servers.need([server], InProcess())
        assert pids(ask(server, store, "b", seed=1)) == {before}, "it runs on"
        servers.need([], InProcess())
        assert gone(before)


@pytest.mark.parametrize("whom", ["parent", "guard"])
def test_nothing_outlives_a_killed_parent_or_guard(tmp_path: Path, whom: str) -> None:
    """The parent holds the guard's standard input, and is killed as the out-of-memory killer would."""
    log = tmp_path / "log"
    program = f"""
import subprocess, sys, time
child = "import subprocess, sys, time; left = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])"
child += "; print(left.pid, flush=True); time.sleep(600)"
command = [sys.executable, "-S", {str(guard.__file__)!r}, {str(log)!r}, sys.executable, "-S", "-c", child]
one = subprocess.Popen(command, stdin=subprocess.PIPE)
print(one.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-S", "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        guarded = int(parent.stdout.readline())
        while not log.exists() or not log.read_text().endswith("\n"):
            time.sleep(0.02)
        left = int(log.read_text())
        server = int(Path(f"/proc/{left}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent.pid if whom == "parent" else guarded, signal.SIGKILL)
        try:
            assert gone(server) and gone(guarded)
            assert whom == "guard" or gone(left)
        finally:
            parent.kill()
            if is_there(left):
                os.kill(left, signal.SIGKILL)


def test_a_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LOG_BYTES", 1000)
    for _ in range(10):
        guard._append(tmp_path / "log", b"x" * 400)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * 1400


def test_an_address_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    addresses.write(store, "p", 0, addresses.Address("http://h/v1", State.READY))
    for damaged in (b"", b"[1]", b'{"url": "u", "state": "odd", "message": ""}', b"[" * 99_999):
        store.put("p/1.json", damaged)
        assert list(addresses.read(store, "p", 3)) == [0]


def test_stopping_while_it_starts_waits_for_nothing(tmp_path: Path) -> None:
    command = (*PYTHON, "-c", "import time; time.sleep(600)", "{port}")
    server = ModelServer(command=command, model="m").placed("model_servers/r/slow")
    running_service = InProcess().host(replica_process.ReplicaProcess(server, 0, Store(tmp_path)), None)  # type: ignore[arg-type]
    stopper = threading.Timer(0.3, running_service.stop)
    stopper.start()
    stopper.join(120)
    assert not stopper.is_alive() and running_service.failure() == ""
