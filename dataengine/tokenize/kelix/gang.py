"""Connects the processes that train together: sums over all of them by gloo on CPUs, by NCCL on GPUs.

They find one another through the group's board, which the engine guards, so that no rendezvous port is open; and listen on the
interface by which the engine reaches them.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from dataengine.stage import Board, Group

#: Minutes without a sign of another process until it counts as lost; the part is tried again from its last saved step.
_LOST = timedelta(minutes=30)
_POLL_SECONDS = 0.02
_ADDRESS_OF_INTERFACE = 0x8915
"""SIOCGIFADDR of Linux."""


class Member(NamedTuple):
    """One of ``size`` processes; ``total(tensor)`` adds a tensor up over all, in place."""

    rank: int
    size: int
    total: Callable[[Tensor], None]


ALONE = Member(0, 1, lambda tensor: None)


@contextmanager
def member_of(group: Group, device: str) -> Iterator[Member]:
    """This process's membership while the context is open."""
    if group.board is None:
        yield ALONE
        return
    from torch import distributed

    if name := interface(group.address):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", f"={name}")
    backend = "nccl" if device.startswith("cuda") else "gloo"
    turn = group.board.add(f"turn of {group.rank}", 1)  # addresses of an earlier process group are no longer true
    store = store_on(group.board, f"{turn}/")
    options: dict[str, Any] = {"store": store, "rank": group.rank, "world_size": group.size}
    distributed.init_process_group(backend, timeout=_LOST, **options)

    def total(tensor: Tensor) -> None:
        held = tensor.to(device)
        distributed.all_reduce(held)
        tensor.copy_(held)

    try:
        yield Member(group.rank, group.size, total)
    finally:
        distributed.destroy_process_group()


def interface(address: str) -> str | None:
    """Name of this machine's network interface with the IPv4 ``address``; None where there is none, or the system cannot say."""
    try:
        import fcntl

        interfaces = socket.if_nameindex()
    except (ImportError, OSError):
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in interfaces:
            try:
                answer = fcntl.ioctl(asking.fileno(), _ADDRESS_OF_INTERFACE, struct.pack("256s", name.encode()[:15]))
            except OSError:  # one without an IPv4 address
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    return None


def store_on(board: Board, prefix: str) -> Any:
    """A store of ``torch.distributed`` that keeps its keys on ``board``, below ``prefix``."""
    from torch._C._distributed_c10d import Store  # torch.distributed.Store, for mypy

    class BoardStore(Store):
        """What process groups call of a store."""

        def set(self, key: str, value: str | bytes) -> None:
            board.put(prefix + key, value.encode() if isinstance(value, str) else bytes(value))

        def get(self, key: str) -> bytes:
            self.wait([key])
            return board.get(prefix + key) or b""

        def add(self, key: str, value: int) -> int:
            return board.add(prefix + key, value)

        def check(self, keys: Sequence[str]) -> bool:
            return all(board.get(prefix + key) is not None for key in keys)

        def wait(self, keys: Sequence[str], timeout: timedelta = _LOST) -> None:
            until = time.monotonic() + timeout.total_seconds()
            while not self.check(keys):
                if time.monotonic() > until:
                    raise TimeoutError(f"no other process set {', '.join(keys)} in {timeout}")
                time.sleep(_POLL_SECONDS)

        def delete_key(self, key: str) -> bool:
            return board.remove(prefix + key)

    return BoardStore()
