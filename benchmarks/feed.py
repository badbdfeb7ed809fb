"""How well a worker feeds its model where neither decoding nor the model costs CPU: items a second, busy share of the device.

``python -m benchmarks feed [--rate R] [--pictures N] [--parts P]``. Decode children answer 224 × 224 × 3 arrays at once, whatever
bytes they get (40 kB each, read from media tars); the device is simulated: it takes 1/R s a picture, one batch at a time, and
leaves the CPU alone. Old way and new in turn, each with one and two decode children:

- feed path: from media tars to batches of 256 in one array, no model; CPU of the worker and its children;
- old: arrays through pipes, 32 items ahead one by one, a batch of the model after the other, a part after the other;
- new: arrays through shared memory, the next batch formed ahead, two batches and two parts at once, as beside a GPU;
- embed: the stage ``embed`` as it is, Parquet files included, the device taking no time;
- busy: the same with the device taking its time; its seconds of work, as a share of all.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import harness
import numpy as np
import workers

from dataengine.embed.prepared import Prepared
from dataengine.embed.worker import PICTURES, EmbedWorker
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox
from dataengine.samples.decode import Decoded
from dataengine.samples.locate import Located, chunks, payloads
from dataengine.stage import Feed, Part
from dataengine.storage.workspace import Workspace
from dataengine.testing.simulated import SimulatedDevice, SimulatedEncoder

_BATCH, _BYTES = 256, 40_000
_FUNCTION = "dataengine.testing.simulated:instant"


class SimulatedEmbed(EmbedWorker):
    """The worker of ``embed`` over free decoding."""

    function = _FUNCTION

    def context(self) -> Any:
        return None


def embed_worker(workspace: Workspace, rate: float, children: int, lanes: int) -> SimulatedEmbed:
    """``rate``: pictures a second of its device."""
    device = SimulatedDevice(1 / rate)
    made = SimulatedEmbed(Limits(), workspace, SimulatedEncoder(device), (PICTURES,), "cpu", 1)
    made.feed = Feed(children, lanes)
    return made


def batch_of(chunk: Sequence[Decoded]) -> int:
    return len(np.concatenate([out.value[0] for _, out in chunk if isinstance(out, Ok)]))


class New:
    """A worker as it is, with two parts at once as beside a GPU."""

    at_once = 2

    def __init__(self, workspace: Workspace, children: int) -> None:
        self.workspace = workspace
        self.by_rate = {
            rate: embed_worker(workspace, rate, children, self.at_once) for rate in (math.inf, options.rate)
        }

    def feed(self, work: list[Part]) -> None:
        for part in work:
            sum(self.by_rate[math.inf].computed(part.spec, _BATCH, batch_of))

    def embed(self, work: list[Part], rate: float) -> float:
        """The share of its seconds that the device was busy."""
        one, begun = self.by_rate[rate], time.perf_counter()
        device: SimulatedDevice = one.encoder.device  # type: ignore[attr-defined]
        device.busy = 0.0
        workers.made(one, work, self.at_once)
        return device.busy / (time.perf_counter() - begun)

    def close(self) -> None:
        for one in self.by_rate.values():
            one.close()


class Old(New):
    """What a worker was: arrays through pipes, a queue of 32 items, one batch of the model after the other."""

    at_once = 1

    def __init__(self, workspace: Workspace, children: int) -> None:
        super().__init__(workspace, children)
        sandbox = Sandbox(_FUNCTION, None, workers=children, limits=Limits(), answer=Prepared, slot_bytes=0)
        self.sandbox = sandbox.__enter__()
        for one in self.by_rate.values():
            one.computed = self.computed  # type: ignore[method-assign,assignment]

    def computed(
        self, rows: Sequence[Located], size: int, work: Callable[[list[Decoded]], Any], *_: Any
    ) -> Iterator[Any]:
        return map(work, chunks(self.decoded(rows), size))

    def decoded(self, rows: Sequence[Located]) -> Iterator[Decoded]:
        queue: Queue[Decoded | None] = Queue(32)
        held: deque[Located] = deque()

        def items() -> Iterator[Any]:
            for row, data in payloads(self.workspace.store, rows):
                held.append(row)
                yield data, row.kind

        def fill() -> None:
            for outcome in self.sandbox.map(items()):
                queue.put((held.popleft(), outcome))
            queue.put(None)

        thread = Thread(target=fill)
        thread.start()
        while (item := queue.get()) is not None:
            yield item
        thread.join()

    def close(self) -> None:
        self.sandbox.__exit__(None, None, None)


options = argparse.Namespace(rate=2000.0)


def main() -> None:
    parser = harness.parser(__doc__, rounds=3)
    parser.add_argument("--rate", type=float, default=2000.0, help="pictures a second of the device")
    parser.add_argument("--pictures", type=int, default=1024, help="in a part")
    parser.add_argument("--parts", type=int, default=12)
    parser.parse_args(namespace=options)
    report = harness.Report("feed", options)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        bytes_ = np.random.default_rng(0).bytes(_BYTES + options.parts * options.pictures)
        pictures = [bytes_[n : n + _BYTES] for n in range(options.parts * options.pictures)]
        work = workers.media(workspace, options.parts, pictures)
        ways = {f"{k.__name__.lower()}, {n}": k(workspace, n) for n in (1, 2) for k in (Old, New)}
        measure(report, ways, work)
        for way in ways.values():
            way.close()
    report.write()


def measure(report: harness.Report, ways: dict[str, New], work: list[Part]) -> None:
    count, shares, cpus = options.parts * options.pictures, dict[str, list[float]](), dict[str, list[float]]()

    def feed(name: str) -> None:
        begun = spent()
        ways[name].feed(work)
        cpus.setdefault(name, []).append(spent() - begun)

    def busy(name: str) -> None:
        shares.setdefault(name, []).append(ways[name].embed(work, options.rate))

    fed = harness.rounds({name: partial(feed, name) for name in ways}, options.rounds)
    stage = harness.rounds({name: partial(way.embed, work, math.inf) for name, way in ways.items()}, options.rounds)
    harness.rounds({name: partial(busy, name) for name in ways}, options.rounds)
    columns = ["way, decode children", "feed path, items/s", "CPU µs an item", "embed, items/s"]
    rows = [
        [
            name,
            count / fed[name].wall,
            1e6 * statistics.median(cpus[name][1:]) / count,
            count / stage[name].wall,
            statistics.median(shares[name][1:]),
        ]
        for name in ways
    ]
    title = f"{count:,} pictures of 224 × 224 in {options.parts} parts"
    report.table(title, [*columns, f"busy at {options.rate:,.0f}/s"], rows)


def spent() -> float:
    """CPU seconds of this process and its children."""
    children = [int(pid) for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()]
    return time.process_time() + sum(map(harness.cpu_of, children))


if __name__ == "__main__":
    main()
