"""A model server that takes its time and leaves the CPU alone: ``python benchmarks/scripted_llm.py PORT SLOTS SECONDS TOKENS``.

At most SLOTS requests are answered at once, each after SECONDS with TOKENS tokens; others wait. ``GET /busiest`` tells the most
that were there at once and how many requests came, and begins to count anew.
"""

from __future__ import annotations

import asyncio
import json
import sys

_TEXT = (
    "A wide valley opens below the ridge. Two hikers in orange jackets rest near a low stone wall, while clouds gather "
    "above distant peaks. On the left, a narrow stream runs between boulders towards an old wooden bridge."
)


class ScriptedServer:
    def __init__(self, slots: int, seconds: float, tokens: int) -> None:
        self.slots, self.seconds = asyncio.Semaphore(slots), seconds
        choice = {"index": 0, "message": {"role": "assistant", "content": _TEXT}, "finish_reason": "stop"}
        self.reply = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 0, "completion_tokens": tokens}})
        self.busy = self.busiest = self.requests = 0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.lower().split(b"\r\n")
                length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
                await reader.readexactly(length)
                body = await self.answer() if head.startswith(b"POST") else self.told(head)
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def answer(self) -> str:
        self.busy += 1
        self.requests += 1
        self.busiest = max(self.busiest, self.busy)
        async with self.slots:
            await asyncio.sleep(self.seconds)
        self.busy -= 1
        return self.reply

    def told(self, head: bytes) -> str:
        if not head.startswith(b"GET /busiest"):
            return "{}"
        told = json.dumps([self.busiest, self.requests])
        self.busiest, self.requests = self.busy, 0
        return told


async def serve(port: int, slots: int, seconds: float, tokens: int) -> None:
    scripted = ScriptedServer(slots, seconds, tokens)
    server = await asyncio.start_server(scripted.connection, "127.0.0.1", port, limit=1 << 20, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
