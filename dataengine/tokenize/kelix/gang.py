"""Connects the processes that train together: sums over all of them by gloo on CPUs, by NCCL on GPUs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from dataengine.tokenize.kelix.learner import ALONE, Member

if TYPE_CHECKING:
    from torch import Tensor

    from dataengine.stage import Group

#: Minutes without a sign of another process until it counts as lost; the part is tried again from its last saved step.
_LOST = 30


@contextmanager
def member_of(group: Group, device: str) -> Iterator[Member]:
    """This process's membership while the context is open."""
    if group.size == 1:
        yield ALONE
        return
    from torch import distributed

    if group.address.startswith("127."):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group(
        "nccl" if device.startswith("cuda") else "gloo",
        init_method=f"tcp://{group.address}",
        rank=group.rank,
        world_size=group.size,
        timeout=timedelta(minutes=_LOST),
    )

    def total(tensor: Tensor) -> None:
        held = tensor.to(device)
        distributed.all_reduce(held)
        tensor.copy_(held)

    try:
        yield Member(group.rank, group.size, total)
    finally:
        distributed.destroy_process_group()
