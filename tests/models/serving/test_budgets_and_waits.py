"""What a client spends, what it counts as failed, how long it waits for a server, and what it keeps when it is stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_many_requests import complete, echo, failures
from test_openai_client import PICTURES, one, request

from dataengine.config.model_server import ModelServer
from dataengine.errors import UsageError
from dataengine.models.serving import addresses, openai
from dataengine.models.serving.addresses import Address, State
from dataengine.models.serving.asker import Asker
from dataengine.models.serving.cache import CompletionCache
from dataengine.models.serving.completion import Completion, Failure, Media, Request, Result
from dataengine.models.serving.http import Origin
from dataengine.models.serving.http_parser import ResponseParser
from dataengine.models.serving.openai import OpenAIClient
from dataengine.models.serving.replicas import Replicas
from dataengine.storage.store import Store
from dataengine.testing import ChatServer, Turn, chat_server


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def test_the_only_server_is_given_time_to_come_back(server: ChatServer) -> None:
    """first_wait is 0.01 s: before the tries lie 0.01, 0.02, 0.04 and 0.08 s."""
    assert isinstance(one(server, *[Turn("reset")] * 4, retries=4), Completion)
    assert server.times[-1] - server.times[0] > 0.14


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_generations_that_are_no_completion_are_paid_for(server: ChatServer, finish: str) -> None:
    server.reply = lambda body: Turn(finish=finish)
    kinds = failures(complete(server, count=40, concurrency=1, budget_tokens=200))
    assert len(kinds) == 40 and kinds.count(Failure.BUDGET) > 10 and server.requests < 30


def test_a_server_that_counts_no_tokens_spends_what_was_estimated(server: ChatServer) -> None:
    server.reply = lambda body: Turn(body=b'{"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]}')
    kinds = failures(complete(server, count=40, concurrency=1, budget_tokens=200))
    assert set(kinds) == {Failure.BUDGET} and server.requests < 10


def test_a_budget_is_used_up_however_many_requests_are_in_flight(server: ChatServer) -> None:
    """32 requests of an estimated 33 tokens are more than the budget; of the 12 that each takes they are less."""
    server.reply = echo
    assert failures(complete(server, count=32, concurrency=32, budget_tokens=500)) == []


def test_a_resumed_run_counts_what_was_answered_before(server: ChatServer, tmp_path: Path) -> None:
    server.reply = lambda body: Turn(status=400 if body["seed"] % 10 == 0 else 200)
    for _ in range(2):
        kinds = failures(complete(server, count=600, store=Store(tmp_path)))
        assert kinds == [Failure.BAD_REQUEST] * 60, "a tenth, of which a fifth is allowed"


class SlowCache(CompletionCache):
    """As on another machine: each write takes a while."""

    remote = True

    def put(self, digest: str, result: Result) -> None:
        time.sleep(0.2)
        super().put(digest, result)


def test_answers_are_kept_though_nobody_waits_for_them_any_more(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "_CACHE_THREADS", 4)
    answered, ask = list[Result](), Asker.ask

    async def noted(self: Asker, asked: Request, media: Media) -> Result:
        answered.append(await ask(self, asked, media))
        return answered[-1]

    monkeypatch.setattr(Asker, "ask", noted)
    config = ModelServer(url=server.endpoint, model="m", concurrency=16, logprobs=False)
    client = OpenAIClient(config, SlowCache(Store(tmp_path)))
    client.setup()
    results = client.complete((request(seed=n) for n in range(12)), PICTURES.__getitem__)
    next(results)
    while len(answered) < 12:  # a request without its answer is given up
        time.sleep(0.01)
    results.close()  # type: ignore[attr-defined]
    client.close()
    assert len(list(tmp_path.glob("completions/*"))) == 12


def test_a_replica_that_was_there_until_now_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time without any begins when the last one is lost, not when it was last asked."""
    config = ModelServer(command=("x", "{port}"), model="m", start_timeout=60).placed("p")
    store = Store(tmp_path)
    addresses.write(store, "p", 0, Address("http://127.0.0.1:9/v1", State.READY))

    async def lose() -> None:
        replicas = Replicas(config, "", store)
        replicas._update(addresses.read(store, "p", 1), 1)
        [replica] = replicas._all.values()
        replica.up = replica.checked = True
        await replicas.acquire(None)
        later = time.monotonic() + 100  # a request that takes longer than start_timeout
        monkeypatch.setattr("dataengine.models.serving.replicas.time", SimpleNamespace(monotonic=lambda: later))
        assert replicas.lost(replica)
        replicas._raise_if_lost()
        await replicas.close()

    asyncio.run(lose())


def test_started_replicas_are_asked_through_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    config = ModelServer(command=("x", "{port}"), model="m").placed("p")
    replicas = Replicas(config, "", None)
    replicas._update({0: Address("http://10.0.0.5:8000/v1", State.READY)}, 1)
    assert replicas._all[0].origin._proxy is None
    assert Origin("http://10.0.0.5:8000/v1", "")._proxy is not None


def test_a_proxy_that_speaks_no_http_is_found_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://user:secret@proxy.example:1080")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(UsageError, match="proxy that the environment names") as error:
        OpenAIClient(ModelServer(url="https://models.example/v1", model="m")).validate()
    assert "secret" not in str(error.value)


def test_many_interim_responses_are_read() -> None:
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 100 \r\n\r\n" * 5000 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert (parser.status, bytes(parser.body)) == (200, b"ok")
