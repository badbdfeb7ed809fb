"""Memory that a picture has freed is there for the next one, and goes back to the kernel after a part."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from dataengine.media.sandbox.environment import variables

_FAULTS = """
import resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    buffers = [b"x" * 400_000 for _ in range(4)]
    del buffers
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
_KEEP = "from dataengine.media.sandbox.malloc import keep_freed_memory; keep_freed_memory()"

_HELD = """
from dataengine.media.sandbox.malloc import keep_freed_memory, return_freed_memory
keep_freed_memory()

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

rows = [b"x" * 9_000 for _ in range(20_000)]
kept = rows[::100]
del rows
before = resident()
return_freed_memory()
print(100 * resident() // before)
"""


def number(code: str, env: dict[str, str]) -> int:
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc")
def test_memory_is_not_faulted_in_for_every_picture() -> None:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    usual = number(_FAULTS, plain)
    assert number(_KEEP + _FAULTS, plain) < usual / 2, "a worker"
    assert number(_FAULTS, variables(gpu=False)) < usual / 2, "a decode child"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc")
def test_what_a_part_has_freed_is_returned() -> None:
    assert number(_HELD, dict(os.environ)) < 60, "per cent of what was held before"
