"""What a worker of a record stage occupies on Ray, by the nodes there are."""

from __future__ import annotations

from typing import Any

import pytest

from dataengine.dedup.fingerprint import FingerprintWorker
from dataengine.embed.worker import EmbedWorker
from dataengine.engines.ray import _settled
from dataengine.ingest.worker import IngestWorker
from dataengine.stage import Resources

LAPTOP = [{"CPU": 2.0}]
GPU_NODE = [{"CPU": 16.0, "GPU": 1.0}]
LARGE = [{"CPU": 96.0, "GPU": 8.0}]
MIXED = [{"CPU": 64.0}, {"CPU": 16.0, "GPU": 1.0}, {"CPU": 32.0, "GPU": 4.0}]
#: Decode processes, CPUs and parts of a worker.
CASES: list[tuple[Any, list[dict[str, float]], float, int | None, tuple[int, float, int]]] = [
    (EmbedWorker, LAPTOP, 0.0, None, (1, 1.0, 1)),
    (EmbedWorker, LAPTOP, 0.0, 2, (2, 2.0, 1)),
    (EmbedWorker, LAPTOP, 0.0, 8, (8, 2.0, 1)),
    (EmbedWorker, GPU_NODE, 1.0, None, (15, 15.0, 2)),
    (EmbedWorker, GPU_NODE, 1.0, 4, (4, 4.0, 2)),
    (EmbedWorker, LARGE, 1.0, None, (11, 11.0, 2)),
    (EmbedWorker, MIXED, 1.0, None, (7, 7.0, 2)),
    (EmbedWorker, [{"CPU": 2.0, "GPU": 2.0}], 1.0, None, (1, 1.0, 2)),
    (EmbedWorker, LAPTOP, 1.0, None, (1, 1.0, 2)),
    (FingerprintWorker, GPU_NODE, 0.0, None, (1, 1.0, 1)),
    (IngestWorker, GPU_NODE, 0.0, 8, (1, 1.0, 1)),
]


@pytest.mark.parametrize(("kind", "nodes", "gpus", "wanted", "expected"), CASES)
def test_decode_processes_are_declared_as_cpus(
    kind: Any, nodes: list[dict[str, float]], gpus: float, wanted: int | None, expected: tuple[int, float, int]
) -> None:
    settled = _settled(Resources(1.0, gpus, wanted), kind.__new__(kind), nodes)
    assert (settled.decoders, settled.cpus, settled.parts) == expected
    workers = sum(node.get("GPU", 0) for node in nodes)
    assert not workers or settled.cpus * workers <= sum(node["CPU"] for node in nodes)
