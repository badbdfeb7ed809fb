"""Publishing, reading over S3 and verifying, each beside the least that could do it, in one run on one machine.

``python benchmarks/publish.py [--megabytes 512] [--shard 16] [--sample 256] [--server moto|nanio] [--rounds 3]``. A release
of random pictures (``--sample`` KB each, with caption, JSON and codes) in shards of ``--shard`` MB, a local S3 server:

publish   against raw parallel PUTs of the same files, eight at a time, by the same client
loop      webdataset over s3:// on our shards against the same loop on tars of the same samples by webdataset.ShardWriter
verify    against SHA-256 of the same files alone, with as many threads, from disk; and of a release over s3://

Best of ``--rounds``; server and client share the cores, so both sides of a ratio pay for it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import webdataset

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.servers import free_port, serve

from dataengine import contracts
from dataengine.readers.fsspec_s3 import register, shards
from dataengine.release.ledger import OUTCOMES
from dataengine.release.publish import publish
from dataengine.shards.sample import Members, sample_members
from dataengine.storage.store import Store
from dataengine.storage.tar import write_tar
from dataengine.storage.workspace import canonical_json
from dataengine.verify.verify import verify

CODEBOOKS, TOKENS = 4, 196
EXAMPLE = Path(__file__).parents[1] / "schemas" / "manifest" / "examples" / "valid" / "one.json"


def sample(number: int, size: int) -> Members:
    rng = np.random.default_rng(number)
    media = rng.bytes(size)
    sha256 = hashlib.sha256(media).hexdigest()
    row: dict[str, Any] = {f.name: None for f in contracts.UNIQUE}
    row |= {"id": sha256[:32], "sha256": sha256, "kind": "image", "format": "jpeg", "ext": "jpg", "mode": "RGB"}
    row |= {"bytes": size, "width": 640, "height": 480, "orientation": 1, "frames": 1, "audio": False, "mentions": 1}
    row |= {"captions": [{"text": f"picture number {number} of many", "source": "made"}], "license": "cc0-1.0"}
    tokens = rng.integers(0, 256, (TOKENS, CODEBOOKS), np.uint8)
    grid = {"grid_t": 1, "grid_h": 14, "grid_w": 14, "frame_kinds": None}
    codes = {"id": row["id"], "tokenizer": "t" * 32, "tokens": TOKENS, "codebooks": CODEBOOKS, **grid}
    scores = dict.fromkeys(("aspect", "blur", "brightness", "contrast", "entropy", "match", "nsfw"), 0.1234)
    return sample_members(row, media, scores=scores, codes={**codes, "dtype": "uint8", "codes": tokens.tobytes()})


def make(folder: Path, megabytes: int, shard_mb: int, sample_kb: int) -> None:
    """A release that ``dataengine verify`` accepts."""
    (folder / "shards").mkdir(parents=True)
    listed, ids = [], []
    each = max(1, shard_mb * 1000 // sample_kb)
    for n in range(max(1, megabytes // shard_mb)):
        made = [sample(n * each + i, sample_kb * 1000) for i in range(each)]
        ids += [members[0][0].partition(".")[0] for members in made]
        with (folder / "shards" / f"train-image-{n:05d}.tar").open("wb") as out:
            info = write_tar(out, (m for members in made for m in members))
        listed.append({"name": f"train-image-{n:05d}", "sha256": info.sha256, "bytes": info.bytes})
    rows = [{"input_id": i, "source": "made", "uri": i, "id": i, "outcome": "kept"} for i in ids]
    nullable = pa.schema([f.with_nullable(True) for f in contracts.LEDGER])
    pq.write_table(pa.Table.from_pylist(rows, nullable), folder / "ledger.parquet")
    manifest = json.loads(EXAMPLE.read_text())
    manifest |= {"name": "made", "samples": len(ids), "cot": {"shards": [], "modes": {}, "rejected": {}}}
    manifest["shards"] = [{**s, "split": "train", "family": "image", "samples": each} for s in listed]
    manifest["sources"] = [{"name": "made", "type": "folder", "license": None, "inputs": len(ids)}]
    manifest["ledger"] = {
        "outcome": {**dict.fromkeys(OUTCOMES, 0), "kept": len(ids)},
        "kind": {},
        "rule": {},
        "failure": {},
    }
    manifest["tokenizer"] |= {"id": "t" * 32, "codebook_sizes": [256] * CODEBOOKS}
    manifest["files"] = [
        {"path": f"shards/{s['name']}.tar", "sha256": s["sha256"], "bytes": s["bytes"]} for s in listed
    ]
    data = (folder / "ledger.parquet").read_bytes()
    manifest["files"].append({"path": "ledger.parquet", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})
    (folder / "manifest.json").write_bytes(canonical_json(manifest))


def others(folder: Path, release: Path) -> list[str]:
    """The same samples in tars that webdataset has written."""
    folder.mkdir()
    names = []
    for path in sorted((release / "shards").glob("*.tar")):
        names.append(path.name)
        with webdataset.TarWriter(str(folder / path.name)) as out:
            for fields in webdataset.WebDataset(str(path), shardshuffle=False):
                out.write({k: v for k, v in fields.items() if k[0] != "_" or k == "__key__"})
    return names


@contextmanager
def server(kind: str, folder: Path) -> Iterator[None]:
    port = free_port()
    command = Path(sys.executable).with_name("nanio" if kind == "nanio" else "moto_server")
    options = ["serve", "--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    options = options if kind == "nanio" else ["-H", "127.0.0.1", "-p", str(port)]
    os.environ |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
    env = {"NANIO_ACCESS_KEY": "bench", "NANIO_SECRET_KEY": "bench"}
    running = serve([str(command), *options], port, env)
    os.environ["AWS_ENDPOINT_URL"] = next(running)
    try:
        boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).create_bucket(Bucket="bench")
        yield
    finally:
        running.close()


def best(rounds: int, *ways: Callable[[int], object]) -> list[float]:
    """Seconds of each way, the ways taking turns."""
    seconds = [float("inf")] * len(ways)
    for number in range(rounds):
        for n, way in enumerate(ways):
            begun = time.perf_counter()
            way(number)
            seconds[n] = min(seconds[n], time.perf_counter() - begun)
    return seconds


def loop(urls: list[str]) -> int:
    return sum(len(fields["jpg"]) for fields in webdataset.WebDataset(urls, shardshuffle=False))


def hash_all(folder: Path) -> None:
    def one(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        list(pool.map(one, [p for p in folder.rglob("*") if p.is_file()]))


def put_all(folder: Path, target: str) -> None:
    client = Store(target).client
    files = [p for p in folder.rglob("*") if p.is_file()]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda p: obstore.put(client, str(p.relative_to(folder)), p.read_bytes(), use_multipart=False), files
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("megabytes", 512), ("shard", 16), ("sample", 256), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--server", choices=("moto", "nanio"), default="moto")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, release = Path(name), Path(name, "release")
        make(release, asked.megabytes, asked.shard, asked.sample)
        total = sum(p.stat().st_size for p in release.rglob("*") if p.is_file()) / 1e6

        def told(what: str, ours: float, theirs: float) -> None:
            print(f"{what:34} {total / ours:8,.0f} MB/s against {total / theirs:8,.0f} MB/s: {theirs / ours:.2f}")

        found = verify(str(release))
        if found.errors:
            raise SystemExit(found.text())
        told("verify, SHA-256 alone", *best(asked.rounds, lambda _: verify(str(release)), lambda _: hash_all(release)))
        names = others(folder / "others", release)
        with server(asked.server, folder / "data"):
            ways = (
                lambda n: publish(str(release), f"s3://bench/ours-{n}", unconditional=asked.server == "nanio"),
                lambda n: put_all(release, f"s3://bench/raw-{n}"),
            )
            told("publish, raw parallel PUTs", *best(asked.rounds, *ways))
            put_all(folder / "others", "s3://bench/others")
            register()
            ours, theirs = shards("s3://bench/ours-0"), [f"s3://bench/others/{n}" for n in names]
            told("webdataset loop, tars of others", *best(asked.rounds, lambda _: loop(ours), lambda _: loop(theirs)))
            far = best(asked.rounds, lambda _: verify("s3://bench/ours-0"))[0]
            print(f"{'verify over s3://':34} {total / far:8,.0f} MB/s")


if __name__ == "__main__":
    main()
