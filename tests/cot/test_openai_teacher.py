"""The client of OpenAI-compatible endpoints against a server that misbehaves in every way that they do."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.chat_server import ChatServer, Turn, chat_server

from dataengine.config.cot import OpenAIConfig
from dataengine.cot.core.record import ImageBlock, Message, TextBlock
from dataengine.cot.teachers.base import Ask, Failure, NotSaid, Said
from dataengine.cot.teachers.openai import OpenAITeacher
from dataengine.cot.teachers.pace import Pace
from dataengine.errors import UsageError
from dataengine.storage.store import Store

PICTURES = {"obs:1": b"\x89PNG one", "obs:2": b"\xff\xd8 two"}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def ask(text: str = "why?", seed: int = 1, picture: str | None = None, **more: Any) -> Ask:
    blocks = (*((ImageBlock(image=picture),) if picture else ()), TextBlock(text=text))
    return Ask((Message(role="user", content=blocks),), seed, max_tokens=32, **more)


def answers(server: ChatServer, asks: list[Ask], store: Store | None = None, **config: Any) -> list[Said | NotSaid]:
    told = {"type": "openai", "endpoint": server.endpoint, "model": "m", "retries": 2, "timeout": 2.0} | config
    teacher = OpenAITeacher(OpenAIConfig.model_validate(told), store, first_wait=0.01)
    teacher.setup()
    found = dict(teacher.answer(asks, PICTURES.__getitem__))
    teacher.close()
    assert sorted(found) == list(range(len(asks)))
    return [found[i] for i in range(len(asks))]


def one(server: ChatServer, *turns: Turn, **config: Any) -> Said | NotSaid:
    server.turns = list(turns)
    return answers(server, [ask()], **config)[0]


def test_the_request_is_that_of_the_interface(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "secret")
    schema = {"type": "object"}
    asks = [ask("q", picture="obs:1"), ask("q", picture="obs:2"), ask("q", json_schema=schema, logprobs=True)]
    answers(server, asks, api_key_env="TEACHER_KEY", extra_body={"top_p": 0.9}, concurrency=1)
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
    answers(server, [ask("q", picture="obs:1")], pictures=False)
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "q"}]


def test_confidence_is_the_mean_log_probability(server: ChatServer) -> None:
    said = one(server, Turn(logprobs=[-1.0, -2.0]))
    assert said == Said("fine", -1.5, 7, 5, least=-2.0)
    assert one(server, Turn()) == Said("fine", None, 7, 5)


@pytest.mark.parametrize(
    ("turn", "failure"),
    [
        (Turn(status=429), Failure.RATE_LIMIT),
        (Turn(status=500), Failure.SERVER),
        (Turn(status=503), Failure.SERVER),
        (Turn("slow", seconds=1.0), Failure.TIMEOUT),
        (Turn("reset"), Failure.CONNECTION),
        (Turn("cut"), Failure.BAD_REPLY),
        (Turn(text=""), Failure.BAD_REPLY),
    ],
)
def test_what_may_pass_is_tried_again(server: ChatServer, turn: Turn, failure: Failure) -> None:
    assert one(server, turn, turn, timeout=0.3) == Said("fine", None, 7, 5)
    assert server.requests == 3
    given_up = one(server, turn, turn, turn, timeout=0.3)
    assert isinstance(given_up, NotSaid) and given_up.failure is failure
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
def test_what_would_not_pass_is_told_at_once(server: ChatServer, turn: Turn, failure: Failure) -> None:
    told = one(server, turn)
    assert isinstance(told, NotSaid) and told.failure is failure and told.message
    assert server.requests == 1


def test_retry_after_is_honoured(server: ChatServer) -> None:
    assert isinstance(one(server, Turn(status=429, headers={"Retry-After": "0.4"})), Said)
    assert server.times[1] - server.times[0] >= 0.4


def test_a_server_that_is_not_there(server: ChatServer) -> None:
    told = answers(server, [ask()], endpoint="http://127.0.0.1:9/v1")[0]
    assert isinstance(told, NotSaid) and told.failure is Failure.CONNECTION and "127.0.0.1:9" in told.message


def test_no_more_requests_at_once_than_allowed(server: ChatServer) -> None:
    server.reply = lambda body: Turn(seconds=0.02)
    answers(server, [ask(seed=n) for n in range(30)], concurrency=3)
    assert server.requests == 30 and server.busiest == 3


def test_requests_and_tokens_a_minute_are_bounded() -> None:
    async def seconds(pace: Pace, tokens: int) -> float:
        await pace.take(tokens)
        begun = time.monotonic()
        await pace.take(tokens)
        return time.monotonic() - begun

    assert asyncio.run(seconds(Pace(None, 6000), 3040)) >= 0.7  # 80 lacking, at 100 a second
    assert asyncio.run(seconds(Pace(120, None), 1)) < 0.4
    pace = Pace(None, 6000)
    asyncio.run(pace.take(6000))
    pace.give_back(6000)
    assert asyncio.run(seconds(pace, 3000)) < 0.7


def test_finished_answers_are_never_paid_for_twice(server: ChatServer, tmp_path: Path) -> None:
    store = Store(tmp_path)
    server.turns = [Turn(text=f"answer {n}") for n in range(4)] + [Turn(finish="length")]
    asks = [ask(seed=n, picture="obs:1") for n in range(5)]
    first = answers(server, asks, store, concurrency=1)
    again = answers(server, asks, store)
    assert server.requests == 5
    assert [s.text for s in first[:4] if isinstance(s, Said)] == [s.text for s in again[:4] if isinstance(s, Said)]
    assert all(isinstance(s, Said) and s.cached for s in again[:4])
    assert isinstance(again[4], NotSaid) and again[4].failure is Failure.TRUNCATED
    answers(server, [ask(seed=0, picture="obs:2"), ask("other", seed=0), ask(seed=0)], store)
    answers(server, [ask(seed=0)], store, model="other")
    assert server.requests == 9


def test_failures_that_may_pass_are_asked_again_in_the_next_run(server: ChatServer, tmp_path: Path) -> None:
    server.turns = [Turn(status=500)] * 3
    assert isinstance(answers(server, [ask()], Store(tmp_path))[0], NotSaid)
    assert isinstance(answers(server, [ask()], Store(tmp_path))[0], Said)


def test_a_budget_ends_the_asking(server: ChatServer) -> None:
    told = answers(server, [ask(seed=n) for n in range(20)], budget_tokens=100, concurrency=1)
    said = [one for one in told if isinstance(one, Said)]
    assert 2 <= len(said) == server.requests < 20
    assert {one.failure for one in told if isinstance(one, NotSaid)} == {Failure.BUDGET}
    assert 12 * len(said) <= 100


def test_a_missing_key_is_found_before_anything_runs() -> None:
    told = {"type": "openai", "endpoint": "http://h/v1", "model": "m", "api_key_env": "NO_SUCH_KEY"}
    with pytest.raises(UsageError, match="NO_SUCH_KEY"):
        OpenAITeacher(OpenAIConfig.model_validate(told)).validate()


def test_the_name_of_a_teacher_is_what_changes_its_answers() -> None:
    told = {"type": "openai", "endpoint": "http://h/v1", "model": "m"}
    plain = OpenAITeacher(OpenAIConfig.model_validate(told)).id
    assert plain == OpenAITeacher(OpenAIConfig.model_validate(told | {"endpoint": "http://i/v1", "concurrency": 2})).id
    assert plain != OpenAITeacher(OpenAIConfig.model_validate(told | {"extra_body": {"top_p": 1}})).id
    assert plain != OpenAITeacher(OpenAIConfig.model_validate(told | {"pictures": False})).id
