"""A tower starts from SigLIP's or Keye's weights by path; what does not fit is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support import tiny_kelix

from dataengine.errors import UsageError
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.tower import start

SMALL = KelixConfig.model_validate(tiny_kelix.SMALL)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import SiglipVisionConfig, SiglipVisionModel

    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    folder = tmp_path_factory.mktemp("siglip")
    torch.manual_seed(3)
    SiglipVisionModel(SiglipVisionConfig(**sizes, image_size=56, patch_size=14)).save_pretrained(folder)
    return folder


def test_siglip_s_weights_make_the_tower_and_leave_the_projector(siglip: Path) -> None:
    torch.manual_seed(0)
    network = Network(SMALL)
    merged = network.vision.merge1.weight.clone()
    assert start(network, str(siglip), SMALL) is False
    weights = load_file(next(siglip.glob("*.safetensors")))
    [key] = [w for n, w in weights.items() if n.endswith("layers.0.self_attn.k_proj.weight")]
    assert torch.equal(network.vision.blocks[0].qkv.weight[32:64], key)
    [patch] = [w for n, w in weights.items() if n.endswith("patch_embedding.weight")]
    assert torch.equal(network.vision.patch.weight, patch.reshape(32, -1))
    assert torch.equal(network.vision.merge1.weight, merged)


def test_keye_s_weights_bring_the_projector(tmp_path: Path) -> None:
    tensors = {n.removeprefix("visual_tokenizer."): t.clone() for n, t in tiny_kelix.published(SMALL).items()}
    save_file(tensors, tmp_path / "model.safetensors")
    network = Network(SMALL)
    assert start(network, str(tmp_path / "model.safetensors"), SMALL) is True
    assert torch.equal(network.vision.merge1.weight, tensors["mlp_AR.linear_1.weight"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mlp": 32}, "of another shape: encoder|of another shape: visual.vision_model.encoder.layers.0.mlp.fc1"),
        ({"layers": 2}, "missing: visual.vision_model.encoder.layers.1"),
        ({"positions": 5}, "of another shape: visual.vision_model.embeddings.position_embedding"),
    ],
)
def test_a_tower_that_does_not_fit_is_named(siglip: Path, change: dict[str, int], told: str) -> None:
    config = SMALL.model_copy(update={"vision": SMALL.vision.model_copy(update=change)})
    with pytest.raises(UsageError, match=f"training.tower .* does not fit vision .*({told})"):
        start(Network(config), str(siglip), config)


def test_weights_with_more_layers_do_not_fit(siglip: Path) -> None:
    [file] = siglip.glob("*.safetensors")
    weights = load_file(file)
    more = {n.replace("layers.0", "layers.1"): t.clone() for n, t in weights.items() if "layers.0" in n}
    longer = file.parent / "longer.safetensors"
    save_file(weights | more, longer)
    with pytest.raises(UsageError, match=r"more layers: visual\.vision_model\.encoder\.layers\.1"):
        start(Network(SMALL), str(longer), SMALL)
