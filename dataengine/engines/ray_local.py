"""A Ray of this process: how it is started, joined and stopped, with its folders, and whose signals are whose."""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from dataengine.storage.scratch import Scratch

_LOCAL_ONLY = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Who can reach Ray's ports runs code as its user. So a token is asked for, and the ports are those of the loopback interface:
they are where Ray has no clusters, and the second variable, which Ray reads when it is imported, says that it has none here."""
_SHORT_FOLDER = "/tmp"
"""Paths of sockets have at most 107 bytes, so Ray's are not below TMPDIR."""


def imported(address: str) -> Any:
    """The module ``ray``, which reads its environment when it is imported."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == "local":
        for name, value in _LOCAL_ONLY.items():
            os.environ.setdefault(name, value)
    import ray

    return ray


def join(ray: Any, address: str) -> None:
    """Connect to a cluster."""
    with _own_signals(ray):
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)


class LocalRay:
    """A Ray on this machine; it and its folders go when the process ends, if not before."""

    def __init__(self, ray: Any, cpus: int) -> None:
        self._ray = ray
        self._folders = [Scratch("ray", os.environ.get("RAY_TMPDIR") or _SHORT_FOLDER), Scratch("work")]
        atexit.register(self.stop)
        session, work = self._folders
        with _own_signals(ray), _temporary_files_in(work.name):
            ray.init(
                "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                include_dashboard=False,
                object_store_memory=256 << 20,
                num_cpus=cpus,
                _temp_dir=session.name,
            )

    def stop(self) -> None:
        """End its processes, then delete what they wrote to the local disk."""
        atexit.unregister(self.stop)
        self._ray.shutdown()
        for folder in self._folders:
            folder.cleanup()


@contextmanager
def _own_signals(ray: Any) -> Iterator[None]:
    """While Ray starts, the signals of this process stay its own.

    Ray would set three handlers for SIGTERM: two of Python, which exit with codes of their own, and one of C++ (Abseil's), which
    writes a stack to standard error and aborts the process. That of C++, which is set only once, is set first; then what this
    process had is set again, and Ray's others are kept out. If it had none, Ray's of Python is left.
    Ray's processes get process groups of their own: of a signal to the whole group, as schedulers send it, they would die at
    once, and Ray's C++ would wait for them for a minute and then exit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    _set_abseil_handler(ray)
    services, utils = ray._private.services, ray._private.utils
    popen, set_sigterm_handler = services.ConsolePopen, utils.set_sigterm_handler
    services.ConsolePopen = partial(popen, process_group=0)
    if callable(before):
        signal.signal(signal.SIGTERM, before)
        utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        services.ConsolePopen, utils.set_sigterm_handler = popen, set_sigterm_handler
        # Once more, for a Ray whose C++ handler could not be set first.
        signal.signal(signal.SIGTERM, before if callable(before) else signal.getsignal(signal.SIGTERM))


def _set_abseil_handler(ray: Any) -> None:
    """``ray::RayLog::InstallFailureSignalHandler(const char*, bool)``."""
    install = getattr(ctypes.CDLL(ray._raylet.__file__), "_ZN3ray6RayLog27InstallFailureSignalHandlerEPKcb", None)
    if install:
        install(None, False)


@contextmanager
def _temporary_files_in(folder: str) -> Iterator[None]:
    """For processes that are started meanwhile: workers are killed with their temporary files open."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
