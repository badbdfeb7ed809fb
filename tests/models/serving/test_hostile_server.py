"""A model server that is broken or hostile: each request ends in its class of failure, bounded in bytes, time and depth."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_openai_client import complete, one, request

from dataengine.config.model_server import ModelServerConfig
from dataengine.errors import UsageError
from dataengine.models.serving.bounded_body import LARGEST
from dataengine.models.serving.completion import Completion, FailedCompletion, Failure, Result
from dataengine.models.serving.openai import OpenAIClient
from dataengine.storage.store import Store
from dataengine.testing import ChatServer, Turn, chat_server


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def failed(result: Result, failure: Failure) -> str:
    assert isinstance(result, FailedCompletion) and result.failure is failure, result
    return result.message


def reply(message: dict[str, Any] | None = None, **choice: Any) -> bytes:
    whole = {"message": {"role": "assistant", "content": "fine", **(message or {})}, **choice}
    return json.dumps({"choices": [whole]}).encode()


def usage(**fields: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"content": "fine"}}], "usage": fields}).encode()


def tokens(*logprobs: Any) -> bytes:
    return reply(logprobs={"content": [{"token": "x", "logprob": p} for p in logprobs]})


def bomb() -> bytes:
    """30 MB of blanks as 30 kB of gzip."""
    return gzip.compress(b" " * (30 << 20), mtime=0)


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (b" " * (LARGEST + 1), "identity", "more than 8,388,608 bytes"),
        (bomb(), "gzip", "more than 8,388,608 bytes after decompression"),
        (zlib.compress(b" " * (30 << 20)), "deflate", "after decompression"),
        (b"not gzip", "gzip", "its compression is damaged"),
        (gzip.compress(reply(), mtime=0)[:-20], "gzip", "its compressed data end early"),
        (reply(), "br", "its content encoding"),
        (gzip.compress(gzip.compress(reply(), mtime=0), mtime=0), "gzip, gzip", "its content encoding"),
    ],
)
def test_a_body_is_bounded_and_not_asked_for_again(
    server: ChatServer, body: bytes, encoding: str, message: str
) -> None:
    assert message in failed(one(server, Turn(body=body, headers={"Content-Encoding": encoding})), Failure.BAD_REPLY)
    assert server.requests == 1


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_replies_are_read(server: ChatServer, encoding: str, pack: Any) -> None:
    assert one(server, Turn(body=pack(reply()), headers={"Content-Encoding": encoding})) == Completion("fine")
    assert server.headers[0]["Accept-Encoding"] == "gzip, deflate"


def test_a_body_that_drips_ends_with_the_time_limit(server: ChatServer) -> None:
    assert (
        failed(one(server, Turn("drip", body=b" " * 1000), timeout=0.3, retries=0), Failure.TIMEOUT)
        == "no whole response within 0.3 s"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[" * 200_000, "nested deeper"),
        (reply({"content": {"text": "x"}}), "`content` is not a string"),
        (b'{"choices": ' + b"[" * 100 + b"]" * 100 + b"}", "nested deeper"),
        (b'{"choices": [{"message": {"content": ' + b"9" * 5000 + b"}}]}", "a number with too many digits"),
        (tokens(float("inf")), "NaN or Infinity"),
        (tokens(float("nan")), "NaN or Infinity"),
        (tokens(-1).replace(b"-1", b"-1e999"), "beyond the range of float64"),
        (tokens(None), "`logprobs.content[].logprob` is not a finite number"),
        (tokens("-1"), "`logprobs.content[].logprob`"),
        (tokens(True), "`logprobs.content[].logprob`"),
        (reply(logprobs=[1]), "`logprobs` is not an object"),
        (reply(logprobs={"content": {"a": 1}}), "`content` is not a list"),
        (reply(logprobs={"content": [{"token": 1, "logprob": -1}]}), "`logprobs.content[].token`"),
        (b"null", "`the reply` is not an object"),
        (b'"text"', "`the reply`"),
        (b"[]", "`the reply`"),
        (b'{"choices": []}', "`choices[0]`"),
        (b'{"choices": {"0": 1}}', "`choices` is not a list"),
        (b'{"choices": [[]]}', "`choices[0]`"),
        (b'{"choices": [{"message": "fine"}]}', "`message` is not an object"),
        (reply({"content": 5}), "`content` is not a string"),
        (reply({"content": "x" * 1_000_001}), "`content` is not a text of at most 1,000,000 characters"),
        (reply({"content": ["a"]}), "`content[]` is not an object"),
        (reply({"content": [{"type": "image_url"}]}), "`content[].type`"),
        (reply({"content": [{"type": "text", "text": {}}]}), "`text` is not a string"),
        (reply({"refusal": {"why": "no"}}), "`refusal` is not a string"),
        (reply({"reasoning_content": ["x"]}), "`reasoning_content` is not a string"),
        (reply({"tool_calls": {"function": {}}}), "`tool_calls` is not a list"),
        (reply({"tool_calls": [{"function": {"name": ["zoom"]}}]}), "`tool_calls[].function.name`"),
        (reply({"tool_calls": [{"function": {"name": "zoom", "arguments": "[" * 90_000}}]}), "nested deeper"),
        (reply({"tool_calls": [{"function": {"name": "zoom", "arguments": '{"a": NaN}'}}]}), "NaN or Infinity"),
        (usage(prompt_tokens="7"), "`usage.prompt_tokens`"),
        (usage(completion_tokens=-5), "`usage.completion_tokens`"),
        (usage(completion_tokens=1.5), "`usage.completion_tokens`"),
        (usage(completion_tokens=10**30), "`usage.completion_tokens`"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"<html>Log in</html>", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_a_reply_of_another_form_is_a_bad_reply(server: ChatServer, body: bytes, message: str) -> None:
    assert message in failed(one(server, Turn(body=body), retries=0), Failure.BAD_REPLY)


def test_text_parts_are_joined_and_halves_of_characters_are_left_out(server: ChatServer, tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "a\ud83d"}, {"type": "text", "text": "\x00b"}]
    server.turns = [Turn(body=reply({"content": parts}))]
    assert complete(server, [request()], Store(tmp_path)) == [Completion("ab")]
    assert complete(server, [request()], Store(tmp_path)) == [Completion("ab", cached=True)]


def test_one_reply_of_each_kind_ends_no_run(server: ChatServer) -> None:
    bodies = [b"[" * 200_000, tokens(float("inf")), reply({"content": 5}), reply()]
    server.reply = lambda body: Turn(body=bodies[body["seed"]])
    results = complete(server, [request(seed=n) for n in range(4)], retries=1)
    assert [isinstance(r, Completion) for r in results] == [False, False, False, True]
    assert server.requests == 7


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: the-key-of-the-test.",
        "GET https://ann:the-key-of-the-test@h/v1",
        "headers: {'Authorization': 'Bearer the-key-of-the-test'}",
        "?X-Amz-Signature=the-key-of-the-test",
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_errors_hold_no_secret_and_no_control_character(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, text: str, known: bool
) -> None:
    monkeypatch.setenv("TEACHER_KEY", "the-key-of-the-test" if known else "another")
    turn = Turn(status=400, body=f"\x1b[2J{text}\u202e".encode())
    message = failed(one(server, turn, api_key_env="TEACHER_KEY"), Failure.BAD_REQUEST)
    assert "\\x1b[2J" in message and message.isprintable()
    assert "the-key-of-the-test" not in message or (not known and "Incorrect" in text)


def test_a_refusal_that_quotes_a_key_is_redacted(server: ChatServer) -> None:
    message = failed(one(server, Turn(text="I cannot use Bearer abcdefghijkl for that.")), Failure.REFUSED)
    assert message == "I cannot use Bearer [redacted] for that."


def test_an_endpoint_with_a_password_does_not_show_it(server: ChatServer) -> None:
    [result] = complete(server, [request()], endpoint="http://ann:secret@127.0.0.1:9/v1", retries=0)
    assert "secret" not in failed(result, Failure.CONNECTION)


def test_a_server_that_only_hangs_up_is_not_there(server: ChatServer) -> None:
    """One prompt that a server dies of is a failure of its own; many in a row end the run."""
    server.reply = lambda body: Turn("reset")
    results = complete(server, [request(seed=n) for n in range(8)], retries=0, concurrency=1)
    assert [r.failure for r in results if isinstance(r, FailedCompletion)] == [Failure.DISCONNECTED] * 7 + [
        Failure.CONNECTION
    ]


def test_one_prompt_that_is_forbidden_is_a_failure_of_its_own(server: ChatServer) -> None:
    assert "told to" in failed(one(server, Turn(status=403)), Failure.FORBIDDEN)
    server.models = 403
    assert "told to" in failed(one(server, Turn(status=403)), Failure.DENIED)


def test_an_outage_is_no_failure_of_a_prompt(server: ChatServer) -> None:
    server.models = 502
    failed(one(server, Turn("reset"), retries=0), Failure.CONNECTION)


@pytest.mark.parametrize(
    ("endpoint", "key", "message"),
    [
        ("http://[::1/v1", "k", "not a URL"),
        ("http://h:99999999/v1", "k", "not a URL"),
        ("http:///v1", "k", "not a URL"),
        ("http://h/v1", "k\u00e9y", "an HTTP header cannot hold"),
        ("http://h/v1", "k\ny", "an HTTP header cannot hold"),
        ("http://h/v1", " \n", "is not set"),
    ],
)
def test_a_configuration_that_no_request_can_have(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, key: str, message: str
) -> None:
    monkeypatch.setenv("TEACHER_KEY", key)
    fields = {"type": "openai", "endpoint": endpoint, "model": "m", "api_key_env": "TEACHER_KEY"}
    with pytest.raises(UsageError, match=message) as error:
        OpenAIClient(ModelServerConfig.model_validate(fields)).validate()
    assert key.strip() == "k" or key not in str(error.value)


def test_a_damaged_cache_is_asked_again(server: ChatServer, tmp_path: Path) -> None:
    store = Store(tmp_path)
    complete(server, [request()], store)
    [path] = (tmp_path / "completions").glob("*.json")
    for damaged in (b"[" * 100_000, b"{}", b'{"failure": "none"}', b"[1]"):
        path.write_bytes(damaged)
        asked = server.requests
        for _ in range(2):
            assert isinstance(complete(server, [request()], store)[0], Completion)
        assert server.requests == asked + 1, "its place is free for the new one"
