"""Fuzzing of all parsers of what comes from outside: each returns, or raises the error that it documents, and nothing else.

Short and the same each time in the suite; ``make fuzz`` draws other and many more examples.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import VALUES, anything, fuzz, only, text_of
from support.release_manifest import manifest

from dataengine.config import yaml_loader
from dataengine.config.cot import QuestionsConfig, SourceQAConfig
from dataengine.config.model_server import ModelServerConfig
from dataengine.config.recipe import Recipe
from dataengine.config.sources import parse_size
from dataengine.cot.core import formats, grounding, tools
from dataengine.cot.core.record import Record
from dataengine.cot.core.source_qa import pairs_of
from dataengine.cot.review.exchange import import_decisions
from dataengine.errors import InputError, RunError, UsageError
from dataengine.models.serving.chat_completions import parse_response
from dataengine.models.serving.completion import Completion, FailedCompletion
from dataengine.policy import grammar
from dataengine.policy import load as policies
from dataengine.release.manifest import Manifest
from dataengine.shards.codes import codes_of_sample
from dataengine.storage.tar import header
from dataengine.text.bounded_json import parse_json, repair_json
from dataengine.text.cleaning import Repairs, clean_text, decode_text
from dataengine.text.display import visible
from dataengine.text.redaction import redacted
from dataengine.text.unicode_forms import normalised
from dataengine.tokenize.base import Codes
from dataengine.tokenize.codec import to_npy
from dataengine.verify.shard_checks import Group, RecordCheck, SampleCheck
from dataengine.verify.tar_scanner import Scanner

ROOT = Path(__file__).parents[2]


@fuzz
@given(anything((ROOT / "jobs/recipes/demo.yaml").read_bytes()))
def test_recipes(data: bytes) -> None:
    text = text_of(data).encode("utf-8", "replace").decode()
    if (root := only(UsageError, lambda: yaml_loader.parse(text, "r.yaml"))) is not None:
        value = only(UsageError, lambda: yaml_loader.value_of(root, "r.yaml"))
        only(ValueError, lambda: Recipe.model_validate(value))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "policy.yaml"


@fuzz
@given(data=anything((ROOT / "filters/demo-v1.yaml").read_bytes(), b"name: x\nversion: 1\nrules: []\n"))
def test_policies(place: Path, data: bytes) -> None:
    place.write_bytes(data)
    only(UsageError, lambda: policies.load(place, {}))


@fuzz
@given(anything(b"width >= 96 and not (kind in ('a', 'b') or blur is not null)", b"x between -1e3 and .5"))
def test_rules(data: bytes) -> None:
    only(UsageError, lambda: grammar.parse(text_of(data)))


@fuzz
@given(st.text(max_size=12) | st.from_regex(r"[\d_.]{1,40} ?[KMGi]{0,2}B?"))
def test_sizes(text: str) -> None:
    only(ValueError, lambda: parse_size(text))


REPLIES = (
    rb"<think>a</think> <answer>\boxed{1}</answer>",
    b"<analysis>a Therefore, /no_think mode is more appropriate.</analysis> b",
    b"<analysis>a Therefore, /think mode is more appropriate.</analysis><think>a</think><answer>\\boxed{1}</answer>",
    b"<think>a\n```python\nzoom(2)\n```\n<sandbox_output> 1 </sandbox_output>\nb</think> <answer>\\boxed{1}</answer>",
)


@fuzz
@given(anything(*REPLIES), st.sampled_from(["thinking", "non_thinking", "auto", "agentic"]))
def test_replies_render_as_they_were_parsed(data: bytes, style: Any) -> None:
    text = text_of(data)
    reply = only(formats.FormatError, lambda: formats.parse(style, text))
    assert reply is None or reply.render() == text


@fuzz
@given(anything(b"<|box_start|>[[1, 2, 3, 4]]<|box_end|>", b"<|clip_time_start|>[1.5, 4]<|clip_time_end|> x"))
def test_labels(data: bytes) -> None:
    for parser in (grounding.parse, grounding.parse_span):
        label = only(formats.FormatError, lambda p=parser: p(text_of(data)))
        assert label is None or label.render() == text_of(data)


@fuzz
@given(anything(b'crop(0, 0, 500, 500)\nzoom(2)\nmeasure("brightness", 0, 0, 1000, 1000)'))
def test_tool_calls(data: bytes) -> None:
    only(tools.ToolError, lambda: tools.parse(text_of(data)))


@fuzz
@given(anything(b'{"version": "3", "id": "00", "messages": [], "scores": [{"name": "x", "value": 1.0}]}'))
def test_records(data: bytes) -> None:
    only(InputError, lambda: Record.from_bytes(data))
    assert RecordCheck("picture", lambda parents: None)(Group("x", {"json": len(data)}, {"json": data}))


@fuzz
@given(
    st.dictionaries(st.sampled_from(["qa", "author", "x"]), VALUES, max_size=3)
    | st.fixed_dictionaries(
        {
            "qa": st.lists(
                st.dictionaries(
                    st.sampled_from(["question", "answer", "choices", "answer_type", "from", "value"]), VALUES
                ),
                max_size=3,
            )
        }
    )
)
def test_pairs_of_a_source(meta: dict[str, Any]) -> None:
    config = QuestionsConfig(source_qa=SourceQAConfig(), metadata={"author": "Who made it?"})
    for pair in pairs_of(json.dumps(meta), config, "src/a.jpg"):
        assert isinstance(pair.question, str) and isinstance(pair.answer, str)


CONFIG = ModelServerConfig.model_validate({"type": "openai", "endpoint": "http://h/v1", "model": "m"})
MESSAGE = {"content": "fine", "tool_calls": [{"function": {"name": "zoom", "arguments": '{"factor": 2}'}}]}
CHOICE = {"message": MESSAGE, "finish_reason": "stop", "logprobs": {"content": [{"token": "x", "logprob": -1.0}]}}
REPLY = json.dumps({"choices": [CHOICE], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}).encode()


@fuzz
@given(anything(REPLY), st.sampled_from([200, 200, 200, 302, 400, 401, 429, 500, 504]), st.text(max_size=8))
def test_responses_of_model_servers(data: bytes, status: int, retry_after: str) -> None:
    result, wait = parse_response(status, retry_after, data, CONFIG, ["secret"])
    assert isinstance(result, Completion | FailedCompletion) and (wait is None or wait >= 0)
    assert json.dumps([str(result)], ensure_ascii=False).encode()


@fuzz
@given(
    st.dictionaries(st.sampled_from(["choices", "usage"]), VALUES)
    | st.builds(lambda v: {"choices": [{"message": v}]}, VALUES)
)
def test_responses_of_any_types(value: Any) -> None:
    result, _ = parse_response(200, "", json.dumps(value).encode(), CONFIG)
    assert isinstance(result, Completion | FailedCompletion)


@fuzz
@given(anything(manifest().to_bytes()))
def test_manifests(data: bytes) -> None:
    only(ValueError, lambda: Manifest.from_bytes(data))


SAMPLE = json.dumps({"id": "0" * 32, "kind": "image", "codes": {"tokenizer": "t", "grid": [1, 1, 4]}}).encode()
NPY = to_npy(Codes(np.zeros((4, 2), np.uint16), (1, 1, 4)))


@fuzz
@given(anything(SAMPLE), anything(NPY))
def test_codes(sample: bytes, codes: bytes) -> None:
    only(RunError, lambda: codes_of_sample({"json": sample, "codes.npy": codes}))
    fields = {"jpg": b"", "txt": b"", "json": sample, "codes.npy": codes}
    assert SampleCheck("image", (8, 8))(Group("0" * 32, {k: len(v) for k, v in fields.items()}, fields))


TAR = header("a.json", 3) + b"{}\n".ljust(512, b"\0") + header("a.jpg", 600) + bytes(1024) + bytes(10240)


@fuzz
@given(anything(TAR), st.integers(1, 2000))
def test_tars_of_a_release(data: bytes, step: int) -> None:
    def scan() -> int:
        scanner = Scanner(lambda name: name.endswith(".json"))
        pieces = [memoryview(data)[at : at + step] for at in range(0, len(data), step)]
        members = [member for piece in pieces for member in scanner.feed(piece)]
        scanner.finish()
        return len(members)

    only(RunError, scan)


@fuzz
@given(
    anything(b'{"qid": "x", "reviewer": "ann", "action": "accept"}\n', b'[{"data": {"qid": "x"}, "annotations": [{}]}]')
)
def test_decisions(data: bytes) -> None:
    only(UsageError, lambda: import_decisions(data, []))


@fuzz
@given(anything(b'{"a": [1, 2.5, "x"], "b": null}'))
def test_json(data: bytes) -> None:
    for value in (only(InputError, lambda: parse_json(data)), only(InputError, lambda: repair_json(data, Repairs()))):
        assert json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@fuzz
@given(st.binary(max_size=60) | anything(b"\xff\xfea\x00", "naïve".encode()), st.text(max_size=40))
def test_text(data: bytes, text: str) -> None:
    for cleaned in (
        decode_text(data),
        clean_text(text),
        clean_text(text_of(data)),
        redacted(text_of(data)),
        visible(text),
    ):
        assert cleaned.encode().decode() == cleaned and clean_text(cleaned) == cleaned
    assert visible(redacted(text)) == redacted(text)
    normalised("NFKC", text * 50)
