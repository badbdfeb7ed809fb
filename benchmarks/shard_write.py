"""Samples a second written to a shard: ours beside webdataset.ShardWriter and tarfile, in one run.

``python benchmarks/shard_write.py [--samples N] [--bytes SIZE] [--repeat R]``. Three members a sample (picture, text, JSON),
already encoded; every way writes the same members to the same disk, ours also makes the SHA-256 of the shard, and the best of
R rounds is shown. The last line tells whether the bytes of ours and tarfile's are equal.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import webdataset

from dataengine.shards.sample import Members, canonical
from dataengine.storage.tar import write_tar

Way = Callable[[Path, list[Members]], object]


def samples(count: int, size: int) -> list[Members]:
    """Members of ``count`` samples with random bytes for pictures of ``size`` bytes."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        key = rng.bytes(16).hex()
        text = f"a picture called {key}".encode()
        facts = canonical({"id": key, "width": 640, "height": 480, "scores": {"blur": 0.5}})
        made.append([(f"{key}.jpg", rng.bytes(size)), (f"{key}.txt", text), (f"{key}.json", facts)])
    return made


def ours(path: Path, made: list[Members]) -> None:
    with path.open("wb") as out:
        write_tar(out, (member for sample in made for member in sample))


def with_tarfile(path: Path, made: list[Members]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for sample in made:
            for name, data in sample:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


def with_webdataset(path: Path, made: list[Members]) -> None:
    with webdataset.ShardWriter(f"{path}-%d", maxcount=len(made) + 1, maxsize=1 << 40, verbose=0, mtime=0) as out:
        for sample in made:
            fields = {name.partition(".")[2]: data for name, data in sample}
            out.write({"__key__": sample[0][0].partition(".")[0], **fields})


def rates(ways: dict[str, Way], made: list[Members], repeat: int, folder: Path) -> dict[str, float]:
    """Samples a second of each way, the best of ``repeat`` rounds in which they take turns."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(repeat):
        for name, write in ways.items():
            start = time.perf_counter()
            write(folder / name, made)
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: len(made) / seconds for name, seconds in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--bytes", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    made = samples(given.samples, given.bytes)
    ways: dict[str, Way] = {"ours": ours, "tarfile": with_tarfile, "webdataset": with_webdataset}
    print(f"{given.samples:,} samples of {given.bytes:,} bytes and two small members, best of {given.repeat}")
    with tempfile.TemporaryDirectory() as folder:
        for name, rate in rates(ways, made, given.repeat, Path(folder)).items():
            print(f"{name:12}{rate:10,.0f} samples/s{rate * given.bytes / 1e6:10,.0f} MB/s")
        same = Path(folder, "ours").read_bytes() == Path(folder, "tarfile").read_bytes()
    print(f"bytes equal to tarfile's: {same}")


if __name__ == "__main__":
    main()
