"""Work for other machines, with the version of the engine that sends it: another version there is refused by name."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable, Mapping
from typing import Any

from dataengine.errors import RunError
from dataengine.storage.engine_version import difference, engine_version


def pack(cloudpickle: Any, content: Any) -> bytes:
    """Bytes of ``content`` for ``unpack`` in another process."""
    packed: bytes = pickle.dumps((engine_version(), cloudpickle.dumps(content)))
    return packed


def unpack(packed: bytes) -> Any:
    """What ``pack`` was given. Raises RunError, before anything of it is read, where this process runs another version."""
    sender, content = pickle.loads(packed)
    require_same(sender)
    return pickle.loads(content)


def require_same(sender: Mapping[str, str]) -> None:
    """Raises RunError where ``sender`` is another version than this process's."""
    if differing := difference(engine_version(), sender):
        raise RunError(
            f"two versions of the engine in one run: node {socket.gethostname()} has {differing} as the driver has. What it "
            "makes would be stored as the driver's. Give all nodes the image of the driver and submit the stage again"
        )


def same_version(sender: Mapping[str, str], function: Callable[[Any], Any], batches: Any) -> Any:
    """``function(batches)`` in a process of the sender's version. Raises RunError."""
    require_same(sender)
    return function(batches)
