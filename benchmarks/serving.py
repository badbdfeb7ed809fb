"""What the client of model servers costs, and how busy it keeps them: CPU a request, requests in flight, tokens/s against bare.

``python -m benchmarks serving [--requests N] [--packaged]``. The scripted server (64 slots, 0.64 s and 64 tokens a request: 100
requests/s) runs in a process of its own; CPU is that of this process, user and system.

- bare: 64 connections that post the same bytes again, nothing else; its tokens/s are the server's own at saturation;
- bare aiohttp: the same posts by that library, where it is installed;
- client: requests with their digests, bodies, parsed and checked replies; without and with the cache of completions on disk, and
  with a picture of 100 kB in each;
- resume: the same requests again on the same cache; how many reach the server;
- ``--packaged``: bare and client against SmolLM2 on llama.cpp, which computes on the same cores.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import harness

from dataengine.config.model_server import ModelServer
from dataengine.models.serving import packaged_server
from dataengine.models.serving.cache import CompletionCache
from dataengine.models.serving.completion import Completion, Request
from dataengine.models.serving.http import ConnectError, Origin
from dataengine.models.serving.messages import ImageBlock, Message, TextBlock
from dataengine.models.serving.openai import OpenAIClient
from dataengine.storage.store import Store

SLOTS, SECONDS, TOKENS = 64, 0.64, 64
_PICTURE = 100_000
_PROMPT = "Describe the picture in one sentence that says what is there, where, and what it does. "


def request(number: int, pictures: bool, tokens: int = TOKENS) -> Request:
    blocks: tuple[Any, ...] = (TextBlock(text=f"{_PROMPT * 3}{number}"),)
    if pictures:
        blocks = (ImageBlock(image=f"obs:{number}"), *blocks)
    return Request((Message(role="user", content=blocks),), number, 0.7, tokens)


def picture(name: str) -> bytes:
    return name.encode().ljust(_PICTURE, b"\xff")


def client_run(url: str, count: int, store: Store | None, pictures: bool, **more: Any) -> dict[str, float]:
    """Requests/s, tokens/s, CPU µs a request and CPU as a share of one core."""
    fields = {"url": url, "model": "m", "concurrency": SLOTS, "logprobs": False, **more}
    tokens = fields.pop("tokens", TOKENS)
    client = OpenAIClient(ModelServer.model_validate(fields), CompletionCache(store))
    client.setup()
    begun, cpu = time.monotonic(), harness.cpu_seconds()
    generated = 0
    for _, result in client.complete((request(n, pictures, tokens) for n in range(count)), picture):
        generated += result.tokens_out if isinstance(result, Completion) else tokens
    seconds, cpu = time.monotonic() - begun, harness.cpu_seconds() - cpu
    client.close()
    return figures(count, generated, seconds, cpu)


Post = Callable[[bytes], Awaitable[bytes]]
"""Sends a body, and returns that of the reply."""


async def bare_run(url: str, count: int, tokens: int, slots: int) -> dict[str, float]:
    origin = Origin(url, "")

    async def post(body: bytes) -> bytes:
        return (await origin.post("/chat/completions", body)).body

    try:
        return await _posted(post, count, tokens, slots)
    finally:
        origin.close()


async def aiohttp_run(url: str, count: int, tokens: int, slots: int) -> dict[str, float]:
    import aiohttp

    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=slots), headers=headers) as session:

        async def post(body: bytes) -> bytes:
            async with session.post(f"{url}/chat/completions", data=body) as reply:
                return await reply.read()

        return await _posted(post, count, tokens, slots)


async def _posted(post: Post, count: int, tokens: int, slots: int) -> dict[str, float]:
    left, generated = iter(range(count)), 0

    async def some() -> None:
        nonlocal generated
        for number in left:
            message = {"role": "user", "content": f"{_PROMPT * 3}{number}"}
            body = {"model": "m", "messages": [message], "seed": number, "temperature": 0.7, "max_tokens": tokens}
            reply = json.loads(await post(json.dumps(body).encode()))
            generated += reply["usage"]["completion_tokens"]

    begun, cpu = time.monotonic(), harness.cpu_seconds()
    await asyncio.gather(*(some() for _ in range(slots)))
    return figures(count, generated, time.monotonic() - begun, harness.cpu_seconds() - cpu)


def figures(count: int, tokens: int, seconds: float, cpu: float) -> dict[str, float]:
    return {"rate": count / seconds, "tokens": tokens / seconds, "cpu": cpu / count * 1e6, "share": cpu / seconds}


async def busiest(url: str) -> tuple[int, int]:
    """The most requests at once, and how many there were, since this was asked before."""
    origin = Origin(url.removesuffix("/v1"), "")
    reply = json.loads((await origin.get("/busiest")).body)
    origin.close()
    return reply[0], reply[1]


@contextmanager
def server(*command: str) -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    words = [word.format(port=port) for word in command]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            asyncio.run(_answers(f"http://127.0.0.1:{port}/v1"))
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


async def _answers(url: str) -> None:
    for _ in range(300):
        try:
            if (await Origin(url, "").get("/models")).status < 500:
                return
        except ConnectError:
            pass
        await asyncio.sleep(0.1)
    raise SystemExit("the server does not start")


def scripted(report: harness.Report, count: int) -> None:
    scripted_llm = str(Path(__file__).with_name("scripted_llm.py"))
    arguments = (scripted_llm, "{port}", str(SLOTS), str(SECONDS), str(TOKENS))
    rows = []
    with tempfile.TemporaryDirectory() as folder, server(*arguments) as url:
        store = Store(folder)
        ways: dict[str, tuple[Store | None, bool]] = {
            "client": (None, False),
            "client, 100 kB picture": (None, True),
            "client, cache": (store, False),
            "resume": (store, False),
        }
        client_run(url, SLOTS, None, False)
        bare = asyncio.run(bare_run(url, count, TOKENS, SLOTS))
        rows.append(["bare", bare, *asyncio.run(busiest(url))])
        if find_spec("aiohttp"):
            other = asyncio.run(aiohttp_run(url, count, TOKENS, SLOTS))
            rows.append(["bare aiohttp", other, *asyncio.run(busiest(url))])
        for name, (kept, pictures) in ways.items():
            rows.append([name, client_run(url, count, kept, pictures), *asyncio.run(busiest(url))])
    table(report, f"Scripted server, {count:,} requests", rows, bare["tokens"])


def packaged(report: harness.Report) -> None:
    slots, tokens, count = packaged_server.SLOTS, 32, 24
    more = {"concurrency": slots, "tokens": tokens, "vision": False}
    with server(str(packaged_server.__file__), "127.0.0.1", "{port}", "m", "2") as url:
        client_run(url, slots, None, False, **more)
        rows = []
        for _ in range(2):  # in turn: the server takes the cores that the machine has left
            rows.append(["bare", asyncio.run(bare_run(url, count, tokens, slots)), slots, count])
            rows.append(["client", client_run(url, count, None, False, **more), slots, count])
    table(report, "SmolLM2 on llama.cpp", rows, sum(row[1]["tokens"] for row in rows if row[0] == "bare") / 2)


def table(report: harness.Report, title: str, rows: list[list[Any]], bare: float) -> None:
    head = ["way", "requests/s", "tokens/s ÷ bare", "CPU µs a request", "of a core", "most at once", "requests"]
    cells = [
        [name, f["rate"], f["tokens"] / bare, f["cpu"], f["share"], most, requests] for name, f, most, requests in rows
    ]
    report.table(title, head, cells)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--packaged", action="store_true")
    options = parser.parse_args()
    report = harness.Report("serving", options)
    scripted(report, options.requests)
    if options.packaged:
        packaged(report)
    report.write()


if __name__ == "__main__":
    main()
