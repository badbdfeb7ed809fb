"""What each field of a published Kelix tokenizer's configuration means here. One that has no meaning is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dataengine.errors import UsageError

#: Published field → block and field here.
_SAME = {
    "embedding_dim": ("quantiser", "dim"),
    "init_embedding_dim": ("quantiser", "centre_dim"),
    "llm_hidden_size": ("vision", "features"),
    "n_q_tokens": ("quantiser", "codebooks"),
    "output_dim": ("quantiser", "fused"),
    "fusion_type": ("quantiser", "fusion"),
    "split_dim": ("quantiser", "split_dim"),
    "add_voc_reducer": ("quantiser", "voc_reducer"),
    "vq_sampling_mode": ("sampling", "mode"),
    "vq_temperature": ("sampling", "temperature"),
    "vq_temperature_decay": ("sampling", "decay"),
    "vq_min_temperature": ("sampling", "least"),
}
_VISION = {
    "hidden_size": "hidden",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "intermediate_size": "mlp",
    "hidden_act": "act",
}
_ACTS = {"silu": "silu", "gelu_pytorch_tanh": "gelu"}
#: Fields that must have one value, which is how this network works.
_FIXED = {
    "patch_size": 14,
    "num_channels": 3,
    "attention_dropout": 0.0,
    "spatial_merge_size": 2,
    "temporal_patch_size": 1,
}
_PATCH = 14
_LABELS = ("model_type", "architectures", "torch_dtype", "dtype", "transformers_version", "_name_or_path", "auto_map")
"""Say nothing of how the tokenizer works."""
_SPECIAL = ("codebook_size", "split_voc", "pre_llm_align", "llm_align_size", "vision_config")


def settings(published: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of ``name: kelix`` for a published ``config.json`` of the tokenizer. Raises UsageError naming each field that has no
    meaning here."""
    vision = published.get("vision_config") or {}
    refused = [name for name in published if name not in {*_SAME, *_SPECIAL, *_LABELS}]
    refused += [f"vision_config.{name}" for name in vision if name not in {*_VISION, *_FIXED, *_LABELS, "image_size"}]
    refused += [
        f"vision_config.{name} {vision[name]}" for name, value in _FIXED.items() if vision.get(name, value) != value
    ]
    blocks: dict[str, dict[str, Any]] = {"vision": {}, "quantiser": {}, "sampling": {}}
    for name, (block, field) in _SAME.items():
        if name in published:
            blocks[block][field] = published[name]
    blocks["quantiser"] |= _entries(published, refused) | _align(published)
    blocks["vision"] |= _tower(vision, refused)
    if refused:
        raise UsageError(f"the published configuration has fields without a meaning here: {', '.join(refused)}")
    sampling = blocks.pop("sampling")
    if sampling:
        blocks["quantiser"]["sampling"] = sampling
    return {"name": "kelix", **{block: fields for block, fields in blocks.items() if fields}}


def _entries(published: Mapping[str, Any], refused: list[str]) -> dict[str, Any]:
    """Entries a codebook: the table's, divided by the parts that it is split into, one a codebook."""
    if "codebook_size" not in published:
        return {}
    size, parts, books = published["codebook_size"], published.get("split_voc", 1), published.get("n_q_tokens", 8)
    if parts != books or size % parts:
        refused.append(f"split_voc {parts} with n_q_tokens {books} and codebook_size {size}")
        return {}
    return {"entries": size // parts}


def _align(published: Mapping[str, Any]) -> dict[str, Any]:
    if not published.get("pre_llm_align"):
        return {}
    return {"align": published.get("llm_align_size", published.get("llm_hidden_size", 4096))}


def _tower(vision: Mapping[str, Any], refused: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {ours: vision[name] for name, ours in _VISION.items() if name in vision}
    convert: Callable[[Any], str | None] = _ACTS.get
    if "act" in made and convert(made["act"]) is None:
        refused.append(f"vision_config.hidden_act {made['act']}")
    elif "act" in made:
        made["act"] = convert(made["act"])
    if "image_size" in vision:
        made["positions"] = vision["image_size"] // _PATCH
    return made
