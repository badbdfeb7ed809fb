"""Teachers of plugins: a ChatModel like any other, whose failures are values and whose completions are kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from dataengine.config.model_server import ModelServer
from dataengine.errors import RunError, UsageError
from dataengine.models.serving.completion import Completion, FailedCompletion, Failure, Request, Result
from dataengine.models.serving.connect import chat_model
from dataengine.models.serving.messages import Message, TextBlock
from dataengine.plugins.file import PluginFile
from dataengine.storage.store import Store

COMMAND = Path(__file__).parents[2] / "examples/plugins/command_teacher.py"
SERVE = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"text": request["messages"][-1]["text"].upper()}), flush=True)
"""
_TEACHER = """
from dataengine.models.serving.completion import Completion

class Mine:
    name = "mine"
    id = "mine-1"

    def __init__(self, *, model, temper=0):
        self.model = model

    def validate(self):
        pass

    def setup(self):
        pass

    def close(self):
        pass

    def complete(self, requests, media):
        for index, request in enumerate(requests):
            text = request.messages[-1].content[0].text
            if "fail" in text:
                raise ValueError(f"cannot say {text}")
            yield index, Completion(text.title())
"""


def requests(*texts: str) -> list[Request]:
    return [Request((Message(role="user", content=(TextBlock(text=text),)),), seed=0) for text in texts]


def server(changes: str = "", **fields: Any) -> ModelServer:
    plugin = PluginFile("mine.py", f"{_TEACHER}\n{changes}\nTEACHERS = [Mine]\n".encode())
    return ModelServer(**({"client": "mine", "model": "m"} | fields)).placed("model_servers/r/mine", (plugin,))


def asked(one: ModelServer, store: Store | None, *texts: str) -> list[Result]:
    model = chat_model(one, store)
    model.setup()
    try:
        results = list(model.complete(requests(*texts), lambda reference: b""))
    finally:
        model.close()
    assert sorted(index for index, _ in results) == list(range(len(texts))), "each once"
    return [result for _, result in sorted(results, key=lambda pair: pair[0])]


def test_the_example_asks_a_program(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(SERVE)
    fields = {"client": "command", "options": {"command": [sys.executable, str(tmp_path / "serve.py")]}}
    one = ModelServer(model="m", **fields).placed("p", (PluginFile.read(str(COMMAND)),))
    assert (one.kind, one.started) == ("client", False)
    assert asked(one, None, "a kite", "fog") == [Completion("A KITE"), Completion("FOG")]
    with pytest.raises(UsageError, match="there is no program"):
        missing = ModelServer(model="m", client="command", options={"command": ["/no/such/program"]})
        chat_model(missing.placed("p", (PluginFile.read(str(COMMAND)),)), None).validate()


def test_what_it_raises_fails_the_request_alone(tmp_path: Path) -> None:
    first, failed, last = asked(server(), None, "a kite", "fail here", "fog")
    assert (first, last) == (Completion("A Kite"), Completion("Fog"))
    assert isinstance(failed, FailedCompletion) and failed.failure is Failure.BAD_REPLY
    assert "cannot say fail here" in failed.message


def test_completions_are_kept_by_content_code_and_options(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert asked(server(), store, "a kite") == [Completion("A Kite")]
    assert asked(server(), store, "a kite") == [Completion("A Kite", cached=True)]
    ids = {
        chat_model(one, None).id
        for one in (server(), server("# edited"), server(options={"temper": 1}), server(model="n"))
    }
    assert len(ids) == 4 and all(one.startswith("mine-1:") for one in ids)
    assert asked(server("# edited"), store, "a kite") == [Completion("A Kite")]


def test_what_is_no_completion_is_a_failure() -> None:
    wrong = "def wrong(self, requests, media):\n    yield 0, 'text'\n\nMine.complete = wrong"
    [failed] = asked(server(wrong), None, "a kite")
    assert isinstance(failed, FailedCompletion) and "gave a str" in failed.message
    for text in ("None", "b'text'"):
        wrong = f"def wrong(self, requests, media):\n    yield 0, Completion({text})\n\nMine.complete = wrong"
        [failed] = asked(server(wrong), None, "a kite")
        assert isinstance(failed, FailedCompletion) and "whose text is a" in failed.message
    odd = "def odd(self, requests, media):\n    yield 0, Completion('a \\udc80kite')\n\nMine.complete = odd"
    assert asked(server(odd), None, "a kite") == [Completion("a kite")]
    [none] = asked(server("Mine.complete = lambda self, requests, media: []"), None, "a kite")
    assert isinstance(none, FailedCompletion) and "gave no completion" in none.message


def test_mistakes_are_told_by_name() -> None:
    with pytest.raises(UsageError, match="no plugin offers a teacher `other`: name its file in `plugins`"):
        chat_model(server(client="other"), None)
    with pytest.raises(UsageError, match=r"teacher `mine` of plugin mine.py .*: it has no `complete`"):
        chat_model(server("del Mine.complete"), None)
    with pytest.raises(RunError, match=r"teacher `mine` .* cannot start: OSError: no weights"):
        asked(server("def setup(self):\n    raise OSError('no weights')\n\nMine.setup = setup"), None, "a kite")
    with pytest.raises(ValueError, match="options are for a client of a plugin"):
        ModelServer(model="m", url="http://localhost:1/v1", options={"a": 1})
    with pytest.raises(ValueError, match="name one of url"):
        ModelServer(model="m", client="mine", packaged="smollm2")
