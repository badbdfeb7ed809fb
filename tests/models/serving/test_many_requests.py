"""Many requests: over replicas, within budgets of errors and money, from a generator, and after a kill in their middle."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_openai_client import PICTURES, request

from dataengine.config.model_server import ModelServer
from dataengine.errors import RunError
from dataengine.models.serving.cache import CompletionCache
from dataengine.models.serving.completion import (
    Completion,
    FailedCompletion,
    Failure,
    Request,
    Result,
    in_order,
    raise_if_fatal,
)
from dataengine.models.serving.openai import OpenAIClient
from dataengine.models.serving.replicas import Replicas
from dataengine.storage.store import Store
from dataengine.testing import Body, ChatServer, Turn, chat_server


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


@pytest.fixture
def other() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def complete(
    *servers: ChatServer, count: int, store: Store | None = None, first: int = 0, **settings: Any
) -> list[Result]:
    """The results of so many requests of different seeds, from ``first`` on, in their order."""
    fields = {"url": [s.endpoint for s in servers], "model": "m", "timeout": 30.0, "logprobs": False} | settings
    client = OpenAIClient(ModelServer.model_validate(fields), CompletionCache(store), first_wait=0.01)
    client.setup()
    try:
        return list(
            in_order(client.complete((request(seed=n) for n in range(first, first + count)), PICTURES.__getitem__))
        )
    finally:
        client.close()


def failures(results: list[Result]) -> list[Failure]:
    return [one.failure for one in results if isinstance(one, FailedCompletion)]


def echo(body: Body) -> Turn:
    return Turn(text=f"answer {body['seed']}", seconds=0.01)


def test_requests_are_spread_and_results_come_in_order(server: ChatServer, other: ChatServer) -> None:
    server.reply = other.reply = echo
    results = complete(server, other, count=60, concurrency=4)
    assert [one.text for one in results if isinstance(one, Completion)] == [f"answer {n}" for n in range(60)]
    assert min(server.requests, other.requests) > 15 and max(server.busiest, other.busiest) <= 4


def test_replicas_are_given_in_the_order_of_arrival() -> None:
    """Also where one arrives between a release and the turn of those that wait, and where one that waits gives up."""

    async def order() -> list[str]:
        config = ModelServer(url="http://127.0.0.1:9/v1", model="m", concurrency=1)
        replicas, gone = Replicas(config, "", None), list[str]()

        async def go(name: str) -> None:
            replica = await replicas.acquire(None)
            gone.append(name)
            await asyncio.sleep(0)
            replicas.release(replica)

        held = await replicas.acquire(None)
        waiting = [asyncio.create_task(go(name)) for name in "abc"]
        await asyncio.sleep(0)
        waiting.append(asyncio.create_task(go("d")))
        replicas.release(held)
        waiting[1].cancel()
        waiting += [asyncio.create_task(go(name)) for name in "ef"]
        await asyncio.wait(waiting, timeout=5.0)
        return gone

    assert asyncio.run(order()) == list("acdef")


def test_a_replica_that_is_not_there_costs_nothing(server: ChatServer, other: ChatServer) -> None:
    server.reply, other.reply = echo, lambda body: Turn("reset")
    results = complete(server, other, count=40, concurrency=4, retries=3)
    assert failures(results) == [] and server.requests == 40


def test_a_request_that_timed_out_goes_to_another_replica(server: ChatServer, other: ChatServer) -> None:
    server.reply, other.reply = echo, lambda body: Turn(seconds=5.0)
    results = complete(server, other, count=8, concurrency=4, retries=1, timeout=1.0)
    assert failures(results) == []


def test_equal_requests_are_sent_once(server: ChatServer) -> None:
    server.reply = echo
    fields = {"url": server.endpoint, "model": "m"}
    client = OpenAIClient(ModelServer.model_validate(fields), CompletionCache(None))
    client.setup()
    results = dict(client.complete([request(seed=n % 3) for n in range(30)], PICTURES.__getitem__))
    client.close()
    assert sorted(results) == list(range(30)) and server.requests == 3
    assert {one.text for n, one in results.items() if n % 3 == 2 and isinstance(one, Completion)} == {"answer 2"}


def test_requests_are_taken_as_there_is_room(server: ChatServer) -> None:
    taken = 0

    def requests() -> Iterator[Request]:
        nonlocal taken
        for taken in range(1, 201):
            yield request(seed=taken)

    client = OpenAIClient(
        ModelServer.model_validate({"url": server.endpoint, "model": "m", "concurrency": 4}), CompletionCache(None)
    )
    client.setup()
    results = client.complete(requests(), PICTURES.__getitem__)
    for _ in range(3):
        next(results)
    assert taken <= 3 + 4 + 8
    results.close()  # type: ignore[attr-defined]
    client.close()
    assert server.requests < 30, "those that wait are not sent"


def test_a_server_that_fails_too_often_ends_the_run(server: ChatServer) -> None:
    server.reply = lambda body: Turn(status=500 if body["seed"] % 3 else 200)
    results = complete(server, count=90, retries=0, concurrency=1)
    kinds = failures(results)
    assert set(kinds) == {Failure.SERVER, Failure.ERRORS} and kinds.index(Failure.ERRORS) >= 32
    [first] = [one for one in results if isinstance(one, FailedCompletion) and one.failure is Failure.ERRORS][:1]
    assert "`failed` allows 20%" in first.message and "server_error; the last one: status 500" in first.message
    with pytest.raises(RunError, match="rerun to resume"):
        raise_if_fatal(first)
    server.reply = lambda body: Turn(finish="length")
    assert set(failures(complete(server, count=60))) == {Failure.TRUNCATED}, "the model's, not the server's"


def test_a_budget_in_money_ends_the_asking(server: ChatServer) -> None:
    results = complete(server, count=40, concurrency=1, budget=1.0, prices=[1000, 20_000])
    spent = sum(one.tokens_in * 0.001 + one.tokens_out * 0.02 for one in results if isinstance(one, Completion))
    assert set(failures(results)) == {Failure.BUDGET} and 0.3 < spent <= 1.0


def test_a_server_of_another_model_is_asked_nothing(server: ChatServer) -> None:
    server.models_body = b'{"data": [{"id": "big\\u202e"}, {"id": "small"}]}'
    [first, *_] = complete(server, count=3)
    assert isinstance(first, FailedCompletion) and first.failure is Failure.DENIED and server.requests == 0
    assert first.message == "the server has no model m; it lists big\\u202e, small"
    server.models_body = b'{"data": [{"id": "small"}, {"id": "m"}]}'
    assert failures(complete(server, count=3)) == []


@pytest.mark.parametrize("models", [b"[", b"[1]", b'{"data": 5}', b'{"data": [5, {}]}', b"[" * 99_999, b""])
def test_a_list_of_models_that_cannot_be_read_says_nothing(server: ChatServer, models: bytes) -> None:
    server.models_body = models
    assert failures(complete(server, count=1)) == []


def test_what_was_answered_before_a_kill_is_not_asked_again(server: ChatServer, tmp_path: Path) -> None:
    """The process is killed in the middle of its requests; another one asks the rest."""
    server.reply = echo
    program = f"""
from pathlib import Path
from test_many_requests import *
class Running: endpoint = {server.endpoint!r}
complete(Running(), count=400, store=Store(Path({str(tmp_path)!r})), concurrency=4)
"""
    folder = Path(__file__).parent
    environment = {"PYTHONPATH": f"{folder}:{folder.parents[1]}"}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, cwd=folder.parents[2]) as process:
        while server.requests < 40 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    kept = {path.name for path in (tmp_path / "completions").iterdir() if path.suffix == ".json"}
    asked = server.requests
    assert asked - 4 <= len(kept) <= asked < 400, "all but those in flight"
    assert failures(complete(server, count=400, store=Store(tmp_path))) == []
    assert server.requests - asked == 400 - len(kept)


def test_the_loop_is_the_same_whatever_the_policy(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of Ray have a policy of their own, whose loops have other transports."""

    def refuse() -> None:
        pytest.fail("the loop is the policy's")

    monkeypatch.setattr(asyncio, "new_event_loop", refuse)
    assert failures(complete(server, count=2)) == []
