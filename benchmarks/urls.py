"""Downloading: tables of URLs through ingest beside a folder of the same files and img2dataset, whole commands.

    python -m benchmarks urls [--images 40000] [--rounds 3] [--img2dataset PATH_TO_COMMAND] [--clients]

A server in a process of its own answers on 127.0.0.1 to 127.0.0.8, which are eight hosts. Every way starts with an empty
output; CPU seconds are those of its own processes, without the server's. ``--clients`` measures the client alone, beside
aiohttp, instead.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import harness
import yaml
from ingest import crops

HOSTS = 8
DRAWN = 1000
"""Pictures that are really different; the others differ by a comment, which changes the bytes and costs no time to make."""
PACING = {"concurrency": 64, "concurrency_per_host": 16, "delay": 0, "allow_private": True}


def write_pictures(folder: Path, count: int) -> None:
    folder.mkdir()
    drawn = crops(min(count, DRAWN))
    for n in range(count):
        comment, data = f"{n:08d}".encode(), drawn[n % len(drawn)]
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (folder / f"{n:06d}.jpg").write_bytes(data[:2] + segment + data[2:])


class Static(asyncio.Protocol):
    """Serves the files of the current folder."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        *heads, self.pending = (self.pending + data).split(b"\r\n\r\n")
        for head in heads:
            body = Path(head.split(b" ", 2)[1].rpartition(b"/")[2].decode()).read_bytes()
            lines = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body)
            self.transport.write(lines + body)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    for n in range(HOSTS):
        await loop.create_server(Static, f"127.0.0.{n + 1}", port, backlog=1024)
    print("ready", flush=True)
    await asyncio.Event().wait()


@contextlib.contextmanager
def server(folder: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, "--serve", str(port)], cwd=folder, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield port
    finally:
        process.terminate()
        process.wait()


def recipe(path: Path, source: dict[str, Any], workers: int) -> Path:
    values = {
        "name": "bench",
        "workspace": str(path.with_suffix(".workspace")),
        "workers": workers,
        "sources": [source],
        "filter": {"policy": str(harness.ROOT / "filters" / "web-v1.yaml")},
        "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
    }
    path.write_text(yaml.safe_dump(values))
    return path


def commands(folder: Path, urls: list[str], workers: int, img2dataset: str | None) -> dict[str, list[str]]:
    """Arguments of each way; all write below ``folder``/out."""
    (folder / "urls.jsonl").write_text("".join(json.dumps({"url": url}) + "\n" for url in urls))
    (folder / "urls.txt").write_text("\n".join(urls) + "\n")
    out = folder / "out"
    photos = {"type": "folder", "name": "photos", "path": str(folder / "photos")}
    web = {"type": "urls", "name": "web", "path": str(folder / "urls.jsonl"), "http": PACING}
    ingest = [*harness.ours(), "ingest"]
    ways = {
        name: [*ingest, str(recipe(folder / f"{name}.yaml", source, workers)), "--workspace", str(out)]
        for name, source in (("urls", web), ("folder", photos))
    }
    if img2dataset:
        shard = max(1, len(urls) // (4 * workers))
        peer = [
            img2dataset, f"--url_list={folder / 'urls.txt'}", f"--output_folder={out}", "--input_format=txt",
            "--output_format=webdataset", f"--processes_count={workers}", "--thread_count=64",
            f"--number_sample_per_shard={shard}", "--enable_wandb=False",
        ]  # fmt: skip
        ways |= {"img2dataset": peer, "img2dataset, no re-encoding": [*peer, "--disable_all_reencoding=True"]}
    return ways


def compare(options: argparse.Namespace, folder: Path, urls: list[str]) -> None:
    ways = commands(folder, urls, options.workers, options.img2dataset)
    report = harness.Report("urls", options)
    runs: dict[str, list[harness.Command]] = {name: [] for name in ways}
    for k in range(options.rounds):
        for name in list(ways)[:: 1 if k % 2 == 0 else -1]:
            done = harness.command(ways[name])
            if done.code:
                raise SystemExit(f"{name} ended with {done.code}:\n{done.output}")
            runs[name].append(done)
            shutil.rmtree(folder / "out", ignore_errors=True)
    seconds = {name: statistics.median(r.seconds for r in done) for name, done in runs.items()}
    rows: list[Sequence[Any]] = []
    for name, done in runs.items():
        cpu = statistics.median(r.cpu for r in done)
        rows.append(
            [name, seconds[name], len(urls) / seconds[name], seconds["folder"] / seconds[name], cpu,
             cpu / len(urls) * 1e3, max(r.peak for r in done)]
        )  # fmt: skip
    columns = ["way", "s", "pictures/s", "of folder", "CPU s", "CPU ms a picture", "peak GB"]
    report.table(f"{len(urls):,} JPEGs, {options.workers} workers, whole commands", columns, rows)
    report.write()


def clients(options: argparse.Namespace, urls: list[str]) -> None:
    """CPU time of the client's process a request, everything to the body's bytes included."""
    import aiohttp

    from dataengine.config.sources import HttpConfig
    from dataengine.ingest.crawl import Crawler
    from dataengine.ingest.occurrence import Occurrence
    from dataengine.media.limits import Limits

    async def each(one: Callable[[str], Awaitable[object]]) -> None:
        left = iter(urls)

        async def work() -> None:
            for url in left:
                await one(url)

        await asyncio.gather(*(work() for _ in range(PACING["concurrency"])))

    async def with_aiohttp() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

            async def one(url: str) -> None:
                async with client.get(url) as response:
                    await response.read()

            await each(one)

    def ours() -> None:
        crawler = Crawler()
        occurrences = [Occurrence(url, url) for url in urls]
        downloaded = crawler.crawl(occurrences, HttpConfig.model_validate(PACING), Limits())
        if sum(occurrence.data is not None for occurrence in downloaded) != len(urls):
            raise SystemExit("not all URLs were downloaded")
        crawler.close()

    ways = {"Crawler": ours, "aiohttp": lambda: asyncio.run(with_aiohttp())}
    report = harness.Report("urls", options)
    timings = harness.rounds(ways, options.rounds)
    rows = [[name, t.cpu / len(urls) * 1e6, len(urls) / t.wall] for name, t in timings.items()]
    note = "Crawler: with opt-outs, limits by host, checked addresses, spool and order; aiohttp is bare."
    report.table(f"{len(urls):,} requests", ["client", "CPU µs a request", "requests/s"], rows, note)
    report.write()


def main() -> None:
    parser = harness.parser(__doc__, rounds=3)
    parser.add_argument("--images", type=int, default=40_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--img2dataset", metavar="COMMAND", default=_peer())
    parser.add_argument("--clients", action="store_true", help="the client alone instead of commands")
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder / "photos", options.images)
        with server(folder / "photos") as port:
            urls = [f"http://127.0.0.{n % HOSTS + 1}:{port}/{n:06d}.jpg" for n in range(options.images)]
            random.Random(0).shuffle(urls)
            if options.clients:
                clients(options, urls)
            else:
                compare(options, folder, urls)


def _peer() -> str | None:
    python = harness.peer("img2dataset")
    return str(python.with_name("img2dataset")) if python else None


if __name__ == "__main__":
    main()
