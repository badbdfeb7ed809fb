"""The client of OpenAI-compatible endpoints against a server that misbehaves in every way that they do."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataengine.config.model_server import ModelServerConfig
from dataengine.errors import RunError, UsageError
from dataengine.models.serving import rate_limit
from dataengine.models.serving.cache import CompletionCache
from dataengine.models.serving.completion import (
    Completion,
    FailedCompletion,
    Failure,
    Request,
    Result,
    TokenLogprob,
    ToolCall,
    raise_if_fatal,
)
from dataengine.models.serving.messages import ImageBlock, Message, TextBlock
from dataengine.models.serving.openai import OpenAIClient
from dataengine.models.serving.rate_limit import RateLimit
from dataengine.storage.store import Store
from dataengine.testing import ChatServer, Turn, chat_server

PICTURES = {"obs:1": b"\x89PNG one", "obs:2": b"\xff\xd8 two"}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def request(text: str = "why?", seed: int = 1, picture: str | None = None, **more: Any) -> Request:
    blocks = (*((ImageBlock(image=picture),) if picture else ()), TextBlock(text=text))
    return Request((Message(role="user", content=blocks),), seed, max_tokens=32, **more)


def complete(server: ChatServer, requests: list[Request], store: Store | None = None, **settings: Any) -> list[Result]:
    fields = {"type": "openai", "endpoint": server.endpoint, "model": "m", "retries": 2, "timeout": 30.0} | settings
    client = OpenAIClient(ModelServerConfig.model_validate(fields), CompletionCache(store), first_wait=0.01)
    client.setup()
    results = dict(client.complete(requests, PICTURES.__getitem__))
    client.close()
    assert sorted(results) == list(range(len(requests)))
    return [results[i] for i in range(len(requests))]


def one(server: ChatServer, *turns: Turn, **settings: Any) -> Result:
    server.turns = list(turns)
    return complete(server, [request()], **settings)[0]


def test_the_request_is_that_of_the_interface(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "secret")
    schema = {"type": "object"}
    requests = [
        request("q", picture="obs:1"),
        request("q", picture="obs:2"),
        request("q", json_schema=schema, logprobs=True),
    ]
    complete(server, requests, api_key_env="TEACHER_KEY", extra_body={"top_p": 0.9}, concurrency=1)
    first, second, third = server.bodies
    assert first["model"] == "m" and first["seed"] == 1 and first["max_tokens"] == 32 and first["top_p"] == 0.9
    picture, text = first["messages"][0]["content"]
    assert picture["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(PICTURES["obs:1"]).decode()
    assert text == {"type": "text", "text": "q"}
    assert second["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert third["messages"] == [{"role": "user", "content": "q"}] and third["logprobs"] is True
    assert third["response_format"]["json_schema"]["schema"] == schema
    assert all(h["Authorization"] == "Bearer secret" for h in server.headers)


def test_a_model_of_text_alone_is_sent_no_pictures(server: ChatServer) -> None:
    complete(server, [request("q", picture="obs:1")], vision=False)
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "q"}]


def test_completions_have_their_tokens_log_probabilities(server: ChatServer) -> None:
    assert one(server, Turn(logprobs=[-1.0, -2.0])) == Completion(
        "fine", 7, 5, logprobs=(TokenLogprob("x", -1.0), TokenLogprob("x", -2.0))
    )
    assert one(server, Turn()) == Completion("fine", 7, 5)


@pytest.mark.parametrize(
    ("turn", "failure"),
    [
        (Turn(status=429), Failure.RATE_LIMIT),
        (Turn(status=500), Failure.SERVER),
        (Turn(status=503), Failure.SERVER),
        (Turn("slow", seconds=5.0), Failure.TIMEOUT),
        (Turn("reset"), Failure.DISCONNECTED),
        (Turn("cut"), Failure.BAD_REPLY),
        (Turn(text=""), Failure.BAD_REPLY),
    ],
)
def test_what_may_pass_is_tried_again(server: ChatServer, turn: Turn, failure: Failure) -> None:
    timeout = 1.0 if turn.seconds else 30.0
    assert one(server, turn, turn, timeout=timeout) == Completion("fine", 7, 5)
    assert server.requests == 3
    given_up = one(server, turn, turn, turn, timeout=timeout)
    assert isinstance(given_up, FailedCompletion) and given_up.failure is failure
    assert server.requests == 6


@pytest.mark.parametrize(
    ("turn", "failure"),
    [
        (Turn(status=400), Failure.BAD_REQUEST),
        (Turn(status=401), Failure.DENIED),
        (Turn(status=404), Failure.DENIED),
        (Turn(finish="length"), Failure.TRUNCATED),
        (Turn(text="I'm sorry, I can't help with that."), Failure.REFUSED),
        (Turn(finish="content_filter"), Failure.REFUSED),
        (Turn(message={"refusal": "no"}), Failure.REFUSED),
        (Turn(text="so " + "it goes and " * 40), Failure.REPETITION),
        (Turn(text="and on and " * 40, finish="length"), Failure.REPETITION),
    ],
)
def test_what_would_not_pass_is_returned_at_once(server: ChatServer, turn: Turn, failure: Failure) -> None:
    result = one(server, turn)
    assert isinstance(result, FailedCompletion) and result.failure is failure and result.message
    assert server.requests == 1


def test_retry_after_is_honoured(server: ChatServer) -> None:
    assert isinstance(one(server, Turn(status=429, headers={"Retry-After": "0.4"})), Completion)
    assert server.times[1] - server.times[0] >= 0.4


def test_a_server_that_is_not_there(server: ChatServer) -> None:
    result = complete(server, [request()], endpoint="http://127.0.0.1:9/v1")[0]
    assert isinstance(result, FailedCompletion) and result.failure is Failure.CONNECTION
    assert "127.0.0.1:9" in result.message
    with pytest.raises(RunError, match="fix the cause and rerun to resume"):
        raise_if_fatal(result)
    raise_if_fatal(FailedCompletion(Failure.REFUSED, "passes"))


def test_no_more_requests_at_once_than_allowed(server: ChatServer) -> None:
    server.reply = lambda body: Turn(seconds=0.02)
    complete(server, [request(seed=n) for n in range(30)], concurrency=3)
    assert server.requests == 30 and server.busiest == 3


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of a clock that goes on while a rate limit waits, and at no other time."""
    now, turn = [0.0], asyncio.sleep

    async def sleep(seconds: float) -> None:
        now[0] += seconds
        await turn(0)

    monkeypatch.setattr(rate_limit.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(rate_limit.asyncio, "sleep", sleep)
    return now


async def waits(clock: list[float], limit: RateLimit, *tokens: int) -> list[float]:
    """Seconds after which each of the requests went, all of which came at once."""

    async def go(count: int) -> float:
        await limit.acquire(count)
        return clock[0]

    return await asyncio.gather(*map(go, tokens))


def test_requests_and_tokens_a_minute_are_bounded(clock: list[float]) -> None:
    begun = asyncio.run(waits(clock, RateLimit(None, 6000), 3040, 3040))
    assert begun == pytest.approx([0.0, 0.8]), "80 lacking, at 100 a second"
    assert asyncio.run(waits(clock, RateLimit(120, None), 1, 1)) == [clock[0]] * 2
    limit = RateLimit(None, 6000)
    asyncio.run(limit.acquire(6000))
    limit.refund(6000)
    before = clock[0]
    assert asyncio.run(waits(clock, limit, 3000, 3000)) == [before] * 2


def test_a_large_request_is_not_overtaken_by_small_ones(clock: list[float]) -> None:
    begun = asyncio.run(waits(clock, RateLimit(None, 60_000), 59_900, 300, 1, 2))
    assert begun == pytest.approx([0.0, 0.2, 0.201, 0.203], abs=0.02) and begun == sorted(begun)


def test_finished_answers_are_never_paid_for_twice(server: ChatServer, tmp_path: Path) -> None:
    store = Store(tmp_path)
    server.reply = lambda body: Turn(text=f"answer {body['seed']}", finish="length" if body["seed"] == 4 else "stop")
    requests = [request(seed=n, picture="obs:1") for n in range(5)]
    first = complete(server, requests, store)
    again = complete(server, requests, store)
    assert server.requests == 5
    for n in range(4):
        kept, read = first[n], again[n]
        assert isinstance(kept, Completion) and kept.text == f"answer {n}" and not kept.cached
        assert read == replace(kept, cached=True)
    assert isinstance(again[4], FailedCompletion) and again[4].failure is Failure.TRUNCATED
    complete(server, [request(seed=0, picture="obs:2"), request("other", seed=0), request(seed=0)], store)
    complete(server, [request(seed=0)], store, model="other")
    assert server.requests == 9


def test_failures_that_may_pass_are_asked_again_in_the_next_run(server: ChatServer, tmp_path: Path) -> None:
    server.turns = [Turn(status=500)] * 3
    assert isinstance(complete(server, [request()], Store(tmp_path))[0], FailedCompletion)
    assert isinstance(complete(server, [request()], Store(tmp_path))[0], Completion)


def test_a_budget_ends_the_asking(server: ChatServer) -> None:
    results = complete(server, [request(seed=n) for n in range(20)], budget_tokens=100, concurrency=1)
    completions = [one for one in results if isinstance(one, Completion)]
    assert 2 <= len(completions) == server.requests < 20
    assert {one.failure for one in results if isinstance(one, FailedCompletion)} == {Failure.BUDGET}
    assert 12 * len(completions) <= 100


def test_a_missing_key_is_found_before_anything_runs() -> None:
    fields = {"type": "openai", "endpoint": "http://h/v1", "model": "m", "api_key_env": "NO_SUCH_KEY"}
    with pytest.raises(UsageError, match="NO_SUCH_KEY"):
        OpenAIClient(ModelServerConfig.model_validate(fields)).validate()


def test_the_name_of_a_teacher_is_what_changes_its_answers() -> None:
    fields = {"type": "openai", "endpoint": "http://h/v1", "model": "m"}
    plain = OpenAIClient(ModelServerConfig.model_validate(fields)).id
    assert (
        plain
        == OpenAIClient(ModelServerConfig.model_validate(fields | {"endpoint": "http://i/v1", "concurrency": 2})).id
    )
    assert plain != OpenAIClient(ModelServerConfig.model_validate(fields | {"extra_body": {"top_p": 1}})).id
    assert plain != OpenAIClient(ModelServerConfig.model_validate(fields | {"vision": False})).id


def test_log_probabilities_and_tool_calls_are_cached_as_they_came(server: ChatServer, tmp_path: Path) -> None:
    store = Store(tmp_path)
    call = {"function": {"name": "zoom", "arguments": '{"z": 1, "factor": 2}'}}
    tokens = [{"token": "a\u0301", "logprob": -0.1234567890123}]
    server.turns = [Turn(text="", message={"tool_calls": [call], "reasoning_content": "closer"}, tokens=tokens)]
    tools = ({"type": "function", "function": {"name": "zoom", "parameters": {}}},)
    [first] = complete(server, [request(tools=tools, logprobs=True)], store)
    [again] = complete(server, [request(tools=tools, logprobs=True)], store)
    assert server.requests == 1 and server.bodies[0]["tools"] == list(tools)
    assert isinstance(first, Completion) and replace(first, cached=True) == again
    assert first.tool_calls == (ToolCall("zoom", '{"z": 1, "factor": 2}'),) and first.reasoning == "closer"
    assert first.logprobs == (TokenLogprob("a\u0301", -0.1234567890123),)


@pytest.mark.parametrize(("message", "reasoning"), [({"reasoning": "so"}, "so"), ({"reasoning": {"effort": 1}}, "")])
def test_newer_servers_call_it_reasoning(server: ChatServer, message: dict[str, object], reasoning: str) -> None:
    server.turns = [Turn(text="B", message=message)]
    [one] = complete(server, [request()])
    assert isinstance(one, Completion) and (one.text, one.reasoning) == ("B", reasoning)


def test_a_request_is_named_by_all_that_decides_its_completion() -> None:
    tool = {"type": "function", "function": {"name": "zoom"}}
    requests = [request(), request("who?"), request(seed=2), request(picture="obs:1"), request(logprobs=True)]
    requests += [request(temperature=0.1), request(json_schema={"type": "object"}), request(tools=(tool,))]
    digests = [one.digest("m") for one in requests] + [requests[0].digest("n"), requests[3].digest("m", ["00"])]
    assert len(set(digests)) == len(digests) and requests[0].digest("m") == request().digest("m")


@pytest.mark.parametrize("call", [{"function": "?"}, {"function": {"name": "zoom", "arguments": "[1]"}}, {}])
def test_a_tool_call_without_a_function_is_a_bad_reply(server: ChatServer, call: dict[str, Any]) -> None:
    result = one(server, Turn(text="x", message={"tool_calls": [call]}), retries=0)
    assert isinstance(result, FailedCompletion) and result.failure is Failure.BAD_REPLY
