"""Which published Kelix-Tok tensors each tensor of this network is made of; one table for both directions.

Names as the public training code has them (``visual.vision_model.*``, ``mlp_AR.*``, ``encoder``, ``quantizer.N.*``,
``quant_projector.N``; inside a whole model below ``visual_tokenizer.``). Each of its codebooks stores the table of all
centres; ours keeps its own slice. No published file was at hand: sizes of the released configuration are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from dataengine.errors import UsageError
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.vision import PATCH

PREFIX = "visual_tokenizer."
_TOWER = "visual.vision_model."

#: What the keys of a published model hold that are no part of the codes. A key on neither list is an error.
FOREIGN = {
    f"{_TOWER}head.": "pooling head of the tower",
    f"{_TOWER}embeddings.packing_position_embedding.": "positions for packing without interpolation",
    f"{_TOWER}embeddings.position_ids": "numbers of the positions",
    "model.": "language model",
    "language_model.": "language model",
    "lm_head.": "head of the language model",
    "token_head.": "block decoder",
    "quant_projector.": "projector of the codes into the language model",
    "dit.": "diffusion model",
    "diffusion.": "diffusion model",
    "transformer.": "diffusion model",
    "vae.": "image autoencoder",
}

_IN_LAYER = {
    **{f"norm{i}": f"layer_norm{i}" for i in (1, 2)},
    **{f"fc{i}": f"mlp.fc{i}" for i in (1, 2)},
    "out": "self_attn.out_proj",
}
_IN_BOOK = {"project": "embedding_proj", "entry_norm": "q_norm", "code_norm": "z_norm"}
_MODULES = {
    "vision.norm": f"{_TOWER}post_layernorm",
    "vision.merge_norm": "mlp_AR.pre_norm",
    "vision.merge1": "mlp_AR.linear_1",
    "vision.merge2": "mlp_AR.linear_2",
    "quantiser.align": "pre_llm_aligner",
    "quantiser.encoder": "encoder",
}
_LAYER = re.compile(r"vision\.blocks\.(\d+)\.(\w+)\.(weight|bias)")
_BOOK = re.compile(r"quantiser\.books\.(\d+)\.(\w+)\.(weight|bias)")
_CENTRES = re.compile(r"quantiser\.books\.(\d+)\.centres")
_REDUCER = re.compile(r"quantiser\.books\.(\d+)\.reduce")
_UP = re.compile(r"quantiser\.up\.(\d+)\.weight")

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Link:
    """``ours`` is made of ``theirs``, each of ``shape``: the same, reshaped, one below the other, or rows of a table."""

    ours: str
    theirs: tuple[str, ...]
    shape: Shape
    own: Shape
    kind: Literal["same", "reshaped", "joined", "rows"] = "same"
    first: int = 0
    """First row of the table."""


def links(config: KelixConfig) -> list[Link]:
    """How each tensor of the network of ``config``, its pixel decoder left out, is published. Raises UsageError for a part
    that has no published name."""
    with torch.device("meta"):
        network = Network(config)
    network.decoder = None
    return [_link(name, tuple(tensor.shape), config) for name, tensor in network.state_dict().items()]


def meaning(name: str, prefix: str, others: tuple[str, ...]) -> str | None:
    """What a foreign key belongs to, None for a key that is not known to be foreign."""
    if name.startswith(others):
        return "ignored by request"
    inside = name.removeprefix(prefix)
    tower = next(
        (what for start, what in FOREIGN.items() if start.startswith(_TOWER) and inside.startswith(start)), None
    )
    return tower or next((what for start, what in FOREIGN.items() if name.startswith(start)), None)


def _link(name: str, shape: Shape, config: KelixConfig) -> Link:
    module, _, kind = name.rpartition(".")
    if module in _MODULES:
        return Link(name, (f"{_MODULES[module]}.{kind}",), shape, shape)
    if name == "vision.position":
        return Link(name, (f"{_TOWER}embeddings.position_embedding.weight",), shape, shape)
    if module == "vision.patch":
        theirs = (f"{_TOWER}embeddings.patch_embedding.{kind}",)
        reshaped = (shape[0], 3, PATCH, PATCH) if kind == "weight" else shape
        return Link(name, theirs, reshaped, shape, "reshaped")
    return next(_numbered(name, shape, config))


def _numbered(name: str, shape: Shape, config: KelixConfig) -> Iterator[Link]:
    if at := _LAYER.fullmatch(name):
        layer = f"{_TOWER}encoder.layers.{at[1]}."
        if at[2] == "qkv":
            theirs = tuple(f"{layer}self_attn.{k}_proj.{at[3]}" for k in "qkv")
            yield Link(name, theirs, (shape[0] // 3, *shape[1:]), shape, "joined")
        yield Link(name, (f"{layer}{_IN_LAYER[at[2]]}.{at[3]}",), shape, shape)
    if at := _BOOK.fullmatch(name):
        yield Link(name, (f"quantizer.{at[1]}.{_IN_BOOK[at[2]]}.{at[3]}",), shape, shape)
    if at := _CENTRES.fullmatch(name):
        size, books = config.quantiser.entries, config.quantiser.codebooks
        theirs = (f"quantizer.{at[1]}.embedding.weight",)
        if config.quantiser.voc_reducer:
            yield Link(name, theirs, shape, shape)
        yield Link(name, theirs, (size * books, *shape[1:]), shape, "rows", int(at[1]) * size)
    if at := _REDUCER.fullmatch(name):
        yield Link(name, (f"quantizer.{at[1]}.voc_reducer",), shape, shape)
    if at := _UP.fullmatch(name):
        yield Link(name, (f"quant_projector.{at[1]}.weight",), shape, shape)
    raise UsageError(f"tensor {name} of this configuration has no published name: it cannot be converted")
