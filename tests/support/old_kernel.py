"""Importing this gives a decode child a kernel without the system calls that confine it."""

from __future__ import annotations

from dataengine.media.sandbox import kernel, landlock, seccomp


def _unknown(name: str, *arguments: object) -> int:
    raise OSError(38, f"{name}: Function not implemented")


for _module in (kernel, landlock, seccomp):
    vars(_module)["call"] = _unknown
