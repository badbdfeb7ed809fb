"""Initialises the vision tower from published weights: SigLIP's vision model, or that of Keye-VL with its projector."""

from __future__ import annotations

from torch import Tensor

from dataengine.errors import UsageError
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.files import tower_files
from dataengine.tokenize.kelix.names import renamed
from dataengine.tokenize.kelix.network import Network

_TOWER, _PROJECTOR = "vision_model.", "mlp_AR."
_OURS = "visual.vision_model."
_SHOWN = 4


def start(network: Network, path: str, config: KelixConfig) -> bool:
    """Load the tower, and the projector where the file has it; whether it had. Raises UsageError naming what is missing or has
    another shape."""
    ours = {n: t for n, t in renamed(_read(path), config).items() if n.startswith("vision.")}
    wanted = {n: t for n, t in network.state_dict().items() if n.startswith("vision.")}
    projector = {n for n in wanted if n.startswith("vision.merge")}
    has = bool(projector & set(ours))
    needed = set(wanted) if has else set(wanted) - projector
    wrong = sorted(n for n in needed & set(ours) if ours[n].shape != wanted[n].shape)
    problems = {"missing": sorted(needed - set(ours)), "of another shape": wrong, "unknown": sorted(set(ours) - needed)}
    if any(problems.values()):
        told = "; ".join(f"{what}: {_list(names)}" for what, names in problems.items() if names)
        raise UsageError(
            f"training.tower {path} does not fit vision ({told}): set vision to the sizes of these weights"
        )
    network.load_state_dict({n: ours[n] for n in needed}, strict=False)
    return has


def _list(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


def _read(path: str) -> dict[str, Tensor]:
    """Tensors of tower and projector alone, under the names that the Kelix release has."""
    from safetensors import SafetensorError, safe_open

    held: dict[str, Tensor] = {}
    for file in tower_files(path):
        try:
            with safe_open(file, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118 (no mapping)
                    short = _short(name)
                    if short is not None:
                        held[short] = opened.get_tensor(name).float()
        except SafetensorError as error:
            raise UsageError(f"training.tower {path}: {file.name} is damaged or no safetensors file: {error}") from None
    return held


def _short(name: str) -> str | None:
    for mark, ours in ((_TOWER, _OURS), (_PROJECTOR, _PROJECTOR)):
        before, hit, rest = name.partition(mark)
        if hit and not before.endswith(("text_", "text_model.")):
            return ours + rest
    return None
