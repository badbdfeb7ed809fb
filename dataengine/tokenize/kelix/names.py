"""Converts published Kelix-Tok weights to this network's names: tensors only, no code of the release is run.

Names as the public training code has them (``visual.vision_model.*``, ``mlp_AR.*``, ``encoder``, ``quantizer.N.*``,
``quant_projector.N``; inside a whole model below ``visual_tokenizer.``). Each of its codebooks stores the table of all
centres; ours keeps its own slice. No published file was at hand: sizes of the released configuration are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from dataengine.errors import UsageError
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.vision import PATCH_VALUES

_PREFIX = "visual_tokenizer."
_TOWER = "visual.vision_model."
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
_BOOK = re.compile(r"quantizer\.(\d+)\.(.+)")

_IN_LAYER = {
    **{f"layer_norm{i}.{kind}": f"norm{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")},
    **{f"mlp.fc{i}.{kind}": f"fc{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")},
    **{f"self_attn.out_proj.{kind}": f"out.{kind}" for kind in ("weight", "bias")},
}
_IN_BOOK = {
    **{f"embedding_proj.{kind}": f"project.{kind}" for kind in ("weight", "bias")},
    **{f"q_norm.{kind}": f"entry_norm.{kind}" for kind in ("weight", "bias")},
    **{f"z_norm.{kind}": f"code_norm.{kind}" for kind in ("weight", "bias")},
}
_PLAIN = {
    f"{_TOWER}embeddings.patch_embedding.bias": "vision.patch.bias",
    f"{_TOWER}embeddings.position_embedding.weight": "vision.position",
    **{f"{_TOWER}post_layernorm.{kind}": f"vision.norm.{kind}" for kind in ("weight", "bias")},
    **{f"mlp_AR.pre_norm.{kind}": f"vision.merge_norm.{kind}" for kind in ("weight", "bias")},
    **{f"mlp_AR.linear_{i}.{kind}": f"vision.merge{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")},
    **{f"encoder.{kind}": f"quantiser.encoder.{kind}" for kind in ("weight", "bias")},
}
#: Not part of the codes: the attention pooling head, positions for packing without interpolation, an unused reducer.
_IGNORED = (f"{_TOWER}head.", f"{_TOWER}embeddings.packing_position_embedding.")


def from_published(tensors: Mapping[str, Tensor], config: KelixConfig) -> Network:
    """A network with published weights. Raises UsageError naming what is missing, left over or of the wrong shape."""
    network = Network(config)
    network.decoder = None
    converted = renamed(tensors, config)
    wanted = network.state_dict()
    missing, extra = sorted(set(wanted) - set(converted)), sorted(set(converted) - set(wanted))
    wrong = sorted(n for n in set(wanted) & set(converted) if wanted[n].shape != converted[n].shape)
    if missing or extra or wrong:
        mismatches = {"missing": missing, "unknown": extra, "of another shape": wrong}
        parts = [
            f"{what}: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"
            for what, names in mismatches.items()
            if names
        ]
        raise UsageError(f"the checkpoint does not fit the configuration; {'; '.join(parts)}")
    network.load_state_dict(converted)
    return network


def renamed(tensors: Mapping[str, Tensor], config: KelixConfig) -> dict[str, Tensor]:
    """Rename and reshape: the convolution as a matrix, queries, keys and values in one, a slice of the centres a codebook."""
    published = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    published = {name: tensor for name, tensor in published.items() if not name.startswith(_IGNORED)}
    converted: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in published.items():
        layer, book = _LAYER.fullmatch(name.removeprefix(_TOWER)), _BOOK.fullmatch(name)
        if name in _PLAIN:
            converted[_PLAIN[name]] = tensor
        elif name == f"{_TOWER}embeddings.patch_embedding.weight":
            converted["vision.patch.weight"] = tensor.reshape(len(tensor), PATCH_VALUES)
        elif name.startswith("quant_projector."):
            converted[f"quantiser.up.{name.removeprefix('quant_projector.')}"] = tensor
        elif book and book[2] == "embedding.weight":
            size, index = config.quantiser.entries, int(book[1])
            converted[f"quantiser.books.{index}.centres"] = tensor[index * size : (index + 1) * size]
        elif book and book[2] in _IN_BOOK:
            converted[f"quantiser.books.{book[1]}.{_IN_BOOK[book[2]]}"] = tensor
        elif layer and layer[2] in _IN_LAYER:
            converted[f"vision.blocks.{layer[1]}.{_IN_LAYER[layer[2]]}"] = tensor
        elif layer and (which := re.fullmatch(r"self_attn\.([qkv])_proj\.(weight|bias)", layer[2])):
            parts.setdefault(f"vision.blocks.{layer[1]}.qkv.{which[2]}", {})[which[1]] = tensor
        else:
            converted[name] = tensor
    joined = {name: torch.cat([qkv[k] for k in "qkv"]) for name, qkv in parts.items() if set(qkv) == set("qkv")}
    return converted | joined
