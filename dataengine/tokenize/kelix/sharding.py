"""Splits a model among the processes that train it (FSDP), and puts its tensors together again for checkpoints.

Each process holds its share of weights, gradients and moments; the blocks of tower and language model are gathered one at a time
while they are computed. A checkpoint holds whole tensors, so it does not depend on how many processes there were.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from dataengine.tokenize.checkpoint import Tensors
from dataengine.tokenize.kelix.tensors import arrays


def shard(model: nn.Module, blocks: Iterable[nn.Module], device: str, size: int) -> None:
    """Split ``model`` among the ``size`` processes of the process group, on their devices: each of ``blocks`` by itself, then the
    rest. Gradients become means over the processes."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.partition(":")[0], (size,))
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)


def layers(model: Any) -> list[nn.Module]:
    """The blocks of a language model of ``transformers``, by the classes that it names as not to be split."""
    names = set(getattr(model, "_no_split_modules", None) or ())
    return [module for module in model.modules() if type(module).__name__ in names]


def gathered(tensors: Iterable[tuple[str, Tensor]], keep: bool) -> Tensors:
    """Whole arrays of tensors that may be split. All processes call this together, for the same names; those that do not ``keep``
    them get none and hold one at a time."""
    kept: dict[str, Any] = {}
    for name, tensor in tensors:
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if keep:
            kept.update(arrays([(name, whole)]))
    return kept


def placed(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, which every process has, as ``like`` is split."""
    if not isinstance(like, DTensor):
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def local(tensor: Tensor) -> Tensor:
    """A tensor of a few numbers, whole."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
