"""Two processes that train together without an engine: a board between them, and what each of them does."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable
from multiprocessing.managers import BaseManager
from typing import Any

from dataengine.stage import Group
from dataengine.testing.local_board import LocalBoard


class _Server(BaseManager):
    """Serves a LocalBoard to processes that know the key."""


_Server.register("board", LocalBoard)


def together(size: int, work: Callable[..., None], *arguments: Any) -> None:
    """``work(group, *arguments)`` in ``size`` processes at once."""
    spawn = multiprocessing.get_context("spawn")
    with _Server(ctx=spawn) as server:
        board = server.board()  # type: ignore[attr-defined]
        groups = [Group(rank, size, "127.0.0.1", board) for rank in range(size)]
        processes = [spawn.Process(target=_run, args=(work, group, *arguments), daemon=True) for group in groups]
        for process in processes:
            process.start()
        for process in processes:
            process.join(600)
            process.kill()
        assert [process.exitcode for process in processes] == [0] * size


def _run(work: Callable[..., None], group: Group, *arguments: Any) -> None:
    work(group, *arguments)
    gc.collect()  # a split model holds its process group, which must not end with the interpreter
