"""Published Kelix-Tok weights become a tokenizer of ours, by function and by command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from support import tiny_kelix
from typer.testing import CliRunner

from dataengine.cli.main import app
from dataengine.errors import UsageError
from dataengine.tokenize.external import ExternalConfig
from dataengine.tokenize.factory import load
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.names import from_published
from dataengine.tokenize.kelix.quantiser import Coder

SMALL = KelixConfig.model_validate(tiny_kelix.SMALL)


def test_published_names_are_mapped() -> None:
    tensors = tiny_kelix.published(SMALL)
    network = from_published(tensors, SMALL)
    table = tensors["visual_tokenizer.quantizer.2.embedding.weight"]
    assert torch.equal(network.quantiser.codebooks()[2].centres, table[32:48]), "each book has its own slice"
    tower = "visual_tokenizer.visual.vision_model."
    conv = torch.nn.functional.conv2d(
        torch.ones(1, 3, 14, 14), tensors[f"{tower}embeddings.patch_embedding.weight"]
    ).flatten()
    assert torch.allclose(network.vision.patch.weight.sum(1), conv, atol=1e-4)
    key = tensors[f"{tower}encoder.layers.0.self_attn.k_proj.weight"]
    assert torch.equal(network.vision.blocks[0].qkv.weight[32:64], key)
    frames = tiny_kelix.photos()[4][None]
    assert network.encode(frames, Coder(network.quantiser)).shape == (1, 4, 4)


def test_a_checkpoint_that_does_not_fit_says_what() -> None:
    tensors = tiny_kelix.published(SMALL)
    del tensors["visual_tokenizer.encoder.bias"]
    tensors["visual_tokenizer.mystery"] = torch.zeros(1)
    tensors["visual_tokenizer.encoder.weight"] = torch.zeros(3, 3)
    with pytest.raises(
        UsageError, match=r"missing: quantiser.encoder.bias; unknown: mystery; of another shape: quantiser"
    ):
        from_published(tensors, SMALL)


@pytest.mark.slow
def test_published_weights_are_converted_by_the_command(tmp_path: Path) -> None:
    tensors = {name: t.contiguous() for name, t in tiny_kelix.published(SMALL).items()}
    save_file({k: v.clone() for k, v in tensors.items()}, tmp_path / "weights.safetensors")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_kelix.SMALL))
    arguments = ["tokenizer", "convert", str(tmp_path / "weights.safetensors"), str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*arguments, "--config", str(tmp_path / "config.yaml")])
    assert done.exit_code == 0, done.output
    tokenizer = load((tmp_path / "out" / "tokenizer.safetensors").read_bytes())
    [codes] = tokenizer.encode([tokenizer.prepare([tiny_kelix.photos()[4]])])
    assert codes.tokens.shape == (4, 4) and tokenizer.decode(codes) is None, "a language model has no way back"
    again = ExternalConfig(path=str(tmp_path / "out"))
    assert load(again.read()).id == tokenizer.id
    failed = CliRunner().invoke(app, arguments)
    assert failed.exit_code == 2 and "does not fit the configuration" in failed.output
