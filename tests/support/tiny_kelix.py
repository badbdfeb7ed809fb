"""A Kelix tokenizer small enough to be trained in seconds, and pictures to train it on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

from dataengine.tokenize.kelix.centres import centres
from dataengine.tokenize.kelix.config import KelixConfig, without_codebooks
from dataengine.tokenize.kelix.crops import Crops, Picture
from dataengine.tokenize.kelix.tokenizer import KelixTokenizer
from dataengine.tokenize.kelix.train import Trainer

SMALL = {
    "name": "kelix",
    "max_tokens": 64,
    "vision": {"hidden": 32, "layers": 1, "heads": 2, "mlp": 64, "positions": 4, "features": 48},
    "quantiser": {"codebooks": 4, "entries": 16, "dim": 8, "fused": 48},
    "objective": {"kind": "reconstruct", "layers": 1, "heads": 2, "mlp": 64},
    "training": {"encoder_steps": 60, "steps": 60, "crops": 6, "side": 4, "save_every": 10, "threads": 1},
}


def photos() -> list[NDArray[np.uint8]]:
    """Crops of china.jpg and flower.jpg in several sizes, in whole tokens."""
    china, flower = load_sample_images().images
    found = [
        china[:196, :224],
        flower[100:296, 50:330],
        china[150:318, 200:452],
        flower[:112, :420],
        china[28:84, 28:84],
    ]
    return [np.ascontiguousarray(f) for f in found]


def crops(config: KelixConfig, pictures: Sequence[NDArray[np.uint8]]) -> Crops:
    named = [Picture(f"{i}", p, "a temple" if i % 2 else "a flower") for i, p in enumerate(pictures)]
    return Crops(named, config.training.side, config.training.crops, config.seed)


def trained(config: KelixConfig) -> KelixTokenizer:
    """All the steps of the stages, in this process."""
    torch.set_num_threads(1)
    data = crops(config, photos())
    first = Trainer(without_codebooks(config), False)
    first.run(data, lambda _: None, 10**9)
    second = Trainer(config, True)
    weights = {k: v for k, v in first.student.state_dict().items() if not k.endswith(".centres")}
    second.student.load_state_dict(weights, strict=False)
    network = second.student.network
    with torch.inference_mode():
        features = torch.cat([network.features(p[None])[0] for p in photos()]).numpy()
    count = config.quantiser.codebooks * config.quantiser.entries
    network.quantiser.start(torch.from_numpy(centres(features, count, iterations=5, seed=config.seed)))
    second.run(data, lambda _: None, 10**9)
    return KelixTokenizer(config, network)


@cache
def small() -> KelixTokenizer:
    return trained(KelixConfig.model_validate(SMALL))


def published(config: KelixConfig) -> dict[str, torch.Tensor]:
    """A random checkpoint with the names and layouts of the published one."""
    v, q = config.vision, config.quantiser
    tower = "visual_tokenizer.visual.vision_model."
    shapes: dict[str, tuple[int, ...]] = {
        f"{tower}embeddings.patch_embedding.weight": (v.hidden, 3, 14, 14),
        f"{tower}embeddings.patch_embedding.bias": (v.hidden,),
        f"{tower}embeddings.position_embedding.weight": (v.positions**2, v.hidden),
        f"{tower}embeddings.packing_position_embedding.weight": (8, v.hidden),
        f"{tower}head.probe": (1, 1, v.hidden),
        "visual_tokenizer.mlp_AR.linear_1.weight": (4 * v.hidden, 4 * v.hidden),
        "visual_tokenizer.mlp_AR.linear_1.bias": (4 * v.hidden,),
        "visual_tokenizer.mlp_AR.linear_2.weight": (v.features, 4 * v.hidden),
        "visual_tokenizer.mlp_AR.linear_2.bias": (v.features,),
        "visual_tokenizer.encoder.weight": (q.codebooks * q.dim, v.features),
        "visual_tokenizer.encoder.bias": (q.codebooks * q.dim,),
    }
    norms = {f"{tower}post_layernorm": v.hidden, "visual_tokenizer.mlp_AR.pre_norm": 4 * v.hidden}
    for i in range(v.layers):
        layer = f"{tower}encoder.layers.{i}."
        norms |= {f"{layer}layer_norm{n}": v.hidden for n in (1, 2)}
        for name, out, into in [
            *((f"self_attn.{k}_proj", v.hidden, v.hidden) for k in ("q", "k", "v", "out")),
            ("mlp.fc1", v.mlp, v.hidden),
            ("mlp.fc2", v.hidden, v.mlp),
        ]:
            shapes |= {f"{layer}{name}.weight": (out, into), f"{layer}{name}.bias": (out,)}
    for i in range(q.codebooks):
        book = f"visual_tokenizer.quantizer.{i}."
        norms |= {f"{book}{n}_norm": q.dim for n in "qz"}
        shapes[f"{book}embedding_proj.weight"] = (q.dim, v.features)
        shapes[f"{book}embedding_proj.bias"] = (q.dim,)
        shapes[f"visual_tokenizer.quant_projector.{i}.weight"] = (q.fused, q.dim)
    shapes |= {f"{name}.{kind}": (size,) for name, size in norms.items() for kind in ("weight", "bias")}
    torch.manual_seed(1)
    table = torch.randn(q.codebooks * q.entries, v.features)
    tables = {f"visual_tokenizer.quantizer.{i}.embedding.weight": table for i in range(q.codebooks)}
    return {name: torch.randn(shape) * 0.1 for name, shape in shapes.items()} | tables
