"""Tokenizers of Hugging Face: special tokens, ids of codes, chat templates, and the one that is trained here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sequence_release import recipe, run

from dataengine.config.sequence import LossConfig, SamplesSource, TextTokenizerConfig, VisionConfig
from dataengine.errors import InputError, UsageError
from dataengine.sequence.assemble import Assembler
from dataengine.sequence.chat import CHATML, ChatTemplate, Turn
from dataengine.sequence.draft import Draft, Words
from dataengine.sequence.encode_part import EncodePart, Material
from dataengine.sequence.encode_worker import EncodeWorker
from dataengine.sequence.material import MATERIAL
from dataengine.sequence.releases import Tar
from dataengine.sequence.special import NAMES, semantic_tokens
from dataengine.sequence.text_tokenizer import TextTokenizer, parse, resolve, train
from dataengine.storage.workspace import Workspace

PURPOSES = list(NAMES)


def bare(trained: bytes) -> bytes:
    """The same tokenizer without ``<|eob|>`` and ``<|frame|>``."""
    content = json.loads(trained)
    gone = ("<|eob|>", "<|frame|>")
    content["added_tokens"] = [one for one in content["added_tokens"] if one["content"] not in gone]
    for n, name in enumerate(gone):
        content["model"]["vocab"][f"unused{n}"] = content["model"]["vocab"].pop(name)
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("config", "codes", "message"),
    [
        (
            {},
            0,
            r"it has no token <\|frame\|> \(frame\), <\|eob\|> \(eob\): name them in sequence.tokenizer.special_tokens",
        ),
        ({"special_tokens": {"eof": 1}}, 0, "`eof` is none of end_of_text"),
        ({"missing": "append", "special_tokens": {"eob": 100}}, 0, "eob has id 100, which is the text token"),
        ({"missing": "append", "first_code": 300}, 10, r"codes from id 300 collide with the .* ids of it; take"),
        ({"missing": "append", "special_tokens": {"eob": 9000, "frame": 9000}}, 0, "two have the same id"),
        ({"missing": "append", "first_code": 2**31 - 5}, 10, "do not fit 32 bits"),
    ],
)
def test_what_does_not_fit_is_refused(trained: bytes, config: dict[str, Any], codes: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(parse(bare(trained), "it"), TextTokenizerConfig(**config), PURPOSES, codes, "it")


def test_missing_tokens_are_appended_on_request(trained: bytes) -> None:
    tokenizer = parse(bare(trained), "it")
    resolved = resolve(tokenizer, TextTokenizerConfig(missing="append"), PURPOSES, 10, "it")
    size = 1 + max(tokenizer.get_vocab().values())
    assert resolved.appended == ("frame", "eob")
    assert (resolved.special["frame"], resolved.special["eob"], resolved.first_code) == (size, size + 1, size + 2)
    named = TextTokenizerConfig(special_tokens={"frame": 151_675, "eob": 151_681}, first_code=151_936)
    assert resolve(tokenizer, named, PURPOSES, 65_536, "it").special["eob"] == 151_681


def test_tokens_of_semantic_ids_are_named_or_appended(trained: bytes) -> None:
    tokenizer, tokens = parse(trained, "it"), semantic_tokens((3, 8))
    with pytest.raises(
        UsageError, match=r"has no token <\|sid_begin\|>, <\|sid_end\|>, <s_a_0>, .*, and 10 more: name them"
    ):
        resolve(tokenizer, TextTokenizerConfig(path="it"), [*PURPOSES, *tokens], 0, "it")
    first = 1 + max(tokenizer.get_vocab().values())
    for config in (
        TextTokenizerConfig(),
        TextTokenizerConfig(path="it", missing="append"),
    ):  # trained here, or by others
        resolved = resolve(tokenizer, config, [*PURPOSES, *tokens], 10, "it")
        assert [resolved.special[one] for one in tokens] == [*range(first, first + 26)]
        assert resolved.first_code == first + 26 and resolved.appended == ()
    tokenizer.add_special_tokens(tokens)
    own = resolve(tokenizer, TextTokenizerConfig(path="it"), [*PURPOSES, *tokens], 0, "it")
    assert own.special["<s_c_7>"] == tokenizer.token_to_id("<s_c_7>")


def test_a_sample_without_a_semantic_id_costs_a_row(words: TextTokenizer, tmp_path: Path) -> None:
    """Also one with codes that the recipe's levels and size do not have."""
    row = {"kind": "image", "captions": ["a roof"], "width": 64, "height": 64, "duration": 0.0}
    rows = [row | {"id": "1" * 32, "rq": None}, row | {"id": "2" * 32, "rq": [3, 9]}]
    workspace = Workspace(str(tmp_path))
    file = workspace.write_table("material.parquet", pa.Table.from_pylist(rows, MATERIAL))
    worker = EncodeWorker(workspace, {}, {}, (), VisionConfig(), True, None, None)
    source = SamplesSource(type="samples", name="s", semantic_ids="after")
    material = Material(file, Tar("", ("a.tar",), "", 0))
    failed, draft = worker._drafts(EncodePart("qwen-vl", source, samples=material))
    assert isinstance(failed, dict) and failed["reason"].startswith("no_semantic_id")
    assert isinstance(draft, Draft)
    [outcome] = Assembler(words, "qwen-vl", ()).documents([draft])
    assert isinstance(outcome, InputError) and outcome.failure == "other_codes"


def test_not_a_tokenizer() -> None:
    with pytest.raises(UsageError, match=r"x\.json is not a tokenizer\.json"):
        parse(b"{}", "x.json")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_the_trained_tokenizer_gives_every_text_back(words: TextTokenizer, text: str) -> None:
    [ids] = words.encode_batch([text])
    assert words.decode(ids) == text


def test_training_gives_the_same_bytes() -> None:
    texts = [f"a {word} roof by a lake, {n}" for n, word in enumerate(["red", "old", "white", "stone"] * 30)]
    assert train(texts, 520) == train(texts, 520)


TURNS = [Turn("user", ("what?",)), Turn("assistant", ("a roof",))]
LLAMA = "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}<|im_end|>{% endfor %}"


@pytest.mark.parametrize(
    ("source", "text", "targets"),
    [
        (CHATML, "<|im_start|>user\nwhat?<|im_end|>\n<|im_start|>assistant\na roof<|im_end|>\n", "a roof<|im_end|>\n"),
        (LLAMA, "[user] what?<|im_end|>[assistant] a roof<|im_end|>", "a roof<|im_end|>"),
    ],
)
def test_templates_are_honoured(source: str, text: str, targets: str) -> None:
    runs = [run for run in ChatTemplate(source).runs(TURNS, LossConfig()) if isinstance(run, Words)]
    assert "".join(one.text for one in runs) == text
    assert "".join(one.text for one in runs if one.loss) == targets


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% for m in %}", "not a Jinja template"),
        ("{{ raise_exception('no system turn') }}", "refuses a conversation: no system turn"),
        ("{{ messages[0].content }}", "leaves out or repeats contents"),
        ("{{ ''.__class__.__mro__ }}", "refuses a conversation"),
    ],
)
def test_templates_that_do_not_work(source: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ChatTemplate(source).runs(TURNS, LossConfig())


def test_a_folder_with_tokenizer_and_template(tmp_path: Path, trained: bytes) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes(trained)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("A red roof.")
    block = {
        "tokenizer": {"path": str(folder), "chat_template": "tokenizer"},
        "sources": [{"type": "text", "name": "books", "path": str(tmp_path / "texts")}],
        "sets": [{"name": "s", "length": 64, "layout": "keye"}],
    }
    with pytest.raises(UsageError, match="there is no chat_template"):
        run(recipe(tmp_path, block))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": CHATML}))
    reports = {report.name: report for report in run(recipe(tmp_path, block))}
    assert reports["sequence.pack"].counts["sequences"] == 1
    block["tokenizer"] = {"path": str(tmp_path / "none.json")}
    with pytest.raises(UsageError, match=r"none\.json does not exist"):
        run(recipe(tmp_path, block))
