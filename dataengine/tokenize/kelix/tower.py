"""Initialises the vision tower from published weights: SigLIP's vision model, or that of Keye-VL with its projector."""

from __future__ import annotations

import torch

from dataengine.errors import UsageError
from dataengine.models.sharded import ShardedModel, some
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.names import Link, links
from dataengine.tokenize.kelix.network import Network

_TOWER, _PROJECTOR = "vision_model.", "mlp_AR."
_OURS = "visual.vision_model."
_BARE = ("embeddings.", "encoder.layers.", "post_layernorm.")
"""As transformers 5 saves a vision model alone."""
_TEXT = ("text_model.", "language_model.")


def start(network: Network, path: str, config: KelixConfig) -> bool:
    """Load the tower, and the projector where the file has it; whether it had. Raises UsageError naming what is missing or has
    another shape."""
    model = ShardedModel(path)
    places = {short: name for name in model if (short := _short(name)) is not None}
    wanted = [link for link in links(config) if link.ours.startswith("vision.")]
    projector = [link for link in wanted if link.ours.startswith("vision.merge")]
    has = any(part in places for link in projector for part in link.theirs)
    needed = [link for link in wanted if has or link not in projector]
    parts = [(part, link) for link in needed for part in link.theirs]
    problems = {
        "missing": sorted(part for part, _ in parts if part not in places),
        "of another shape": sorted(p for p, link in parts if p in places and model.shape(places[p]) != link.shape),
        "more layers": sorted(p for p in places if ".layers." in p and p not in dict(parts)),
    }
    if any(problems.values()):
        listed = "; ".join(f"{what}: {some(names)}" for what, names in problems.items() if names)
        raise UsageError(
            f"training.tower {path} does not fit vision ({listed}): set vision to the sizes of these weights"
        )
    network.load_state_dict({link.ours: _tensor(model, places, link) for link in needed}, strict=False)
    return has


def _tensor(model: ShardedModel, places: dict[str, str], link: Link) -> torch.Tensor:
    tensors = [model.get(places[part]).float() for part in link.theirs]
    return torch.cat(tensors) if link.kind == "joined" else tensors[0].reshape(link.own)


def _short(name: str) -> str | None:
    """The name that the Kelix release has for a tensor of a tower or projector; None for all others."""
    for mark, ours in ((_TOWER, _OURS), (_PROJECTOR, _PROJECTOR)):
        before, hit, rest = name.partition(mark)
        if hit and not before.endswith(_TEXT):
            return ours + rest
    return _OURS + name if name.startswith(_BARE) else None
