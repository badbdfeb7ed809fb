"""Whole published models become a tokenizer of ours and back, tensor by tensor with the same bits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
import yaml
from safetensors.torch import load_file, save_file
from support import tiny_kelix
from typer.testing import CliRunner

from dataengine.cli.main import app
from dataengine.errors import UsageError
from dataengine.models.sharded import ShardedModel
from dataengine.tokenize.checkpoint import pack, unpack
from dataengine.tokenize.external import ExternalConfig
from dataengine.tokenize.factory import load
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.convert import to_checkpoint, to_published
from dataengine.tokenize.kelix.names import PREFIX
from dataengine.tokenize.kelix.published import Published

SMALL = KelixConfig.model_validate(tiny_kelix.SMALL)
TOWER = f"{PREFIX}visual.vision_model."
TABLE = f"{PREFIX}quantizer.2.embedding.weight"


def whole_model() -> dict[str, torch.Tensor]:
    """A random published model in bfloat16: tokenizer, language model, block decoder, projector and diffusion model."""
    tensors = {name: t.to(torch.bfloat16) for name, t in tiny_kelix.published(SMALL).items()}
    foreign = ("model.embed_tokens.weight", "lm_head.weight", "token_head.lin.bias", "quant_projector.0.weight")
    return tensors | {name: torch.randn(5, 3) for name in foreign} | {"dit.steps": torch.arange(3)}


def write(folder: Path, tensors: dict[str, torch.Tensor], shards: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: f"model-{n % shards + 1:05d}-of-{shards:05d}.safetensors" for n, name in enumerate(sorted(tensors))}
    for file in set(files.values()):
        save_file({n: tensors[n].clone() for n, f in files.items() if f == file}, folder / file, {"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    (folder / "config.json").write_text('{"model_type": "kelix"}')
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    return write(tmp_path_factory.mktemp("published") / "model", whole_model())


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return {n: t for file in folder.glob("*.safetensors") for n, t in load_file(file).items()}


def bits(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {
        n: (str(t.dtype), tuple(t.shape), t.reshape(-1).view(torch.uint8).numpy().tobytes()) for n, t in tensors.items()
    }


def test_there_and_back_is_byte_for_byte(model: Path, tmp_path: Path) -> None:
    done = dict(to_checkpoint(str(model), str(tmp_path / "ours"), SMALL, PREFIX).facts)
    assert done["ignored"].count(", ") == 6 and "1 of the block decoder" in done["ignored"]
    assert done["tensors"].endswith("stored as BF16")
    to_published(str(tmp_path / "ours"), str(tmp_path / "back"), None, PREFIX, shard=30_000)
    own = {
        n: t for n, t in whole_model().items() if n.startswith(PREFIX) and ".head." not in n and ".packing_" not in n
    }
    assert len(list((tmp_path / "back").glob("*.safetensors"))) > 2
    assert bits(tensors_of(tmp_path / "back")) == bits(own)
    assert list(ShardedModel(str(tmp_path / "back"))), "the index agrees with the shards"
    to_published(str(tmp_path / "ours"), str(tmp_path / "whole"), str(model), PREFIX)
    assert bits(tensors_of(tmp_path / "whole")) == bits(whole_model()), (
        "a whole model with the same tokenizer is itself"
    )
    assert {p.name for p in (tmp_path / "whole").iterdir()} == {p.name for p in model.iterdir()}


def test_a_converted_checkpoint_keeps_type_and_size_and_encodes(model: Path, tmp_path: Path) -> None:
    to_checkpoint(str(model), str(tmp_path), SMALL.model_copy(update={"dtype": "bfloat16"}), PREFIX)
    data = ExternalConfig(path=str(tmp_path)).read()
    tokenizer = load(data)
    stored = sum(t.numel() for n, t in whole_model().items() if n.startswith(PREFIX) and ".embedding.weight" not in n)
    assert len(data) < 2 * stored + 2 * 64 * 48 + 16_000, "two bytes a number, and each centre once"
    assert tokenizer.save() == data, "loaded and saved: the same file"
    tokenizer.setup("cpu", 1)
    [codes] = tokenizer.encode([tokenizer.prepare([tiny_kelix.photos()[4]])])
    assert codes.tokens.shape == (4, 4) and tokenizer.decode(codes) is None, "a language model has no way back"
    assert tokenizer.id in (tmp_path / "README.md").read_text()


def test_published_names_are_mapped(model: Path) -> None:
    theirs, ours = whole_model(), Published(ShardedModel(str(model)), SMALL)
    assert ours["quantiser.books.2.centres"].tobytes() == bits({"": theirs[TABLE][32:48]})[""][2]
    key = theirs[f"{TOWER}encoder.layers.0.self_attn.k_proj.weight"]
    assert ours["vision.blocks.0.qkv.weight"][32:64].tobytes() == bits({"": key})[""][2]
    assert ours["vision.patch.weight"].shape == (32, 588)


def test_a_table_that_is_stored_once_serves_all_codebooks(tmp_path: Path) -> None:
    tensors = whole_model()
    for n in (0, 1, 3):
        del tensors[f"{PREFIX}quantizer.{n}.embedding.weight"]
    ours = Published(ShardedModel(str(write(tmp_path, tensors))), SMALL)
    assert ours["quantiser.books.3.centres"].tobytes() == bits({"": tensors[TABLE][48:]})[""][2]
    assert len(ours.names.shared) == 3


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _index(change: Callable[[dict[str, str]], object]) -> Callable[[Path], None]:
    def write_index(folder: Path) -> None:
        path = folder / "model.safetensors.index.json"
        index = json.loads(path.read_text())
        change(index["weight_map"])
        path.write_text(json.dumps(index))

    return write_index


def _tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        tensors = whole_model()
        change(tensors)
        write(folder, tensors)

    return rewrite


def _only_pickles(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02.")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without("model-00002-of-00003.safetensors"), r"model-00002-of-00003.safetensors: no such file"),
        (_index(lambda m: m.pop("lm_head.weight")), r"holds lm_head.weight, which .* does not name"),
        (_index(lambda m: m.update({"lm_head.scale": m["lm_head.weight"]})), r"places lm_head.scale in model-0000"),
        (
            _index(lambda m: m.update({"lm_head.weight": "../up.safetensors"})),
            r"not the name of a .safetensors file beside",
        ),
        (_index(lambda m: m.clear()), "no weight_map"),
        (lambda f: (f / "model.safetensors.index.json").write_text("[" * 9), "not a JSON object"),
        (
            lambda f: (f / "model-00001-of-00003.safetensors").write_bytes(b"\x09" * 40),
            "00001.* is not a readable safetensors",
        ),
        (_tensors(lambda t: t.pop(f"{PREFIX}encoder.bias")), rf"missing: {PREFIX}encoder.bias"),
        (_tensors(lambda t: t.update({f"{PREFIX}mystery": torch.zeros(1)})), rf"unknown: {PREFIX}mystery"),
        (_tensors(lambda t: t.update({"mystery.weight": torch.zeros(1)})), "unknown: mystery.weight"),
        (
            _tensors(lambda t: t.update({f"{PREFIX}encoder.weight": torch.zeros(3, 3)})),
            rf"of another shape: {PREFIX}encoder.weight \[3, 3\] instead of \[32, 48\]",
        ),
        (_tensors(lambda t: t.update({TABLE: t[TABLE] + 1})), "quantizer.2.embedding.weight differs from"),
        (_tensors(lambda t: t.update({f"{PREFIX}encoder.bias": torch.arange(32)})), "encoder.bias is stored as I64"),
        (_only_pickles, "only pickle files"),
        (lambda f: [p.unlink() for p in f.iterdir()], "neither model.safetensors.index.json nor model.safetensors"),
    ],
)
def test_a_model_that_cannot_be_converted_says_why(
    model: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    damage(folder)
    with pytest.raises(UsageError, match=message):
        to_checkpoint(str(folder), str(tmp_path / "out"), SMALL, PREFIX)
    assert not (tmp_path / "out" / "tokenizer.safetensors").exists()


def test_a_pickle_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="pickle files can run code"):
        ShardedModel("somewhere/pytorch_model.bin")


def test_checkpoints_have_the_bytes_that_safetensors_gives_them() -> None:
    rng = np.random.default_rng(0)
    tensors = {"b": rng.random((3, 2), np.float32), "a.é": rng.random(4), "c": np.arange(3, dtype=np.int16)}
    data = pack({"name": 'a "kelix"'}, tensors)
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    assert data == safetensors.numpy.save(tensors, metadata)
    assert {n: a.tolist() for n, a in unpack(data)[1].items()} == {n: a.tolist() for n, a in tensors.items()}


def test_the_command_converts_both_ways(model: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_kelix.SMALL))
    arguments = ["tokenizer", "convert", str(model), str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*arguments, "--config", str(tmp_path / "config.yaml")])
    assert done.exit_code == 0 and "block decoder" in done.output, done.output
    back = [
        "tokenizer",
        "convert",
        str(tmp_path / "out"),
        str(tmp_path / "back"),
        "--to",
        "published",
        "--into",
        str(model),
    ]
    done = CliRunner().invoke(app, back)
    assert done.exit_code == 0, done.output
    assert bits(tensors_of(tmp_path / "back")) == bits(whole_model())
    failed = CliRunner().invoke(app, arguments)
    assert failed.exit_code == 2 and "does not fit the configuration" in failed.output
