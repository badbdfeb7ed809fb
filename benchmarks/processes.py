"""The processes of a run, by their part in it: driver, worker, decode child (Linux)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def family(leader: int) -> set[int]:
    """The processes of a session, and what these have started."""
    table: dict[int, tuple[int, int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            values = stat.read_text().rpartition(")")[2].split()
            table[int(stat.parent.name)] = (int(values[1]), int(values[3]))
    own = {pid for pid, (_, session) in table.items() if session == leader}
    while more := {pid for pid, (parent, _) in table.items() if parent in own} - own:
        own |= more
    return own


def roles(leader: int) -> dict[int, str]:
    """``driver``, ``worker``, ``decode child`` or "" of each process of a run."""
    return {pid: _role(pid, leader) for pid in sorted(family(leader))}


def _role(pid: int, leader: int) -> str:
    if pid == leader:
        return "driver"
    with suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"dataengine.media.sandbox" in line:
            return "decode child"
        if line.startswith(b"ray::_Actor"):
            return "worker"
    return ""
