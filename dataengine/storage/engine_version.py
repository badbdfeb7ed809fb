"""Version of the engine that runs in this process: its code, and the packages whose versions decide bytes.

All processes of a run must agree, or one would store under the keys of another what its own code made: a cluster whose
nodes were upgraded one after the other, a working folder that hides the installed package. A release number cannot tell,
for images with different code can carry the same one; so it is a digest of the sources.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

#: What decodes, computes and writes. A build for CUDA counts as the others of its version.
_PACKAGES = (
    "av",
    "duckdb",
    "faiss-cpu",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pyarrow",
    "pyspark",
    "ray",
    "scipy",
    "simplejpeg",
    "tokenizers",
    "torch",
    "transformers",
)
_PACKAGE = Path(__file__).parents[1]
_SOURCES = (".py", ".txt", ".json", ".yaml", ".jinja")


@cache
def engine_version() -> dict[str, str]:
    """``dataengine``: release and digest of the code; ``python``; and each package with its version. Some 30 ms."""
    return {
        "dataengine": f"{_installed('dataengine-multimodal')} (code {code_digest(_PACKAGE)})",
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        **{name: _installed(name) for name in _PACKAGES},
        "onnxruntime": _installed("onnxruntime") or _installed("onnxruntime-gpu"),
    }


def code_digest(package: Path) -> str:
    """The first 8 hex digits of SHA-256 over the names and contents of a package's sources, wherever it lies."""
    total = hashlib.sha256()
    for path in sorted(p for p in package.rglob("*") if p.suffix in _SOURCES):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(package).as_posix()} {content}\n".encode())
    return total.hexdigest()[:8]


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """In what two engines differ, ``NAME HERE, not THERE`` each; "" where they are the same."""
    names = sorted({*here, *there}, key=lambda name: (name != "dataengine", name))
    differing = [name for name in names if here.get(name, "") != there.get(name, "")]
    return "; ".join(f"{n} {here.get(n) or 'none'}, not {there.get(n) or 'none'}" for n in differing)


def _installed(name: str) -> str:
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return ""
