"""Model servers in a recipe: what is right, every mistake by its line, and what of them is published."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from dataengine.config.cot import OpenAIConfig
from dataengine.config.recipe import Recipe, load
from dataengine.cot.checks.stage import CotCheck
from dataengine.cot.paths.stage import CotPaths
from dataengine.cot.questions.stage import CotQuestions
from dataengine.errors import UsageError
from dataengine.models.serving.connect import chat_model
from dataengine.pipeline import open_run
from dataengine.release.manifest_servers import AskedModel
from dataengine.release.run_manifest import _model_servers, content_of

BASE: dict[str, Any] = {
    "name": "r",
    "workspace": "w",
    "filter": {"policy": "p.yaml"},
    "sources": [{"type": "folder", "name": "photos", "path": "p"}],
    "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
}
COMMAND = ["vllm", "serve", "m", "--host", "{host}", "--port", "{port}"]
SERVERS = {
    "small": {"packaged": "smollm2", "replicas": 2},
    "big": {"command": COMMAND, "model": "m", "gpus": 1, "version": "a1"},
    "vendor": {"url": ["http://ann:secret@h/v1", "http://i/v1"], "model": "v", "extra_body": {"top_p": 0.9}},
}


def recipe(**servers: dict[str, Any]) -> Recipe:
    cot = {
        "teachers": [{"type": "openai", "server": "small", "tools": "none"}, {"type": "openai", "server": "big"}],
        "judge": {"type": "openai", "server": "vendor"},
        "questions": {"rewrite": {"type": "openai", "server": "big"}},
    }
    return Recipe.model_validate({**BASE, "model_servers": SERVERS | servers, "cot": cot})


def test_models_of_cot_have_the_settings_of_the_servers_that_they_name() -> None:
    one: Recipe = pickle.loads(pickle.dumps(recipe()))
    assert one.cot is not None
    small, big = one.cot.teachers
    assert isinstance(small, OpenAIConfig) and isinstance(big, OpenAIConfig) and one.cot.judge is not None
    assert (small.model, small.vision, small.concurrency, small.tools) == ("SmolLM2-135M-Instruct", False, 64, "none")
    assert small.server_to_start is not None and small.server_to_start.place == "model_servers/r/small"
    assert big.server_to_start is not None and big.server_to_start.gpus == 1 and big.urls == ()
    assert one.cot.judge.urls == ("http://ann:secret@h/v1", "http://i/v1") and one.cot.judge.server_to_start is None
    assert CotPaths().servers(one) == ["small", "big"] and CotCheck().servers(one) == ["vendor"]
    assert CotQuestions().servers(one) == ["big"]


def test_a_model_is_told_apart_by_what_changes_its_completions() -> None:
    def ids(**servers: dict[str, Any]) -> list[str]:
        return [chat_model(server, None).id for server in recipe(**servers).model_servers.values()]

    same = ids(
        big=SERVERS["big"] | {"replicas": 4, "gpus": 2, "retries": 1, "environment": {"X": "y"}, "budget_tokens": 9},
        vendor=SERVERS["vendor"] | {"url": "https://other/v1", "api_key_env": "KEY"},
    )
    other = ids(
        small=SERVERS["small"] | {"version": "b"},
        big=SERVERS["big"] | {"command": [*COMMAND, "--quantization", "fp8"]},
        vendor=SERVERS["vendor"] | {"model": "w"},
    )
    assert ids() == same and not set(ids()) & set(other)
    teacher = recipe().cot
    assert teacher is not None and isinstance(teacher.teachers[1], OpenAIConfig)
    assert chat_model(teacher.teachers[1], None).id == ids()[1], "one model, whoever asks it"


def test_a_release_names_its_models_and_no_address() -> None:
    one = recipe()
    published = _model_servers(open_run(one))["model_servers"]
    assert [(s.name, s.model, s.kind) for s in msgspec.convert(published, list[AskedModel])] == [
        ("big", "m", "command"),
        ("small", "SmolLM2-135M-Instruct", "packaged"),
        ("vendor", "v", "url"),
    ]
    assert "secret" not in json.dumps(published) and "http" not in json.dumps(published)
    moved = recipe(vendor=SERVERS["vendor"] | {"url": "http://other/v1"}, small=SERVERS["small"] | {"replicas": 5})
    assert content_of(moved) == content_of(one)
    assert content_of(recipe(big=SERVERS["big"] | {"version": "a2"})) != content_of(one)
    plain = Recipe.model_validate(BASE)
    assert _model_servers(open_run(plain)) == {} and "model_servers" not in content_of(plain)


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ({"model": "m"}, "name one of url"),
        ({"url": "http://h/v1", "command": COMMAND, "model": "m"}, "name one of url"),
        ({"url": "http://h/v1", "packaged": "smollm2"}, "name one of url"),
        ({"url": "http://h/v1"}, "name the model"),
        ({"url": "h:8000", "model": "m"}, "http"),
        ({"url": [], "model": "m"}, "at least 1"),
        ({"command": ["vllm", "serve"], "model": "m"}, r"command has no \{port\}"),
        ({"command": COMMAND, "model": "m", "replicas": 0}, "must be at least 1"),
        ({"command": COMMAND, "model": "m", "gpus": -1}, "must be at least 0"),
        ({"url": "http://h/v1", "model": "m", "budget": 5}, "give prices as well"),
        ({"url": "http://h/v1", "model": "m", "environment": {"A": "b"}}, "environment is for a command"),
        ({"packaged": "gpt"}, "smollm2"),
        ({"url": "http://h/v1", "model": "m", "replica": 2}, "did you mean `replicas`"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, server: dict[str, Any], message: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump({**BASE, "model_servers": {"big": server}}, sort_keys=False))
    with pytest.raises(UsageError, match=rf"r\.yaml:\d+: .*{message}"):
        load(path)


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ({"server": "tiny"}, "no model server is called `tiny`; model_servers has big, small, vendor"),
        ({"server": "big", "model": "x"}, r"model belongs to the server: set it at model_servers\.big"),
        ({"server": "big", "endpoint": "http://h/v1"}, "endpoint belongs to the server"),
        ({"model": "x"}, "give model and endpoint, or the name of one of model_servers"),
    ],
)
def test_a_model_that_names_its_server_wrongly(tmp_path: Path, judge: dict[str, Any], message: str) -> None:
    path = tmp_path / "r.yaml"
    fields = {**BASE, "model_servers": SERVERS, "cot": {"judge": {"type": "openai", **judge}}}
    path.write_text(yaml.safe_dump(fields, sort_keys=False))
    with pytest.raises(UsageError, match=message):
        load(path)
