"""What a decode child gets of its parent's environment and files: enough to import and to decode, no credentials."""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dataengine.media.sandbox import malloc
from dataengine.storage.pinned_packages import cache_dir

_KEPT = (
    *(
        "PATH",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "SYSTEMROOT",
        "PYTHONHOME",
        "PYTHONHASHSEED",
    ),
    *(
        "HOME",
        "XDG_CACHE_HOME",
        "NUMBA_CACHE_DIR",
    ),  # where numba keeps what it has compiled, read before the first item
)
_KEPT_PREFIXES = ("LC_",)
_KEPT_FOR_GPU = ("CUDA_", "NVIDIA_", "HIP_", "ROCR_")
_FIXED = {
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # Landlock does not hold threads that are there before it
    "MALLOC_ARENA_MAX": "2",
    **malloc.VARIABLES,
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "PYTHONNOUSERSITE": "1",
}
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/nix/store", "/gnu/store"),
    *("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom", "/dev/random", "/dev/zero"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/self", "/proc/sys/vm/overcommit_memory"),
    *("/sys/devices/system", "/sys/fs/cgroup"),
)
_GPU_SYSTEM = ("/proc/driver/nvidia", "/proc/devices", "/sys", "/usr/local/cuda", "/usr/share/nvidia", "/etc/nvidia")


def variables(*, gpu: bool) -> dict[str, str]:
    """Environment of a child: an allow-list, and what its libraries are set to."""
    prefixes = _KEPT_PREFIXES + (_KEPT_FOR_GPU if gpu else ())
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(prefixes)}
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    return {**kept, **_FIXED, "PYTHONPATH": path, "DATAENGINE_CACHE": str(cache_dir().absolute())}


def readable(*, gpu: bool) -> list[str]:
    """Files and folders that a child may read: Python, libraries, packages, and the cache of pinned weights. Of folders that
    hold more than code (the current folder, the home, /tmp and what is above them) it may read the packages that it has imported
    when it begins to decode (``imported``)."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    libraries = [str(Path(prefix, name)) for prefix in sorted(prefixes) for name in ("lib", "lib64")]
    linked = [entry for entry in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if entry]
    folders = [*installed, *libraries, *linked, *sys.path, str(cache_dir())]
    return [*_SYSTEM, *(_GPU_SYSTEM if gpu else ()), *(f for f in folders if f and not _holds_more(f))]


def devices(*, gpu: bool) -> list[str]:
    """Files that a child may read and write."""
    cards = sorted(str(path) for path in Path("/dev").glob("nvidia*")) if gpu else []
    return ["/dev/null", *cards]


def imported() -> Iterator[str]:
    """Folders of the packages, and files of the modules, that this process has imported."""
    for name, module in list(sys.modules.items()):
        if "." not in name:
            yield from map(str, getattr(module, "__path__", None) or [getattr(module, "__file__", None) or "/dev/null"])


def _holds_more(folder: str) -> bool:
    path = Path(folder).resolve()
    places = [Path.cwd(), Path(os.path.expanduser("~")), Path(tempfile.gettempdir())]  # noqa: PTH111 (does not raise)
    return any(place.resolve().is_relative_to(path) for place in places)
